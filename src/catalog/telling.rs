//! The extension's tables that tell every process when one of their rows changes.
//!
//! Postgres tells processes of changed definitions, not of changed rows. A trigger on such a table makes a change of a row
//! count as one of the table's definition (`ai._catalog_changed`): all processes are told with the commit, and of what was
//! rolled back nobody is. So what was read of the table is right until a [`Watch`](super::definitions::Watch) over it is
//! disturbed. The triggers fire for each row and always, so that nothing goes by them: no direct statement of a superuser,
//! and no subscription to another server.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use super::schema;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// The tables from which vectorizers are read.
pub const OF_VECTORIZERS: [&CStr; 3] = [c"vectorizer", c"_vectorizer_binding", c"_secret"];

/// The tables from which S3 sources are read.
pub const OF_SOURCES: [&CStr; 3] = [c"s3_source", c"_s3_source_state", c"_s3_source_run"];

/// The table of vectorizers that are asked to run.
pub const OF_REQUESTS: [&CStr; 1] = [c"_vectorizer_run_request"];

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

/// `pg_finfo` record of [`catalog_changed`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_catalog_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// The function `ai._catalog_changed` of all these triggers: all processes are told with the commit that the table has
/// changed, and read it again.
///
/// # Safety
/// Called by Postgres with a call record.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn catalog_changed(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the call record is live; a trigger's context is its TriggerData, whose relation is open while it runs.
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            let error = PgError::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "_catalog_changed() can only be called as a trigger",
            );
            pg_sys::panic::ErrorReport::from(error).report(pgrx::PgLogLevel::ERROR);
        }
        pg_sys::CacheInvalidateRelcache((*context.cast::<pg_sys::TriggerData>()).tg_relation);
    }
    pg_sys::Datum::from(0)
}
