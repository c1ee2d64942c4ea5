//! `pgai_rs` keeps vector embeddings of table rows and of documents in S3 in step with their sources, inside
//! Postgres.
//!
//! This crate contains all that touches Postgres, and nothing else. What happens to a document between its
//! row and its vectors is in `pgai_rs_pipeline`.
//!
//! * [`guc`]: the settings
//! * [`api`]: the SQL functions
//! * [`declare`]: checks of declarations
//! * [`access`]: the administrator's limits on what the server fetches and sends
//! * [`catalog`]: vectorizers and their objects
//! * [`trigger`]: the trigger on a source, and the wake-up of the worker
//! * [`ddl`]: reactions to changed definitions
//! * [`queue`]: the vectorizers that are worked on, and the queue's protocol over SPI
//! * [`source`]: buckets mirrored as tables
//! * [`index`]: vector indexes
//! * [`search`]: searching what vectorizers have embedded
//! * [`worker`], [`shared`]: launcher and workers, and the memory that they share with sessions
//! * [`migrate`]: taking over vectorizers from pgai, and releasing them
//! * [`pg`]: Postgres and pgvector facilities that pgrx does not provide
//!
//! The queue's protocol itself, without pgrx, is in `pgai_rs_queue`.

mod access;
mod api;
mod catalog;
mod ddl;
mod declare;
mod guc;
mod index;
mod migrate;
mod pg;
mod queue;
mod search;
mod shared;
mod source;
mod trigger;
mod worker;

use pgrx::pg_sys;
use pgrx::prelude::*;

pgrx::pg_module_magic!();

/// Called by Postgres when the library is loaded: into the postmaster if it is preloaded, else into the
/// backend that first needs it.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    pg::error::without_backtraces();
    guc::define();
    catalog::definitions::watch();

    // SAFETY: reads variables that the postmaster sets before libraries are loaded.
    let (preloading, upgrading) =
        unsafe { (pg_sys::process_shared_preload_libraries_in_progress, pg_sys::IsBinaryUpgrade) };
    // During pg_upgrade no worker may connect to a database.
    if preloading {
        pg::session::note_search_path();
    }
    if preloading && !upgrading {
        worker::init_preloaded();
    }
}
