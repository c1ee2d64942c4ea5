//! `ai._vectorizer_pending`: how much waits in a queue.

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use crate::catalog::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_user_on;
use crate::pg::sql;

/// Counts the rows of two tables of one owner's, as that owner, for a caller who may read both.
#[pg_extern(sql = false)]
fn vectorizer_pending(
    inbox: pg_sys::Oid,
    work: pg_sys::Oid,
    most: i64,
) -> Result<i64, pg_sys::panic::ErrorReport> {
    let (inbox, work) = (readable(inbox)?, readable(work)?);
    if inbox.owner != work.owner {
        return Err(PgError::raised("the tables of the queue belong to different roles").into());
    }
    let count = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM ONLY {} UNION ALL SELECT FROM ONLY {} LIMIT $1) p",
        inbox.qualified(),
        work.qualified()
    );
    let counted = as_user_on(inbox.owner, &[inbox.oid, work.oid].into(), || {
        sql::read(&count, &[most.into()], |row| row.get::<i64>(1))
    })?;
    Ok(counted.into_iter().next().unwrap_or_default())
}

/// Returns a table that the caller may read, locked.
fn readable(table: pg_sys::Oid) -> Result<Table, PgError> {
    let refused = || PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "the queue can't be read");
    let may = sql::read(
        "SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') AND NOT c.relrowsecurity
         FROM pg_catalog.pg_class c WHERE c.oid = $1",
        &[table.into()],
        |row| row.get_opt::<bool>(1),
    )?;
    let found =
        Table::look(table).filter(|found| found.kind == 'r' && may == [Some(true)]).ok_or_else(refused)?;
    found.hold(pg_sys::AccessShareLock)?;
    Ok(found)
}
