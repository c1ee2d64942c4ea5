//! `ai._vectorizer_pending`: the number of pending rows in a queue.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::scan::{self, Which};
use crate::catalog::table::Table;
use crate::catalog::visibility;
use crate::pg::deadline;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, with_pinned_path};
use crate::pg::sql;

/// Counts up to `most` rows of two tables of one owner, for a caller who may read both, or watches all vectorizers if they are the
/// queue of one. Returns NULL if that is not possible within the time limit for a view. With the largest bigint there is no time
/// limit.
#[pg_extern(sql = false)]
fn vectorizer_pending(
    inbox: pg_sys::Oid,
    work: pg_sys::Oid,
    most: i64,
) -> Result<Option<i64>, pg_sys::panic::ErrorReport> {
    let most = u64::try_from(most).unwrap_or_default();
    if most == i64::MAX as u64 {
        return Ok(Some(count(inbox, work, most)?));
    }
    match deadline::within(|| count(inbox, work, most).map(Some), late) {
        Ok(counted) => Ok(counted),
        Err(error) if is_the_callers(&error) => Err(error.into()),
        // One queue that can't be counted, whatever its owner has done to it, hides none of the others.
        Err(_) => Ok(None),
    }
}

/// Tells whether an error is that of who counts, and not the queue's.
fn is_the_callers(error: &PgError) -> bool {
    matches!(
        error.code,
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE | PgSqlErrorCode::ERRCODE_QUERY_CANCELED
    )
}

/// Returns the error for a count that takes too long, whatever the reason.
fn late() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, "could not count the queue")
}

fn count(inbox: pg_sys::Oid, work: pg_sys::Oid, most: u64) -> Result<i64, PgError> {
    let watches = watches(inbox, work)?;
    let inbox = readable(inbox, watches)?;
    let work = readable(work, watches)?;
    if inbox.owner != work.owner {
        return Err(PgError::raised("the tables of the queue belong to different roles"));
    }
    let changes = scan::each(inbox.oid, Which::All, most, |_| {})?;
    let rows = scan::each(work.oid, Which::All, most - changes, |_| {})?;
    Ok(i64::try_from(changes + rows).unwrap_or(i64::MAX))
}

/// Asks whether the caller may read all rows of the table `$1`.
const MAY_READ: &str = "
    SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity
    FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// Returns whether the caller may know how many rows these tables have, whatever else of them.
fn watches(inbox: pg_sys::Oid, work: pg_sys::Oid) -> Result<bool, PgError> {
    if !visibility::watches_all(current_user()) {
        return Ok(false);
    }
    let queue = "SELECT FROM ai._vectorizer_binding b WHERE b.inbox = $1 AND b.work = $2";
    let found = as_superuser(|| sql::read(queue, &[inbox.into(), work.into()], |_| Ok(())))?;
    Ok(!found.is_empty())
}

/// Locks a table and returns it. Errors unless the caller `watches` the queue or may read the table without row security.
fn readable(table: pg_sys::Oid, watches: bool) -> Result<Table, PgError> {
    let gone = || PgError::raised("the queue has lost a table");
    let refused = || PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "could not read the queue");
    let may = match watches {
        true => vec![Some(true)],
        false => with_pinned_path(|| sql::read(MAY_READ, &[table.into()], |row| row.get_opt::<bool>(1)))?,
    };
    let found = Table::look(table).filter(|found| found.kind == 'r' && may == [Some(true)]);
    let found = found.ok_or_else(|| if watches { gone() } else { refused() })?;
    found.hold(pg_sys::AccessShareLock)?;
    Ok(found)
}
