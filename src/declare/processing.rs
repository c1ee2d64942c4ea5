//! Configs of `ai.processing_*`.

use pgai_rs_pipeline::config::Processing;

use super::config::{ConfigPart, raise};
use crate::pg::error::PgError;

/// Maximum `batch_size`: OpenAI's limit of inputs per request.
const MAX_BATCH_SIZE: i64 = 2_048;

/// Maximum `concurrency`: pgai's limit.
const MAX_CONCURRENCY: i64 = 50;

/// Checks a config: its limits are whole numbers within bounds.
pub fn check(config: &ConfigPart<Processing>) -> Result<&Processing, PgError> {
    match config.implementation()? {
        None => return raise("processing implementation not specified"),
        Some("default") => {}
        Some(other) => return raise(format!("unrecognized processing implementation: \"{other}\"")),
    }

    require_limit(config, "batch_size", MAX_BATCH_SIZE)?;
    require_limit(config, "concurrency", MAX_CONCURRENCY)?;
    config.readable()
}

/// Errors if a key is there and is no whole number from 1 to `most`.
fn require_limit(config: &ConfigPart<Processing>, key: &str, most: i64) -> Result<(), PgError> {
    let Some(value) = config.value(key) else { return Ok(()) };
    match value.as_i64() {
        None => raise(format!("{key} must be a number")),
        Some(n) if n > most => raise(format!("{key} must be less than or equal to {most}")),
        Some(n) if n <= 0 => raise(format!("{key} must be greater than 0")),
        Some(_) => Ok(()),
    }
}
