//! `ai.resync`: repairs a vectorizer that is out of step because something bypassed the triggers.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::drop_vectorizer::require_id;
use super::requirements::require_fresh_snapshots;
use crate::catalog::ownership::require_owner;
use crate::catalog::{batch, missed, vectorizer};
use crate::pg::error::PgError;
use crate::queue::resync as compare;
use crate::trigger::{self, wake};

/// Enqueues the keys in which source and store differ, or all rows, and returns how many.
#[pg_extern(sql = false)]
fn resync(vectorizer_id: Option<i32>, all_rows: Option<bool>) -> Result<i64, pg_sys::panic::ErrorReport> {
    Ok(enqueue(require_id(vectorizer_id)?, all_rows.unwrap_or(false))?)
}

fn enqueue(id: i32, all_rows: bool) -> Result<i64, PgError> {
    require_owner(id)?;
    require_fresh_snapshots("ai.resync")?;
    let vectorizer = vectorizer::by_id(id)?
        .ok_or_else(|| PgError::raised(format!("vectorizer {id} lacks its queue table or its trigger")))?
        .resolve()?;

    if all_rows {
        missed::forget(id)?;
        trigger::retry_failed();
    }
    batch::note_backfill(id)?;
    let extra = compare::enqueue_extra(&vectorizer)?;
    let rows = match all_rows {
        true => compare::enqueue_all(&vectorizer)?,
        false => compare::enqueue_missing(&vectorizer)?,
    };

    wake::worker_at_commit();
    Ok(i64::try_from(extra + rows).unwrap_or(i64::MAX))
}
