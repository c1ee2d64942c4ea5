//! The extension's tables that tell every process when one of their rows changes.
//!
//! Postgres tells processes of changed definitions, not of changed rows. A trigger on such a table makes a change of a row
//! count as one of the table's definition (`ai._catalog_changed`, whose code is in `trigger/catalog.rs`): all processes are
//! told with the commit, and of what was rolled back nobody is. So what was read of the table is right until a
//! [`Watch`](super::definitions::Watch) over it is disturbed. The triggers fire for each row and always, so that nothing
//! goes by them: no direct statement of a superuser, and no subscription to another server.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::schema;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// The tables from which vectorizers are read.
pub const OF_VECTORIZERS: [&CStr; 4] =
    [c"vectorizer", c"_vectorizer_binding", c"_secret", c"_vectorizer_alteration"];

/// The tables from which S3 sources are read.
pub const OF_SOURCES: [&CStr; 3] = [c"s3_source", c"_s3_source_state", c"_s3_source_run"];

/// The table of vectorizers that are asked to run.
pub const OF_REQUESTS: [&CStr; 1] = [c"_vectorizer_run_request"];

/// The table of budgets.
pub const OF_BUDGETS: [&CStr; 1] = [c"_budget"];

/// Returns a row for each of the tables `$1` that has the trigger, which fires whoever writes (`A`).
const TELLING: &str = "
    SELECT FROM pg_catalog.pg_trigger t
    WHERE t.tgrelid = ANY ($1) AND t.tgenabled = 'A' AND t.tgqual IS NULL
      AND t.tgfoid = pg_catalog.to_regprocedure('ai._catalog_changed()')";

/// Returns the OIDs of these tables of the extension; `None` if one of them does not tell of all changes, as with the
/// objects of an earlier version. Must be called within a transaction.
pub fn of(tables: &[&CStr]) -> Result<Option<Vec<pg_sys::Oid>>, PgError> {
    let Some(oids) = tables.iter().map(|table| schema::own(table)).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let telling = as_superuser(|| sql::read_now(TELLING, &[oids.clone().into()], |_| Ok(())))?.len();
    Ok((telling == tables.len()).then_some(oids))
}
