//! Enqueues what the triggers did not see, by comparing keys.
//!
//! It only appends to the inbox. The worker decides what a key needs by looking whether the row exists, so a
//! key that is enqueued needlessly does no harm.

use pgrx::pg_sys;

use crate::catalog::relation::Relation;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::as_user_on;
use crate::pg::sql::{execute, ident};

/// Enqueues the rows that have no chunks, except those that are in the work table or in the failed queue.
/// Returns their number. Rows with an empty text are among them, and cost nothing.
pub fn enqueue_missing(v: &Vectorizer) -> Result<u64, PgError> {
    let not_in =
        |table: &String| format!("NOT EXISTS (SELECT FROM {table} t WHERE {})", v.key.same("t", "s"));
    let mut absent: Vec<String> = [&v.queue.work, &v.queue.failed].map(not_in).to_vec();
    absent.push(match v.store() {
        Some(store) => not_in(&store),
        None => format!("s.{} IS NULL", ident(v.vectors().1)),
    });
    enqueue(v, &format!("{} s WHERE {}", v.source.qualified(), absent.join(" AND ")))
}

/// Enqueues the keys that have chunks, provenance, a kept text or a row in the failed queue, but no source row.
/// Returns their number.
pub fn enqueue_extra(v: &Vectorizer) -> Result<u64, PgError> {
    let (names, source) = (v.key.names(None), v.source.qualified());
    let absent = format!("NOT EXISTS (SELECT FROM {source} t WHERE {})", v.key.same("t", "s"));
    let followers = v.followers();
    let tables = followers.keyed().chain([&v.queue.failed]);
    let all = tables.map(|table| format!("SELECT {names} FROM {table}")).collect::<Vec<_>>().join(" UNION ");
    enqueue(v, &format!("({all}) s WHERE {absent}"))
}

/// Enqueues every row. Returns their number.
pub fn enqueue_all(v: &Vectorizer) -> Result<u64, PgError> {
    enqueue(v, &format!("{} s", v.source.qualified()))
}

/// Enqueues the keys of a table that is or was a partition of the source. If it has another owner, enqueues
/// the missing and the extra keys of the whole source instead.
pub fn enqueue_rows_of(v: &Vectorizer, partition: pg_sys::Oid) -> Result<(), PgError> {
    let Some(partition) = Relation::load(partition)? else { return Ok(()) };
    if partition.owner == v.owner {
        return enqueue_from(v, &format!("{} s", partition.qualified()), Some(partition.oid)).map(drop);
    }
    // Another's table is not read as the vectorizer's owner.
    enqueue_extra(v)?;
    enqueue_missing(v).map(drop)
}

/// Enqueues the keys of rows `s` that have a whole key. Returns their number.
fn enqueue(v: &Vectorizer, from: &str) -> Result<u64, PgError> {
    enqueue_from(v, from, None)
}

/// Enqueues the keys of rows of the vectorizer's tables, or of the table `more` as well. Returns their
/// number.
fn enqueue_from(v: &Vectorizer, from: &str, more: Option<pg_sys::Oid>) -> Result<u64, PgError> {
    v.relations.require_one_owner()?;
    v.relations.hold()?;
    let tables = v.relations.tables().map(|table| table.oid).chain(more).collect();
    as_user_on(v.owner, &tables, || {
        let (names, keys) = (v.key.names(None), v.key.names(Some("s")));
        let statement = format!(
            "INSERT INTO {} ({names}) SELECT {keys} FROM (SELECT {keys} FROM {from}) s WHERE {}",
            v.queue.inbox,
            v.key.is_whole("s")
        );
        execute(&statement, &[])
    })
}
