//! `ai.set_budget`: what a vectorizer, a role or the database may use of models.

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::named;
use crate::catalog::budget::{self, BudgetOf, DOCUMENTS, QUERIES, SetBudget};
use crate::catalog::ownership::require_owner;
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, is_superuser};
use crate::trigger::wake;

/// The largest amount.
const MOST: f64 = 1e15;

#[pg_extern(sql = false)]
fn set_budget(
    amount: Option<f64>,
    unit: Option<&str>,
    period: Option<&str>,
    vectorizer: Option<&str>,
    role: Option<&CStr>,
    purpose: Option<&str>,
    used: Option<f64>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let unit = one_of("unit", unit, ["tokens", "usd"])?;
    let period = one_of("period", period, ["day", "month"])?;
    let purpose = one_of("purpose", purpose, [DOCUMENTS, QUERIES])?;
    require_in_range("amount", amount, "NULL removes the budget.")?;
    require_in_range("used", used, "NULL stands for what has been used.")?;
    if amount.is_none() && used.is_some() {
        return Err(removed_and_used().into());
    }

    let of = match (vectorizer, role) {
        (Some(_), Some(_)) => return Err(two_holders().into()),
        (Some(name), None) => of_vectorizer(name)?,
        (None, role) => of_others(role)?,
    };
    if !budget::set(&SetBudget { of, purpose, period, unit, amount, used })? {
        pgrx::notice!("there is no such budget, skipping");
    }
    wake::worker_at_commit();
    Ok(())
}

/// Returns a word. Errors if it is none of those that there are.
fn one_of<'a>(argument: &str, given: Option<&str>, words: [&'a str; 2]) -> Result<&'a str, PgError> {
    let found = words.into_iter().find(|word| given == Some(*word));
    found.ok_or_else(|| {
        let [one, other] = words;
        PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("{argument} must be '{one}' or '{other}'"),
        )
        .with_hint("See ai.set_budget() in the reference.")
    })
}

/// Errors if an amount is given that no budget can have.
fn require_in_range(argument: &str, given: Option<f64>, hint: &str) -> Result<(), PgError> {
    if given.is_none_or(|given| (0.0..=MOST).contains(&given)) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("{argument} must be between 0 and {MOST}"),
    )
    .with_hint(hint))
}

fn removed_and_used() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "used must be null if amount is null")
        .with_hint("A budget that is removed has nothing that was used.")
}

fn two_holders() -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "a budget is that of a vectorizer or of a role, and not of both",
    )
    .with_hint("Omit one of them. Without both it is the budget of the database.")
}

/// Returns the vectorizer of this name. Errors unless the caller has the rights of its owner.
fn of_vectorizer(name: &str) -> Result<BudgetOf, PgError> {
    let entry = named::by_name(Some(name))?;
    require_owner(entry.id)?;
    entry.uuid.map(BudgetOf::Vectorizer).ok_or_else(|| PgError::internal("the vectorizer has no UUID"))
}

/// Returns a role, or the database. Errors unless the caller is a superuser.
fn of_others(role: Option<&CStr>) -> Result<BudgetOf, PgError> {
    if !is_superuser(current_user()) {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "permission denied to set a budget of a role or of the database",
        )
        .with_detail("Only superusers may set them.")
        .with_hint("Specify one of your vectorizers."));
    }

    let Some(role) = role else { return Ok(BudgetOf::Database) };
    // SAFETY: looks up the catalogs on the main thread, in a transaction, by a C string.
    let found = unsafe { pg_sys::get_role_oid(role.as_ptr(), true) };
    if found == pg_sys::InvalidOid {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("role {:?} does not exist", role.to_string_lossy()),
        )
        .with_hint("See pg_roles for those that there are."));
    }
    Ok(BudgetOf::Role(found))
}
