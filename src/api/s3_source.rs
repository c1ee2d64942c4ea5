//! Functions that have an S3 source list, disable it and drop it.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::create_s3_source::{not_allowed, not_null};
use super::visibility::sees_s3_source;
use crate::catalog::table::Table;
use crate::catalog::{sequence, visibility};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, may_act_as};
use crate::pg::sql;
use crate::trigger::wake;

/// Returns the id of a source that the caller may change. Errors if the caller does not see it, as if it did
/// not exist, or lacks its owner's rights.
fn require_source(id: Option<i32>) -> Result<i32, PgError> {
    let id = id.ok_or_else(|| not_null("source_id"))?;
    let found = as_superuser(|| {
        sql::query_row(
            "SELECT coalesce(w.relowner, t.relowner, 10::oid), s.target::oid
             FROM ai.s3_source s
             LEFT JOIN pg_catalog.pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || s.id)
             LEFT JOIN pg_catalog.pg_class t ON t.oid = s.target
             WHERE s.id = $1",
            &[id.into()],
            |row| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<pg_sys::Oid>(2)?)),
        )
    })?;

    let user = current_user();
    let is_seen = |target| visibility::sees_all(user) || sees_s3_source(user, id, Some(target));
    let (owner, _) = found.filter(|(_, target)| is_seen(*target)).ok_or_else(|| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("S3 source with id {id} does not exist"),
        )
        .with_hint("See the table ai.s3_source for the existing sources.")
    })?;

    if may_act_as(user, owner) {
        return Ok(id);
    }
    Err(not_allowed("must be owner of S3 source").with_hint("A source belongs to the owner of its table."))
}

#[pg_extern(sql = false)]
fn drop_s3_source(source_id: Option<i32>) -> Result<(), pg_sys::panic::ErrorReport> {
    let id = require_source(source_id)?;
    let user = current_user();
    as_superuser(|| {
        let seen = sql::query_row(
            "SELECT to_regclass('ai._s3_source_seen_' || $1)::pg_catalog.oid",
            &[id.into()],
            |row| row.get_opt::<pg_sys::Oid>(1),
        )?;
        sql::execute("DELETE FROM ai.s3_source WHERE id = $1", &[id.into()])?;
        // A table of that name that belongs to another role stays.
        let seen = seen.flatten().and_then(Table::look).filter(|table| may_act_as(user, table.owner));
        seen.as_ref().map_or(Ok(()), Table::drop)
    })?;

    wake::worker_at_commit();
    Ok(())
}

#[pg_extern(sql = false)]
fn set_s3_source_disabled(
    source_id: Option<i32>,
    disabled: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let id = require_source(source_id)?;
    let disabled = disabled.ok_or_else(|| not_null("disabled"))?;
    as_superuser(|| {
        sql::execute(
            "UPDATE ai.s3_source SET disabled = $2 WHERE id = $1 AND disabled <> $2",
            &[id.into(), disabled.into()],
        )
    })?;
    wake::worker_at_commit();
    Ok(())
}

/// The number of requests of a source that wait for the worker. More of them ask for nothing that these do not.
const MOST_REQUESTS: i64 = 10;

/// The last request of the source `$1` with the same `allow_mass_delete`, `$3`, if so many wait, `$2`.
const LAST_OF_MANY: &str = "
    SELECT max(r.run) FILTER (WHERE r.allow_mass_delete = $3)
    FROM (SELECT r.run, r.allow_mass_delete
          FROM ai._s3_source_run r JOIN ai.s3_source s ON s.id = r.id AND NOT s.disabled
          WHERE r.id = $1 AND r.state = 'requested' ORDER BY r.run DESC LIMIT $2) r
    HAVING count(*) >= $2 AND bool_or(r.allow_mass_delete = $3)";

#[pg_extern(sql = false)]
fn sync_s3_source(
    source_id: Option<i32>,
    allow_mass_delete: Option<bool>,
) -> Result<i64, pg_sys::panic::ErrorReport> {
    let id = require_source(source_id)?;
    let allow_mass_delete = allow_mass_delete.unwrap_or(false);
    let waiting = as_superuser(|| {
        let args = [id.into(), MOST_REQUESTS.into(), allow_mass_delete.into()];
        sql::query_row(LAST_OF_MANY, &args, |row| row.get::<i64>(1))
    })?;
    if let Some(waiting) = waiting {
        return Ok(waiting);
    }

    sequence::RUNS.pass_taken()?;
    let run = as_superuser(|| {
        sql::query_row(
            "INSERT INTO ai._s3_source_run (id, state, reason, allow_mass_delete)
             SELECT s.id, 'requested', 'request', $2 FROM ai.s3_source s WHERE s.id = $1 AND NOT s.disabled
             RETURNING run",
            &[id.into(), allow_mass_delete.into()],
            |row| row.get::<i64>(1),
        )
    })?;

    let run = run.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "S3 source is disabled")
            .with_hint(format!("SELECT ai.enable_s3_source({id});"))
    })?;
    wake::worker_at_commit();
    Ok(run)
}
