//! Functions that have an S3 source list, disable it and drop it.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::create_s3_source::{not_allowed, not_null};
use super::visibility::sees_s3_source;
use crate::catalog::table::Table;
use crate::catalog::{dropping, sequence, visibility};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, may_act_as};
use crate::pg::sql;
use crate::source::runs;
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
        let whose = format!("S3 source {id}");
        seen.as_ref().map_or(Ok(()), |table| dropping::drop_or_leave(&whose, table))
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

/// A listing that somebody asks for.
#[derive(Clone, Copy)]
struct ListingRequest {
    /// The source.
    id: i32,
    /// True if it may delete as many rows as it finds to be gone.
    allow_mass_delete: bool,
    /// True if the metadata of all objects is to be read anew.
    refresh_metadata: bool,
}

/// Returns the statement for the last request of the source `$1` that asks for the same, `$3` and `$4`, if so many wait,
/// `$2`.
fn last_of_many() -> String {
    format!(
        "SELECT max(r.run) FILTER (WHERE r.is_same)
         FROM (SELECT r.run, r.allow_mass_delete = $3 AND {refreshes} = $4 AS is_same
               FROM ai._s3_source_run r JOIN ai.s3_source s ON s.id = r.id AND NOT s.disabled
               WHERE r.id = $1 AND r.state = 'requested' ORDER BY r.run DESC LIMIT $2) r
         HAVING count(*) >= $2 AND bool_or(r.is_same)",
        refreshes = runs::refreshes(),
    )
}

#[pg_extern(sql = false)]
fn sync_s3_source(
    source_id: Option<i32>,
    allow_mass_delete: Option<bool>,
) -> Result<i64, pg_sys::panic::ErrorReport> {
    let id = require_source(source_id)?;
    let allow_mass_delete = allow_mass_delete.unwrap_or(false);
    Ok(request(ListingRequest { id, allow_mass_delete, refresh_metadata: false })?)
}

#[pg_extern(sql = false)]
fn refresh_s3_metadata(source_id: Option<i32>) -> Result<i64, pg_sys::panic::ErrorReport> {
    let id = require_source(source_id)?;
    let reads_metadata = as_superuser(|| {
        let look = "SELECT jsonb_typeof(config -> 'metadata') = 'array' FROM ai.s3_source WHERE id = $1";
        sql::query_row(look, &[id.into()], |row| row.get_opt::<bool>(1))
    })?;
    if reads_metadata.flatten() != Some(true) {
        let error = PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "S3 source does not read metadata",
        );
        let hint =
            "Drop the source and create it again with the argument metadata; the table and its rows stay.";
        return Err(error.with_hint(hint).into());
    }
    Ok(request(ListingRequest { id, allow_mass_delete: false, refresh_metadata: true })?)
}

/// Asks for a listing. Returns the number of its run, or of one that waits already and is the same, if there are many.
fn request(wanted: ListingRequest) -> Result<i64, PgError> {
    let ListingRequest { id, allow_mass_delete, refresh_metadata } = wanted;
    let waiting = as_superuser(|| {
        let args = [id.into(), MOST_REQUESTS.into(), allow_mass_delete.into(), refresh_metadata.into()];
        sql::query_row(&last_of_many(), &args, |row| row.get::<i64>(1))
    })?;
    if let Some(waiting) = waiting {
        return Ok(waiting);
    }

    sequence::RUNS.pass_taken()?;
    // Before the extension's objects are of this version, there is no such column.
    let (column, value) = if refresh_metadata { (", refresh_metadata", ", true") } else { ("", "") };
    let run = as_superuser(|| {
        sql::query_row(
            &format!(
                "INSERT INTO ai._s3_source_run (id, state, reason, allow_mass_delete{column})
                 SELECT s.id, 'requested', 'request', $2{value} FROM ai.s3_source s WHERE s.id = $1 AND NOT s.disabled
                 RETURNING run"
            ),
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
