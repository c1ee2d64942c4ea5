//! `ai.scheduling_*`: the times at which a vectorizer runs. Configs are resolved and checked when it is
//! created.

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::{Value, json};

use super::drop_vectorizer::require_owner;
use super::{indexing, validate};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, with_pinned_path};
use crate::pg::json::Json;
use crate::pg::sql;
use crate::queue::schedule::Schedule;
use crate::queue::wake;

/// pgai's default interval.
const DEFAULT_INTERVAL: &str = "00:05:00";

/// Returns the config as it is stored, with `default` resolved.
pub fn resolve(config: Option<&Value>) -> Result<Value, PgError> {
    match validate::implementation("scheduling", config)? {
        None => Err(PgError::raised("scheduling implementation not specified")),
        Some("default") => Ok(default_config()),
        Some("none") => Ok(config.cloned().unwrap_or(Value::Null)),
        Some("timescaledb") => {
            let config = config.cloned().unwrap_or(Value::Null);
            check(&config)?;
            Ok(config)
        }
        Some(other) => Err(PgError::raised(format!("unrecognized scheduling implementation: \"{other}\""))),
    }
}

/// Returns the config that `ai.scheduling_default()` stands for. pgai's setting takes precedence, for users
/// who migrate with it.
pub fn default_config() -> Value {
    match guc::foreign(c"ai.scheduling_default").as_deref() {
        Some("scheduling_timescaledb") => json!({
            "config_type": "scheduling", "implementation": "timescaledb", "schedule_interval": DEFAULT_INTERVAL,
        }),
        _ => json!({"config_type": "scheduling", "implementation": "none"}),
    }
}

/// Errors unless Postgres can compute the times of a schedule.
fn check(config: &Value) -> Result<(), PgError> {
    with_pinned_path(|| Schedule::of(config).require_times())
}

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
    let dimensions = validate::dimensions(&config["embedding"])?;
    let scheduling = resolve(scheduling.map(|json| json.0).as_ref())?;
    let indexing = indexing::resolve(indexing.map(|json| json.0).as_ref(), dimensions)?;
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

fn config_of(id: i32) -> Result<Option<Value>, PgError> {
    let read = || {
        sql::query_row("SELECT config FROM ai.vectorizer WHERE id = $1", &[id.into()], |row| {
            Ok(row.get::<JsonB>(1)?.0)
        })
    };
    as_superuser(read)
}
