//! Keeps errors in a vectorizer's trigger from failing the user's statement: the trigger's work is undone, a
//! warning is raised, and the changes are recorded as missed.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::catalog::missed;
use crate::pg::error::PgError;
use crate::pg::transaction::subtransaction;

/// A transaction and a subtransaction of it.
type Place = (pg_sys::TransactionId, pg_sys::SubTransactionId);

/// The last failure of a trigger.
struct Failure {
    place: Place,
    /// Message of the warning that the user has been given.
    message: String,
    /// `true` if the trigger does its work again, because what made it fail may be mended.
    is_retried: bool,
}

thread_local! {
    /// The triggers that have failed: changes that they miss in the same place are already recorded.
    static FAILED: RefCell<HashMap<pg_sys::Oid, Failure>> = RefCell::new(HashMap::new());
}

/// Has the triggers that failed do their work again: definitions have changed, or the record of what they missed
/// is gone.
pub fn retry() {
    FAILED.with_borrow_mut(|failed| failed.values_mut().for_each(|failure| failure.is_retried = true));
}

/// Returns whether a trigger has failed in this subtransaction and has nothing more to do there. If the
/// subtransaction is rolled back, so is the record of it.
pub fn has_failed(trigger: pg_sys::Oid) -> bool {
    // SAFETY: within a transaction; neither call takes a transaction id.
    let here = unsafe { (pg_sys::GetTopTransactionIdIfAny(), pg_sys::GetCurrentSubTransactionId()) };

    FAILED.with_borrow(|failed| {
        failed.get(&trigger).is_some_and(|failure| failure.place == here && !failure.is_retried)
    })
}

/// Remembers that a trigger has failed in this subtransaction. Returns whether that is news to the user.
fn remember(trigger: pg_sys::Oid, message: &str) -> bool {
    // SAFETY: within a transaction that writes; without an id it would be taken for the next one.
    let place = unsafe { (pg_sys::GetTopTransactionId(), pg_sys::GetCurrentSubTransactionId()) };
    let failure = Failure { place, message: message.to_owned(), is_retried: false };

    let before = FAILED.with_borrow_mut(|failed| failed.insert(trigger, failure));
    before.is_none_or(|before| before.place != place || before.message != message)
}

/// Warns of an error that was caught, and records it. Returns it instead if it is one that has to end the user's
/// statement.
pub fn survive(trigger: pg_sys::Oid, id: i32, error: PgError) -> Result<(), PgError> {
    if is_the_databases(&error) {
        return Err(error);
    }
    tell(trigger, id, error)
}

/// Warns of an error of our own, and records it. Errors if the database does not let it be recorded.
pub fn tell(trigger: pg_sys::Oid, id: i32, error: PgError) -> Result<(), PgError> {
    if let Err(unwritten) = subtransaction(|| missed::record(id, &error.message))
        && is_the_databases(&unwritten)
    {
        return Err(unwritten);
    }
    if remember(trigger, &error.message) {
        warn(error);
    }
    Ok(())
}

/// Returns whether an error is the database's own, which the user's statement would meet as well:
/// cancellation, shutdown, lack of memory or disk, a serialization failure, a lock timeout, damaged data.
fn is_the_databases(error: &PgError) -> bool {
    let code = error.sqlstate();
    ["40", "53", "57", "58", "55P03", "XX001", "XX002"].iter().any(|known| code.starts_with(known))
}

fn warn(error: PgError) {
    pg_sys::panic::ErrorReport::new(
        error.code,
        format!("embeddings of this table are out of step: {}", error.message),
        "",
    )
    .set_hint(error.hint.unwrap_or_else(|| {
        "Remove the cause and call ai.resync(), or drop the vectorizer with ai.drop_vectorizer().".to_owned()
    }))
    .report(PgLogLevel::WARNING);
}
