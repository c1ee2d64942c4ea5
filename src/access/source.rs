//! Checks whether a bucket may be listed, and a queue of its events read.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{Author, SourceConfig};
use pgai_rs_pipeline::server_url::ServerUrl;

use super::s3;
use crate::catalog::rights::Right;
use crate::guc;
use crate::pg::error::PgError;

/// Errors if the administrator has not allowed this config to its author, or its `owner` lacks the right.
pub fn require_allowed(config: &SourceConfig, uri: &str, owner: pg_sys::Oid) -> Result<(), PgError> {
    Right::CreateS3Source.require(owner)?;
    s3::require_objects_allowed(&config.s3, Some(uri))?;

    let Some(url) = &config.queue_url else { return Ok(()) };
    let url = ServerUrl::parse(url).map_err(|error| {
        let message = format!("queue_url {error}");
        PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
            .with_hint(error.hint("https://sqs.eu-west-1.amazonaws.com/123456789012/name"))
    })?;
    if config.s3.author == Author::Superuser || guc::queue_url_allowed(&url) {
        return Ok(());
    }

    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "this queue_url is not allowed on this server",
    )
    .with_detail("Requests signed with the server's credentials would be sent there.")
    .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_sqs_queues."))
}

/// Returns the config with the author who declared it.
pub fn declared_by(config: &SourceConfig, author: Author) -> SourceConfig {
    SourceConfig { s3: s3::declared_by(&config.s3, author), ..config.clone() }
}
