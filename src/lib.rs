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

extension_sql_file!("../sql/catalog.sql", name = "catalog");
extension_sql_file!("../sql/loading.sql", name = "loading", requires = ["catalog"]);
extension_sql_file!("../sql/parsing.sql", name = "parsing", requires = ["loading"]);
extension_sql_file!("../sql/chunking.sql", name = "chunking", requires = ["parsing"]);
extension_sql_file!("../sql/formatting.sql", name = "formatting", requires = ["chunking"]);
extension_sql_file!("../sql/embedding.sql", name = "embedding", requires = ["formatting"]);
extension_sql_file!("../sql/indexing.sql", name = "indexing", requires = ["embedding"]);
extension_sql_file!("../sql/scheduling.sql", name = "scheduling", requires = ["indexing"]);
extension_sql_file!("../sql/processing.sql", name = "processing", requires = ["scheduling"]);
extension_sql_file!("../sql/destination.sql", name = "destination", requires = ["processing"]);
extension_sql_file!("../sql/grants.sql", name = "grants", requires = ["destination"]);
extension_sql_file!("../sql/vectorizer.sql", name = "vectorizer", requires = ["grants"]);
extension_sql_file!("../sql/validators.sql", name = "validators", requires = ["vectorizer"]);
extension_sql_file!("../sql/monitoring.sql", name = "monitoring", requires = ["validators"]);
extension_sql_file!("../sql/tracking.sql", name = "tracking", requires = ["monitoring"]);
extension_sql_file!("../sql/health.sql", name = "health", requires = ["tracking"]);
extension_sql_file!("../sql/search.sql", name = "search", requires = ["health"]);
extension_sql_file!("../sql/convenience.sql", name = "convenience", requires = ["search"]);
extension_sql_file!("../sql/s3.sql", name = "s3", requires = ["convenience"]);
extension_sql_file!("../sql/s3_source.sql", name = "s3_source", requires = ["s3"]);
extension_sql_file!("../sql/migration.sql", name = "migration", requires = ["s3_source"]);
extension_sql_file!("../sql/worker.sql", name = "worker", requires = ["migration"]);
extension_sql_file!("../sql/missed.sql", name = "missed", requires = ["worker"]);
extension_sql_file!("../sql/ddl.sql", name = "ddl", requires = ["missed"]);

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
