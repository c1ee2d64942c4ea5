//! Rows of `ai._vectorizer_missed`: the time since which a vectorizer may have missed changes, and the
//! reason.
//!
//! The session that notices it writes the row in the transaction that makes the change, so that both commit
//! together. `ai.resync` of all rows repairs it and deletes the row; until then `ai.vectorizer_health` shows
//! it.

use pgrx::datum::TimestampWithTimeZone;

use super::{own_rows, schema};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, execute};

/// The longest reason that is stored, in bytes.
const LONGEST_REASON: usize = 300;

/// The time since which changes may have been missed, and the reason.
#[derive(Debug)]
pub struct Missed {
    /// The time from which changes may have been missed.
    pub since: TimestampWithTimeZone,
    /// The reason, a message for people.
    pub reason: String,
}

/// The largest number of rows that are deleted at a time, so that nobody's keep the worker from others' work.
const MOST_AT_A_TIME: usize = 100_000;

/// Records that changes of this transaction may have been missed. It inserts unless this transaction has done so: an existing row
/// of another may be about to be deleted by a concurrent `ai.resync`, which does not see these changes.
pub fn record(id: i32, reason: &str) -> Result<(), PgError> {
    let reason = pgai_rs_pipeline::message::truncate_message(reason, LONGEST_REASON);
    as_superuser(|| {
        if !is_there() || own_rows::has_appended("_vectorizer_missed", id)? {
            return Ok(());
        }
        let insert = "INSERT INTO ai._vectorizer_missed (vectorizer_id, reason) VALUES ($1, $2)";
        execute(insert, &[id.into(), reason.into()]).map(drop)
    })
}

/// Deletes a vectorizer's rows because all source rows are about to be enqueued. It must be called before
/// those are read: rows written later concern changes that may not be among them.
pub fn forget(id: i32) -> Result<(), PgError> {
    as_superuser(|| {
        if !is_there() {
            return Ok(());
        }
        execute("DELETE FROM ai._vectorizer_missed WHERE vectorizer_id = $1", &[id.into()]).map(drop)
    })
}

/// Returns the oldest row of a vectorizer, or `None` if it has missed nothing.
pub fn oldest(id: i32) -> Result<Option<Missed>, PgError> {
    if !is_there() {
        return Ok(None);
    }
    let look =
        "SELECT since, reason FROM ai._vectorizer_missed WHERE vectorizer_id = $1 ORDER BY since LIMIT 1";
    let found = as_superuser(|| {
        sql::read(look, &[id.into()], |row| Ok(Missed { since: row.get(1)?, reason: row.get(2)? }))
    })?;
    Ok(found.into_iter().next())
}

/// Deletes all but the oldest row of each vectorizer, and the rows of dropped vectorizers. The worker calls
/// it within a transaction.
///
/// The row that is kept is locked meanwhile. If `ai.resync` is deleting it, the other rows are kept, too:
/// they may concern changes that `ai.resync` does not see. Those that it is deleting are left to it, for its transaction may be
/// kept open.
pub fn compact() -> Result<(), PgError> {
    if !is_there() || sql::read(SUPERFLUOUS, &[], |_| Ok(()))?.is_empty() {
        return Ok(());
    }
    execute(&format!("{COMPACT} {}", delete_chosen()), &[])?;
    execute(&format!("{OF_DROPPED} {}", delete_chosen()), &[]).map(drop)
}

/// Ends the choice of rows, and deletes them.
fn delete_chosen() -> String {
    format!(
        "LIMIT {MOST_AT_A_TIME} FOR UPDATE SKIP LOCKED)
         DELETE FROM ai._vectorizer_missed m USING chosen c WHERE m.ctid = c.place"
    )
}

/// Chooses the rows of dropped vectorizers.
const OF_DROPPED: &str = "
    WITH chosen AS MATERIALIZED (
        SELECT o.ctid AS place FROM ai._vectorizer_missed o
        WHERE NOT EXISTS (SELECT FROM ai.vectorizer v WHERE v.id = o.vectorizer_id)";

/// Checks whether there is something to delete, without taking a transaction id; usually there is not.
const SUPERFLUOUS: &str = "
    SELECT FROM ai._vectorizer_missed m
    GROUP BY m.vectorizer_id
    HAVING count(*) > 1 OR NOT EXISTS (SELECT FROM ai.vectorizer v WHERE v.id = m.vectorizer_id)
    LIMIT 1";

/// Chooses the rows of vectorizers beside the oldest of each.
const COMPACT: &str = "
    WITH kept AS MATERIALIZED (
        SELECT k.vectorizer_id, k.ctid AS place
        FROM ai._vectorizer_missed k
        WHERE k.ctid IN (SELECT DISTINCT ON (o.vectorizer_id) o.ctid
                         FROM ai._vectorizer_missed o ORDER BY o.vectorizer_id, o.since)
        FOR UPDATE SKIP LOCKED),
    chosen AS MATERIALIZED (
        SELECT o.ctid AS place FROM ai._vectorizer_missed o
        WHERE EXISTS (SELECT FROM kept k WHERE k.vectorizer_id = o.vectorizer_id AND k.place <> o.ctid)";

/// Returns whether the table exists. The library also runs with the SQL objects of version 0.1.0, which lack
/// it.
fn is_there() -> bool {
    schema::has(c"_vectorizer_missed")
}
