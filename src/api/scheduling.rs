//! `ai.set_scheduling`: changes the times at which a vectorizer runs.

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use crate::catalog::alteration;
use crate::catalog::ownership::require_owner;
use crate::declare::config::ConfigPart;
use crate::declare::declaration::ConfigParts;
use crate::declare::{embedding, indexing, scheduling};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::{Json, require_bounded};
use crate::pg::sql;
use crate::trigger::wake;

#[pg_extern(sql = false)]
fn set_scheduling(
    vectorizer_id: Option<i32>,
    scheduling: Option<Json>,
    indexing: Option<Json>,
) -> Result<Option<JsonB>, pg_sys::panic::ErrorReport> {
    let Some(id) = vectorizer_id else { return Ok(None) };
    let Some(config) = config_of(id)? else { return Ok(None) };
    if let Err(error) = require_owner(id) {
        // If the caller does not see the vectorizer, the result is NULL, as if it did not exist.
        return if error.code == PgSqlErrorCode::ERRCODE_NO_DATA_FOUND {
            Ok(None)
        } else {
            Err(error.into())
        };
    }

    let stored = ConfigParts::of_stored(&config);
    let dimensions = embedding::dimensions(&stored.embedding)?;
    let vector_type = stored.destination.get().and_then(|names| names.vector_type).unwrap_or_default();
    let scheduling = ConfigPart::parse("scheduling", scheduling.map(|json| json.0));
    let scheduling = scheduling::resolve(scheduling)?.into_declared();
    let indexing = ConfigPart::parse("indexing", indexing.map(|json| json.0));
    let indexing = indexing::resolve(indexing, dimensions)?;
    indexing::require_support(indexing.readable()?, vector_type)?;
    let indexing = indexing.into_declared();
    if indexing != config["indexing"] {
        require_not_built_anew(id)?;
    }

    let mut larger = config;
    larger["scheduling"] = scheduling.clone();
    larger["indexing"] = indexing.clone();
    require_bounded("vectorizer", &larger)?;

    let changed = as_superuser(|| {
        sql::query_row(
            "UPDATE ai.vectorizer
             SET config = config || pg_catalog.jsonb_build_object('scheduling', $2, 'indexing', $3)
             WHERE id = $1 RETURNING config",
            &[id.into(), JsonB(scheduling).into(), JsonB(indexing).into()],
            |row| row.get::<JsonB>(1),
        )
    })?;
    wake::worker_at_commit();
    Ok(changed)
}

/// Errors (55000) while a vectorizer is built beside this one, whose index this one will have.
fn require_not_built_anew(id: i32) -> Result<(), PgError> {
    let building = alteration::of(id)?.filter(|found| found.vectorizer == id && !found.is_switched);
    let Some(building) = building else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "cannot change the index of a vectorizer while another one is built to take its place",
    )
    .with_hint(format!("Change that of vectorizer {}, or give the present one as indexing.", building.other)))
}

fn config_of(id: i32) -> Result<Option<Value>, PgError> {
    let look = "SELECT config FROM ai.vectorizer WHERE id = $1";
    as_superuser(|| sql::query_row(look, &[id.into()], |row| Ok(row.get::<JsonB>(1)?.0)))
}
