//! `ai.switch_vectorizer`, `ai.revert_vectorizer` and `ai.cancel_alteration`.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::locked;
use crate::api::named::{by_id, by_name};
use crate::api::requirements::require_fresh_snapshots;
use crate::catalog::alteration::{self, Alteration};
use crate::catalog::exchange::exchange;
use crate::catalog::exchange_names::{NEW, OLD};
use crate::catalog::ownership::owned;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::trigger::wake;

#[pg_extern(sql = false)]
fn switch_vectorizer_by_id(vectorizer: Option<i32>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(switch(&by_id(vectorizer)?)?)
}

#[pg_extern(sql = false)]
fn switch_vectorizer_by_name(vectorizer: Option<&str>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(switch(&by_name(vectorizer)?)?)
}

#[pg_extern(sql = false)]
fn revert_vectorizer_by_id(vectorizer: Option<i32>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(revert(&by_id(vectorizer)?)?)
}

#[pg_extern(sql = false)]
fn revert_vectorizer_by_name(vectorizer: Option<&str>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(revert(&by_name(vectorizer)?)?)
}

#[pg_extern(sql = false)]
fn cancel_alteration_by_id(vectorizer: Option<i32>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(cancel(&by_id(vectorizer)?)?)
}

#[pg_extern(sql = false)]
fn cancel_alteration_by_name(vectorizer: Option<&str>) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(cancel(&by_name(vectorizer)?)?)
}

/// Has the vectorizer that is built beside this one take its place now, complete or not.
fn switch(found: &Entry) -> Result<(), PgError> {
    require_fresh_snapshots("switch_vectorizer")?;
    let entry = locked(found)?;
    let alteration = building(&entry)?;
    change_places(&entry, &alteration, OLD)
}

/// Has the state of before take the place again.
fn revert(found: &Entry) -> Result<(), PgError> {
    require_fresh_snapshots("revert_vectorizer")?;
    let entry = locked(found)?;
    let alteration =
        alteration::of(entry.id)?.filter(|found| found.vectorizer == entry.id && found.is_switched);
    let alteration = alteration.ok_or_else(|| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("there is no state of vectorizer {:?} to go back to", entry.name),
        )
        .with_detail("It is kept for keep_old of ai.alter_vectorizer() after the switch.")
    })?;
    change_places(&entry, &alteration, NEW)
}

fn change_places(entry: &Entry, alteration: &Alteration, ending: &str) -> Result<(), PgError> {
    let other = vectorizer::by_id(alteration.other)?.ok_or_else(|| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("tables of the vectorizer beside {:?} are missing", entry.name),
        )
        .with_hint("SELECT * FROM ai.vectorizer_health shows which.")
    })?;
    exchange(entry, &other, ending)?;
    alteration::switched(alteration)?;
    wake::worker_at_commit();
    Ok(())
}

/// Drops the vectorizer that is built beside this one, with all that it has.
fn cancel(found: &Entry) -> Result<(), PgError> {
    let entry = locked(found)?;
    let other = owned(building(&entry)?.other)?;
    other.drop()?;
    other.drop_vectors()?;
    wake::worker_at_commit();
    Ok(())
}

/// Returns the alteration of a vectorizer beside which another one is built. Errors (55000) if there is none.
fn building(entry: &Entry) -> Result<Alteration, PgError> {
    let found = alteration::of(entry.id)?.filter(|found| found.vectorizer == entry.id && !found.is_switched);
    found.ok_or_else(|| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("no vectorizer is built beside {:?}", entry.name),
        )
        .with_hint("SELECT * FROM ai.vectorizer_alterations shows what is altered.")
    })
}
