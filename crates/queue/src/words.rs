//! The words of a store's chunks, in a table beside it.
//!
//! New chunks get their words in the transaction that writes them. Those that were there before, when words were added
//! to a vectorizer or its language was changed, get them in passes over the store, a few at a time.
//!
//! The statements run under the pinned search path, not under the owner's: a dictionary may name others, and Postgres
//! keeps what it has found by such a name for all owners.

use crate::definition::{Definition, Target, Words};
use crate::session::{Param, QueueError, Session};
use crate::sql::words;

/// Writes the words of chunks that were just added to the store.
pub fn add<S: Session>(
    session: &mut S,
    store: &str,
    words: &Words,
    chunks: &[[u8; 16]],
) -> Result<(), S::Error> {
    if chunks.is_empty() {
        return Ok(());
    }
    session.execute(&words::add(store, words), &[Param::Uuids(chunks)]).map(drop)
}

/// Returns whether this is the error of a text that has more words than a `tsvector` can hold.
pub fn is_of_too_many<E: QueueError>(error: &E) -> bool {
    const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
    error.sqlstate() == PROGRAM_LIMIT_EXCEEDED
}

/// The position of a pass over the chunks of a store, in the order of their UUIDs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass {
    /// The UUID, as a number, from which the pass goes on.
    from: u128,
    /// True if chunks were left without words, because others had locked them.
    has_skipped: bool,
}

/// The result of a step of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more chunks.
    Further(Pass),
    /// The pass is over. All chunks have words, or some were left without.
    Over {
        /// True if some were left without.
        has_skipped: bool,
    },
}

/// Looks at the next chunks, `limit` at most, in one transaction, and gives words to those that have none.
pub fn fill<S: Session>(session: &mut S, v: &Definition, pass: Pass, limit: u16) -> Result<Step, S::Error> {
    let (Target::Store(store), Some(words)) = (&v.target, &v.words) else {
        return Ok(Step::Over { has_skipped: false });
    };
    session.transaction(|s| {
        s.as_owner(|s| {
            let step = fill_next(s, store, words, pass, limit)?;
            s.require_unchanged()?;
            Ok(step)
        })
    })
}

fn fill_next<S: Session>(
    session: &mut S,
    store: &str,
    words: &Words,
    pass: Pass,
    limit: u16,
) -> Result<Step, S::Error> {
    let from = [pass.from.to_be_bytes()];
    let args = [Param::Uuids(&from), Param::Limit(i64::from(limit))];
    let found: Vec<([u8; 16], bool)> =
        session.read(&words::look(store, words), &args, |row| Ok((row.get(1)?, row.get(2)?)))?;

    let without: Vec<[u8; 16]> = found.iter().filter(|(_, has)| !has).map(|(chunk, _)| *chunk).collect();
    let mut held = Vec::new();
    if !without.is_empty() {
        held = session.query(&words::lock(store), &[Param::Uuids(&without)], |row| row.get(1))?;
        add(session, store, words, &held)?;
    }

    let has_skipped = pass.has_skipped || held.len() < without.len();
    let is_last = found.len() < usize::from(limit);
    let next = found.last().and_then(|(chunk, _)| u128::from_be_bytes(*chunk).checked_add(1));
    Ok(match next.filter(|_| !is_last) {
        Some(from) => Step::Further(Pass { from, has_skipped }),
        None => Step::Over { has_skipped },
    })
}
