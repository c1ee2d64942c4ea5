//! `ai._vectorizer_missed`: since when a vectorizer may have missed changes, and why.
//!
//! A session that knows of it writes it down in the transaction that makes the change, so that the two
//! commit together. `ai.resync` of all rows mends it; until then `ai.vectorizer_health` says it.

use pgrx::datum::TimestampWithTimeZone;

use crate::catalog::schema;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, execute};

/// Longest reason that is kept.
const LONGEST_REASON: usize = 300;

/// Since when changes may have been missed, and why.
#[derive(Debug)]
pub struct Missed {
    /// When it began.
    pub since: TimestampWithTimeZone,
    /// Why.
    pub reason: String,
}

/// Writes down that changes of this transaction may have been missed. Appends only: who reads first
/// whether it is known already could be told so by a row that `ai.resync` is about to delete.
pub fn record(id: i32, reason: &str) -> Result<(), PgError> {
    let reason = pgai_rs_pipeline::message::truncate_message(reason, LONGEST_REASON);
    as_superuser(|| {
        if !is_there() {
            return Ok(());
        }
        let insert = "INSERT INTO ai._vectorizer_missed (vectorizer_id, reason) VALUES ($1, $2)";
        execute(insert, &[id.into(), reason.into()]).map(drop)
    })
}

/// Forgets what all rows are now enqueued for. To be called before they are read: what is written down
/// later is of changes that may not be among them.
pub fn forget(id: i32) -> Result<(), PgError> {
    as_superuser(|| {
        if !is_there() {
            return Ok(());
        }
        execute("DELETE FROM ai._vectorizer_missed WHERE vectorizer_id = $1", &[id.into()]).map(drop)
    })
}

/// The oldest of what a vectorizer may have missed; none if it has missed nothing.
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

/// Leaves one row of each vectorizer, the oldest, and none of those that were dropped. To be called by the
/// worker, within a transaction.
///
/// The row that stays is locked meanwhile. If `ai.resync` is deleting it, the others stay, too: they may be
/// of changes that it does not see.
pub fn compact() -> Result<(), PgError> {
    if !is_there() || sql::read(SUPERFLUOUS, &[], |_| Ok(()))?.is_empty() {
        return Ok(());
    }
    execute(COMPACT, &[])?;
    execute(
        "DELETE FROM ai._vectorizer_missed m
         WHERE NOT EXISTS (SELECT FROM ai.vectorizer v WHERE v.id = m.vectorizer_id)",
        &[],
    )
    .map(drop)
}

/// Takes no transaction id, for there mostly is nothing to do.
const SUPERFLUOUS: &str = "
    SELECT FROM ai._vectorizer_missed m
    GROUP BY m.vectorizer_id
    HAVING count(*) > 1 OR NOT EXISTS (SELECT FROM ai.vectorizer v WHERE v.id = m.vectorizer_id)
    LIMIT 1";

const COMPACT: &str = "
    WITH kept AS MATERIALIZED (
        SELECT k.vectorizer_id, k.ctid AS place
        FROM ai._vectorizer_missed k
        WHERE k.ctid IN (SELECT DISTINCT ON (o.vectorizer_id) o.ctid
                         FROM ai._vectorizer_missed o ORDER BY o.vectorizer_id, o.since)
        FOR UPDATE SKIP LOCKED)
    DELETE FROM ai._vectorizer_missed m
    USING kept k
    WHERE m.vectorizer_id = k.vectorizer_id AND m.ctid <> k.place";

/// Whether the table exists: the objects of version 0.1.0 serve as well, and have none.
fn is_there() -> bool {
    schema::has(c"_vectorizer_missed")
}
