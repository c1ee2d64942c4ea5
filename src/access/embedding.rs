//! Checks whether texts may be sent to a model.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::secret::ApiKey;

use super::s3::{self, Argument};
use crate::catalog::rights::Right;
use crate::guc;
use crate::pg::error::PgError;

/// Errors if the administrator does not allow a role to have texts embedded with this API key, as of the
/// current settings.
pub fn require_allowed(
    embedding: &Embedding,
    role: pg_sys::Oid,
    author: Author,
    key: Option<&ApiKey>,
) -> Result<(), PgError> {
    Right::require_to_embed(embedding, role)?;
    embed::permit(embedding, author, key, &guc::pipeline()).map_err(refused)?;
    match embed::aws_access(embedding, author) {
        Some(access) => s3::require_allowed(&access, Argument::Embedding),
        None => Ok(()),
    }
}

/// Returns the error for an embedding that is refused before any request is sent.
pub fn refused(failure: Failure) -> PgError {
    let (sqlstate, detail) = match failure.code {
        "base_url_not_allowed" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some("The texts and the server's API key would be sent there."),
        ),
        "api_key_not_for_server" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some(
                "A key is for its provider's own server, and for those that the administrator pairs with it.",
            ),
        ),
        "aws_credentials_not_allowed" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some(
                "No role to assume is declared, and the models would be invoked at the server's own expense.",
            ),
        ),
        "address_not_allowed" => (PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, None),
        "api_key_name_not_allowed" => (PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, None),
        _ => (PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, None),
    };

    let error = PgError::new(sqlstate, failure.message);
    let error = match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    };
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
