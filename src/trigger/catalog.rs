//! The trigger on the tables from which the worker reads what it has to do: a changed row counts as a changed definition
//! of its table, and wakes the worker.
//!
//! See [`telling`](crate::catalog::telling) for those who read these tables.

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use super::wake;
use crate::pg::error::PgError;

/// `pg_finfo` record of [`catalog_changed`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_catalog_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// The function `ai._catalog_changed` of all these triggers: all processes are told with the commit that the table has
/// changed, and read it again. The worker does so at once, also where somebody changes a row without a function of the
/// extension. What it changes itself wakes it for one turn, and it changes no such row in each turn.
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
    wake::worker_at_commit();
    pg_sys::Datum::from(0)
}
