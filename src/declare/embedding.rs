//! Configs of `ai.embedding_*`.

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::Value;

use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::embed;

use super::config::{ConfigPart, raise};
use crate::access;
use crate::access::s3::{self, Argument};
use crate::catalog::rights::{Right, author};
use crate::catalog::secret;
use crate::guc;
use crate::pg::error::PgError;

/// Maximum number of dimensions of pgvector's `vector`.
const MAX_DIMENSIONS: u64 = 16_000;

/// Returns the number of dimensions of the embedding.
pub fn dimensions(embedding: &ConfigPart<Embedding>) -> Result<u32, PgError> {
    let Some(dimensions) = embedding.value("dimensions").filter(|d| !d.is_null()) else {
        return raise("dimensions argument is required");
    };
    match dimensions.as_u64() {
        Some(d) if (1..=MAX_DIMENSIONS).contains(&d) => Ok(d as u32),
        _ => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("dimensions must be an integer between 1 and {MAX_DIMENSIONS}"),
        )
        .with_detail(format!("It is {dimensions}."))),
    }
}

/// Parses a config without a vectorizer; if its dimensions are 0 or missing, the model determines their
/// number.
pub fn of_caller(config: Value) -> Result<Embedding, PgError> {
    let config = ConfigPart::parse("embedding", Some(config));
    if config.value("dimensions").is_some_and(|given| *given != 0) {
        dimensions(&config)?;
    }
    config.into_read().map_err(|why| PgError::raised("unsupported embedding implementation").with_detail(why))
}

/// Checks a config of `ai.embedding_*`. A role that is not a superuser can't send the server's API key to a
/// URL of its own.
pub fn check(config: &ConfigPart<Embedding>, owner: pg_sys::Oid) -> Result<&Embedding, PgError> {
    match config.implementation()? {
        None => return raise("embedding implementation not specified"),
        Some("openai" | "ollama" | "voyageai" | "litellm") => {}
        Some(other) => return raise(format!("invalid embedding implementation: \"{other}\"")),
    }

    let embedding = config.readable()?;
    Right::require_to_embed(embedding, owner)?;
    let key = secret::api_key_of(embedding)?;
    embed::check(embedding, author(owner), key.as_ref(), &guc::pipeline())
        .map_err(access::embedding::refused)?;

    if let Some(access) = embed::aws_access(embedding, author(owner)) {
        s3::require_allowed(&access, Argument::Embedding)?;
    }
    Ok(embedding)
}
