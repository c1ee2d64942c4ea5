//! Checks whether texts may be sent to a model that ranks them.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, Reranking};
use pgai_rs_pipeline::embed::rerank;
use pgai_rs_pipeline::secret::ApiKey;

use super::embedding::refused;
use crate::catalog::rights::Right;
use crate::guc;
use crate::pg::error::PgError;

/// Errors if the administrator does not allow a role to have texts ranked with this API key, as of the current settings, or if
/// the config is incomplete.
pub fn require_allowed(
    reranking: &Reranking,
    role: pg_sys::Oid,
    author: Author,
    key: Option<&ApiKey>,
) -> Result<(), PgError> {
    Right::to_rerank(reranking.implementation).require(role)?;
    rerank::check(reranking, author, key, &guc::pipeline()).map_err(refused)
}
