//! Buckets kept as tables: the worker's side of `ai.create_s3_source`.
//!
//! What S3 says comes from the pipeline's [`source`](pgai_rs_pipeline::source); here it is written
//! to the user's table, as its owner, in transactions of a page each.
//!
//! * [`access`]: what the operator lets a source's owner ask
//! * [`entry`]: a source as it stands in the catalog
//! * [`target`]: the user's table, and what it must have
//! * [`statements`]: the source's SQL, written once
//! * [`table`]: the table with its owner and its SQL: compare, upsert, delete
//! * [`mod@write`]: rows in one transaction, or in ever smaller ones until the one at fault is alone
//! * [`patience`]: pauses while a user's lock is in the way
//! * [`runs`]: `ai._s3_source_run`: what a listing has come to
//! * [`crawl`]: a listing, from the first page to the last deletion
//! * [`ear`]: a queue of events that is listened to
//! * [`sources`]: all of them, a step at a time

pub mod access;
pub mod crawl;
pub mod ear;
pub mod entry;
pub mod patience;
pub mod runs;
pub mod sources;
pub mod statements;
pub mod table;
pub mod target;
pub mod write;

/// The table of the keys that a listing has seen. Its owner is the source's.
pub fn seen_name(id: i32) -> String {
    format!("_s3_source_seen_{id}")
}
