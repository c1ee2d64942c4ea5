//! `pgai_rs`: keeps vector embeddings of table rows and of documents in S3 in step with their
//! source, inside Postgres.
//!
//! This crate is the edge: all that touches Postgres, and nothing else. What happens to a document
//! between its row and its vectors is `pgai_rs_pipeline`'s.
//!
//! * [`guc`]: the settings
//! * [`api`]: the SQL functions
//! * [`catalog`]: vectorizers and their objects
//! * [`ddl`]: following changes of definitions
//! * [`queue`]: trigger, claim, completion
//! * [`source`]: buckets kept as tables
//! * [`index`]: vector indexes
//! * [`worker`]: launcher and workers
//! * [`pg`], [`vector`]: what pgrx and pgvector leave to their users

mod api;
mod catalog;
mod ddl;
mod guc;
mod index;
mod pg;
mod pgai;
mod queue;
mod source;
mod vector;
mod worker;

use pgrx::pg_sys;
use pgrx::prelude::*;

pgrx::pg_module_magic!();

/// Called by Postgres when the library is loaded: into the postmaster where it is preloaded, else
/// into the backend that first needs it.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::error::without_backtraces();
    guc::define();
    catalog::definitions::watch();
    // SAFETY: reads variables that the postmaster sets before libraries are loaded.
    let (preloading, upgrading) =
        unsafe { (pg_sys::process_shared_preload_libraries_in_progress, pg_sys::IsBinaryUpgrade) };
    // pg_upgrade wants no strangers in its databases.
    if preloading {
        pg::session::note_search_path();
    }
    if preloading && !upgrading {
        worker::init_preloaded();
    }
}
