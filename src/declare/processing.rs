//! Configs of `ai.processing_*`.

use pgai_rs_pipeline::config::{Embedding, Processing};
use pgai_rs_pipeline::embed::provider_prefix;
use pgrx::PgSqlErrorCode;
use serde_json::Value;

use super::config::{ConfigPart, raise};
use crate::pg::error::PgError;

/// Maximum `batch_size`: OpenAI's limit of inputs per request.
const MAX_BATCH_SIZE: i64 = 2_048;

/// Maximum `concurrency`: pgai's limit.
const MAX_CONCURRENCY: i64 = 50;

/// LiteLLM's prefix of the provider whose batch API is known.
const PROVIDER_WITH_BATCHES: &str = "openai";

/// Checks a config: its limits are whole numbers within bounds.
pub fn check(config: &ConfigPart<Processing>) -> Result<&Processing, PgError> {
    match config.implementation()? {
        None => return raise("processing implementation not specified"),
        Some("default") => {}
        Some(other) => return raise(format!("unrecognized processing implementation: \"{other}\"")),
    }

    require_limit(config, "batch_size", MAX_BATCH_SIZE)?;
    require_limit(config, "concurrency", MAX_CONCURRENCY)?;
    match config.value("backfill").map(Value::as_str) {
        None | Some(Some("batch")) => config.readable(),
        Some(_) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "backfill must be 'batch' or NULL",
        )
        .with_hint(
            "With 'batch', existing rows go by the provider's batch API, which costs half and answers within 24 hours.",
        )),
    }
}

/// Errors if existing rows are to go by the batch API of a provider of which none is known.
pub fn require_batches(processing: &Processing, embedding: &Embedding) -> Result<(), PgError> {
    if !processing.backfills_by_batch() || provider_prefix(embedding) == Some(PROVIDER_WITH_BATCHES) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "backfill => 'batch' is available for models of OpenAI only",
    )
    .with_hint("Leave backfill out of ai.processing_default(): existing rows then go as all others do."))
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
