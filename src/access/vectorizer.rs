//! All that a vectorizer may load and send.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, VectorizerConfig};
use pgai_rs_pipeline::secret::ApiKey;

use super::{embedding, loading};
use crate::pg::error::PgError;

/// Errors if what was allowed when the vectorizer was declared no longer is.
pub fn require_allowed(
    config: &VectorizerConfig,
    owner: pg_sys::Oid,
    author: Author,
    key: Option<&ApiKey>,
) -> Result<(), PgError> {
    embedding::require_allowed(&config.embedding, owner, author, key)?;
    loading::require_allowed(&config.loading, owner, author)
}
