//! Configs of `ai.chunking_*`.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::chunk::{ChunkError, chunker};
use pgai_rs_pipeline::config::Chunking;

use super::config::{ConfigPart, raise};
use crate::pg::error::PgError;

/// Checks a config. Sizes are checked here and not when the first document is processed.
pub fn check(config: &ConfigPart<Chunking>) -> Result<&Chunking, PgError> {
    let known =
        ["character_text_splitter", "recursive_character_text_splitter", "text_splitter", "markdown", "none"];
    if !config.implementation()?.is_some_and(|kind| known.contains(&kind)) {
        return raise("invalid chunking config implementation");
    }
    let chunking = config.readable()?;
    chunker(chunking).map_err(|error| {
        PgError::new(sqlstate(&error), format!("invalid chunking config: {error}")).with_hint(error.hint())
    })?;
    Ok(chunking)
}

/// Returns the SQLSTATE of an error of chunking: whether a limit was exceeded, or the config is not valid.
pub fn sqlstate(error: &ChunkError) -> PgSqlErrorCode {
    match error {
        ChunkError::TooLarge { .. }
        | ChunkError::TooSlow { .. }
        | ChunkError::TooManySeparators { .. }
        | ChunkError::RegexTooLong { .. }
        | ChunkError::RegexTooLarge { .. } => PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
    }
}
