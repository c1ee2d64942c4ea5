//! Configs of `ai.rerank_*`, which are arguments of a search.

use serde_json::Value;

use pgai_rs_pipeline::config::Reranking;

use super::config::{ConfigPart, raise};
use crate::pg::error::PgError;

/// Parses a config. Errors for keys that are not known, which nobody would miss before they mattered.
pub fn of_caller(config: Value) -> Result<Reranking, PgError> {
    let config = ConfigPart::<Reranking>::parse("rerank", Some(config));
    if config.implementation()?.is_none() {
        return raise("rerank implementation not specified");
    }
    config.readable().cloned()
}
