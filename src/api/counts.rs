//! Counts of the rows in a vectorizer's queue.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::binding::Relations;
use crate::catalog::queue_tables::OwnColumns;
use crate::catalog::scan::{self, ColumnNumber, Ordered, ScannedRow, Which};
use crate::pg::error::PgError;

/// Maximum number of rows that are counted of each kind.
const MOST_COUNTED: u64 = 10_000;

/// Counts of the rows in a vectorizer's queue, each at most [`MOST_COUNTED`].
#[derive(Debug, Default)]
pub struct QueueCounts {
    /// Changes and keys that are pending or being processed.
    pub pending: i64,
    /// Time since which the oldest of the counted rows is pending; `None` if there are none.
    pub oldest: Option<TimestampWithTimeZone>,
    /// Keys that the worker has claimed.
    pub in_flight: i64,
    /// Keys claimed by a worker that no longer runs, or whose lease has expired.
    pub stuck: i64,
    /// Keys that were set aside.
    pub failed: i64,
}

/// The rows of a table that were looked at.
#[derive(Default)]
struct Seen {
    rows: u64,
    oldest: Option<i64>,
    leased: u64,
    /// The leased rows that the current worker holds.
    held: u64,
}

impl Seen {
    fn note_age(&mut self, queued_at: Option<i64>) {
        self.oldest = self.oldest.into_iter().chain(queued_at).min();
    }
}

/// Counts the rows of the queue, reading no more of each table than is counted. The tables must be locked.
pub fn count(relations: &Relations, own: &OwnColumns, worker: Option<i32>) -> Result<QueueCounts, PgError> {
    let Relations { inbox, work, failed, .. } = relations;
    let mut changes = Seen::default();
    let queued_at = ColumnNumber::of(inbox.oid, &own.unquoted("queued_at"), pg_sys::TIMESTAMPTZOID)?;
    let seen = scan::each(inbox.oid, Which::All, MOST_COUNTED, |row| changes.note_age(row.value(queued_at)))?;
    changes.rows = seen;

    let (due, later) = count_work(work.oid, own, worker)?;
    let failed = scan::each(failed.oid, Which::All, MOST_COUNTED, |_| {})?;

    let oldest = [changes.oldest, due.oldest, later.oldest].into_iter().flatten().min();
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(QueueCounts {
        pending: number((changes.rows + due.rows + later.rows).min(MOST_COUNTED)),
        // Whoever may write to the inbox may write any time, and no age can be reckoned from an infinite one.
        oldest: oldest.filter(is_finite).and_then(|time| TimestampWithTimeZone::try_from(time).ok()),
        in_flight: number(later.held),
        stuck: number(due.leased + later.leased - later.held),
        failed: number(failed),
    })
}

/// Returns whether a timestamp of Postgres is neither `infinity` nor `-infinity`.
fn is_finite(time: &i64) -> bool {
    ![i64::MIN, i64::MAX].contains(time)
}

/// Counts the keys that are due and those that are not: when a leased key is due, its lease has expired.
fn count_work(work: pg_sys::Oid, own: &OwnColumns, worker: Option<i32>) -> Result<(Seen, Seen), PgError> {
    let column = |name: &str, kind| ColumnNumber::of(work, &own.unquoted(name), kind);
    let queued_at = column("queued_at", pg_sys::TIMESTAMPTZOID)?;
    let available_at = column("available_at", pg_sys::TIMESTAMPTZOID)?;
    let lease = column("lease", pg_sys::INT8OID)?;
    let leased_by = column("leased_by", pg_sys::INT4OID)?;
    let note = |seen: &mut Seen, row: &ScannedRow| {
        seen.rows += 1;
        seen.note_age(row.value(queued_at));
        if row.value(lease).is_some() {
            let holder = row.value(leased_by).map(|holder| holder as i32);
            seen.leased += 1;
            seen.held += u64::from(holder == worker);
        }
    };

    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let mut due = Seen::default();
    let mut later = Seen::default();
    if let Some(ordered) = Ordered::by(work, available_at)? {
        scan::each(work, Which::Until(ordered, now), MOST_COUNTED, |row| note(&mut due, row))?;
        scan::each(work, Which::After(ordered, now), MOST_COUNTED, |row| note(&mut later, row))?;
        return Ok((due, later));
    }

    // The index is gone or not valid yet.
    scan::each(work, Which::All, 2 * MOST_COUNTED, |row| {
        let is_later = row.value(available_at).is_some_and(|time| time > now);
        note(if is_later { &mut later } else { &mut due }, row);
    })?;
    Ok((due, later))
}

/// Returns the error for a queue that another session has locked.
pub fn locked() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, "another transaction holds a lock on its queue")
}

/// Returns the error for a queue that takes too long to count.
pub fn slow() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, "its queue takes too long to count").with_hint(
        "Run VACUUM on its tables, ai._vectorizer_q_<id> and ai._vectorizer_work_<id>: an old transaction or \
         their settings may keep dead rows there. The worker continues meanwhile.",
    )
}
