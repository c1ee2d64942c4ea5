//! `ai.drop_vectorizer`, and disabling a vectorizer.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::alteration;
use crate::catalog::ownership::{owned, require_owner};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::trigger::wake;

/// Errors if the vectorizer's id is null.
pub fn require_id(vectorizer_id: Option<i32>) -> Result<i32, PgError> {
    vectorizer_id.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer_id must not be null")
            .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
    })
}

#[pg_extern(sql = false)]
fn drop_vectorizer(
    vectorizer_id: Option<i32>,
    drop_all: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let vectorizer = owned(require_id(vectorizer_id)?)?;
    let drop_all = drop_all.unwrap_or(false);
    let is_of_another = alteration::of(vectorizer.id())?.is_some_and(|found| found.other == vectorizer.id());
    drop_other(vectorizer.id(), drop_all)?;
    vectorizer.drop()?;
    match drop_all {
        // Its column was made for it, or put aside.
        true if is_of_another => vectorizer.drop_vectors()?,
        true => vectorizer.drop_destination()?,
        false => {}
    }
    wake::worker_at_commit();
    Ok(())
}

/// Drops the vectorizer that is built beside this one, with its incomplete store, or the one that was kept of it.
fn drop_other(id: i32, drop_all: bool) -> Result<(), PgError> {
    let Some(alteration) = alteration::of(id)?.filter(|found| found.vectorizer == id) else { return Ok(()) };
    let other = owned(alteration.other)?;
    other.drop()?;
    if drop_all || !alteration.is_switched { other.drop_vectors() } else { Ok(()) }
}

#[pg_extern(sql = false)]
fn set_disabled(
    vectorizer_id: Option<i32>,
    disabled: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let id = require_id(vectorizer_id)?;
    let disabled = disabled.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "disabled must not be null")
    })?;
    require_owner(id)?;

    as_superuser(|| {
        sql::execute(
            "UPDATE ai.vectorizer SET disabled = $2 WHERE id = $1 AND disabled <> $2",
            &[id.into(), disabled.into()],
        )
    })?;
    wake::worker_at_commit();
    Ok(())
}
