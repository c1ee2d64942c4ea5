//! Configs of `ai.scheduling_*`: resolved and checked when a vectorizer is created.

use serde_json::{Value, json};

use pgai_rs_pipeline::config::Scheduling;

use super::config::ConfigPart;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::queue::schedule::Schedule;

/// pgai's default interval.
const DEFAULT_INTERVAL: &str = "00:05:00";

/// Returns the config as it is stored, with `default` resolved.
pub fn resolve(config: ConfigPart<Scheduling>) -> Result<ConfigPart<Scheduling>, PgError> {
    match config.implementation()? {
        None => Err(PgError::raised("scheduling implementation not specified")),
        Some("default") => Ok(ConfigPart::parse("scheduling", Some(default_config()))),
        Some("none") => Ok(config),
        Some("timescaledb") => {
            check(config.readable()?)?;
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
fn check(config: &Scheduling) -> Result<(), PgError> {
    with_pinned_path(|| Schedule::of(config).require_times())
}
