//! Buckets mirrored as tables: the worker's side of `ai.create_s3_source`.
//!
//! The pipeline's [`source`](pgai_rs_pipeline::source) asks S3. This module writes the results to the user's
//! table, as its owner, in one transaction per page.
//!
//! * [`entry`]: the catalog rows of sources
//! * [`target`]: the requirements on the user's table
//! * [`statements`]: a source's SQL, written once
//! * [`table`]: compares, upserts and deletes rows
//! * [`mod@write`]: splits batches until the rows that are refused are alone
//! * [`lock_backoff`]: pauses while a user's lock is in the way
//! * [`batch`]: the objects that are asked about and written together
//! * [`room`]: the room of a source's table for more rows
//! * [`runs`]: the progress and the results of listings, `ai._s3_source_run`
//! * [`listing_run`]: the run of a listing, from the first page to the last deletion
//! * [`event_listener`]: listens to a queue of events
//! * [`listed`]: the sources that the catalog lists
//! * [`sources`]: all sources, a step at a time

pub mod batch;
pub mod entry;
pub mod event_listener;
pub mod listed;
pub mod listing_run;
pub mod lock_backoff;
pub mod room;
pub mod runs;
pub mod sources;
pub mod statements;
pub mod table;
pub mod target;
pub mod write;

/// Returns the name of a source's table of seen keys. The owner of that table is the source's owner.
pub fn seen_name(id: i32) -> String {
    format!("_s3_source_seen_{id}")
}
