//! `ai.drop_vectorizer`, and pausing one.

use pgrx::prelude::*;
use pgrx::{pg_sys, JsonB, PgSqlErrorCode};
use serde_json::Value;

use crate::catalog::objects::{self, QueueTables};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, current_user};
use crate::pg::sql::{self, qualified};
use crate::queue::wake;

/// What dropping needs to know, read so that it also works when half of the objects are gone.
pub struct Target {
    id: i32,
    /// Its queue.
    pub tables: QueueTables,
    config: Value,
    /// Whose it is.
    pub owner: pg_sys::Oid,
}

/// The vectorizer with this id, which must be the caller's.
pub fn target(id: i32) -> Result<Target, PgError> {
    let found = as_superuser(|| {
        sql::read(
            "SELECT v.queue_schema::text, v.queue_table::text, v.config,
                    coalesce(q.relowner, s.relowner, 10::oid)
             FROM ai.vectorizer v
             LEFT JOIN pg_catalog.pg_class q
               ON q.oid = to_regclass(pg_catalog.format('%I.%I', v.queue_schema, v.queue_table))
             LEFT JOIN pg_catalog.pg_class s
               ON s.oid = to_regclass(pg_catalog.format('%I.%I', v.source_schema, v.source_table))
             WHERE v.id = $1",
            &[id.into()],
            |row| {
                let (schema, inbox): (String, String) = (row.get(1)?, row.get(2)?);
                Ok(Target {
                    id,
                    tables: QueueTables::new(id, &schema, Some(&inbox)),
                    config: row.get::<JsonB>(3)?.0,
                    owner: row.get(4)?,
                })
            },
        )
    })?;
    let target = found.into_iter().next().ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NO_DATA_FOUND, "query returned no rows")
            .with_detail(format!("There is no vectorizer with id {id}."))
            .with_hint("The view ai.vectorizer_status lists the vectorizers that exist.")
    })?;
    require_membership(target.owner)?;
    Ok(target)
}

/// A vectorizer's id must be given.
pub fn require_id(vectorizer_id: Option<i32>) -> Result<i32, PgError> {
    vectorizer_id.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer_id must not be null")
            .with_hint("The view ai.vectorizer_status lists the vectorizers that exist.")
    })
}

/// That the vectorizer exists, and that the current user may do with it what its owner may.
pub fn require_owner(id: i32) -> Result<(), PgError> {
    target(id).map(drop)
}

fn require_membership(owner: pg_sys::Oid) -> Result<(), PgError> {
    // SAFETY: reads the catalogs.
    if unsafe { pg_sys::has_privs_of_role(current_user(), owner) } {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "must be owner of the vectorizer")
        .with_hint("A vectorizer belongs to the owner of its queue table."))
}

#[pg_extern(sql = false)]
fn drop_vectorizer(
    vectorizer_id: Option<i32>,
    drop_all: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let target = target(require_id(vectorizer_id)?)?;
    objects::drop_triggers(target.id)?;
    objects::forget(target.id, &target.tables)?;
    if drop_all.unwrap_or(false) {
        drop_destination(&target)?;
    }
    wake::worker_at_commit();
    Ok(())
}

/// Drops a vectorizer and leaves its store and its view.
pub fn drop_keeping_store(id: i32) -> Result<(), PgError> {
    let target = target(id)?;
    objects::drop_triggers(target.id)?;
    objects::forget(target.id, &target.tables)
}

/// As the owner and without CASCADE: what others have built on the embeddings stays theirs.
fn drop_destination(target: &Target) -> Result<(), PgError> {
    let destination = &target.config["destination"];
    let text = |key: &str| destination.get(key).and_then(Value::as_str);
    as_user(target.owner, || {
        if let (Some(schema), Some(name)) = (text("view_schema"), text("view_name")) {
            sql::execute(&format!("DROP VIEW IF EXISTS {}", qualified(schema, name)), &[])?;
        }
        if let (Some(schema), Some(name)) = (text("target_schema"), text("target_table")) {
            sql::execute(&format!("DROP TABLE IF EXISTS {}", qualified(schema, name)), &[])?;
        }
        Ok(())
    })
}

#[pg_extern(sql = false)]
fn set_disabled(
    vectorizer_id: Option<i32>,
    disabled: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let (Some(id), Some(disabled)) = (vectorizer_id, disabled) else {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "vectorizer_id must not be null",
        )
        .into());
    };
    let target = target(id)?;
    as_superuser(|| {
        sql::execute(
            "UPDATE ai.vectorizer SET disabled = $2 WHERE id = $1 AND disabled <> $2",
            &[target.id.into(), disabled.into()],
        )
    })?;
    wake::worker_at_commit();
    Ok(())
}
