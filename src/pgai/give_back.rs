//! The way back: pgai's worker can go on where ours stopped.

use super::catalog::Entry;
use super::triggers;
use crate::api::drop_vectorizer::drop_keeping_store;
use crate::catalog::relation::Relation;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::sql;

/// Gives a vectorizer's waiting and failed rows back to pgai's queue, and its source to pgai's
/// triggers. Answers how many rows wait; none if ours has been dropped since.
pub fn give_back(entry: &Entry, source: &Relation) -> Result<Option<u64>, PgError> {
    let table = source.qualified();
    sql::execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"), &[])?;
    let Some(ours) = vectorizer::by_id(entry.id)? else { return Ok(None) };
    let pending = move_keys(entry, &ours.understand()?)?;
    // Their triggers have the same names.
    drop_keeping_store(entry.id)?;
    triggers::switch_on(entry, source.oid, &table)?;
    Ok(Some(pending))
}

fn move_keys(entry: &Entry, ours: &Vectorizer) -> Result<u64, PgError> {
    let names = ours.key.names(None);
    let tables = &ours.queue;
    if let Some(failed) = &entry.failed {
        sql::execute(&format!("DELETE FROM {failed}"), &[])?;
        let columns = format!("{names}, created_at, failure_step");
        sql::execute(
            &format!("INSERT INTO {failed} ({columns}) SELECT {columns} FROM {}", tables.failed),
            &[],
        )?;
    }
    let queue = entry
        .queue
        .as_ref()
        .ok_or_else(|| PgError::raised(format!("pgai's vectorizer {} has lost its queue", entry.name)))?;
    sql::execute(&format!("DELETE FROM {queue}"), &[])?;
    sql::execute(
        &format!(
            "INSERT INTO {queue} ({names}) SELECT {names} FROM {} UNION SELECT {names} FROM {}",
            tables.inbox, tables.work
        ),
        &[],
    )
}
