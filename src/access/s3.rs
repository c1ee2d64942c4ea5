//! Checks whether S3, or another service of AWS, may be asked in the way that a vectorizer, a source or a check
//! declares.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::{Author, S3Access};
use pgai_rs_pipeline::server_url::ServerUrl;

use crate::guc;
use crate::pg::error::PgError;

/// Errors if the access is contradictory, or the operator does not allow its author to request objects with
/// it. `example` is a requested address, if one is known.
pub fn require_objects_allowed(access: &S3Access, example: Option<&str>) -> Result<(), PgError> {
    require_allowed(access, Argument::Loading)?;
    if guc::reaches_objects(access) {
        return Ok(());
    }

    let example = example.unwrap_or("s3://bucket/prefix/");
    let message = match access.anonymous {
        true => "public buckets may be read only where this server allows it",
        false => "the server's own AWS credentials may be used only where this server allows it",
    };
    Err(denied(message)
        .with_detail("pgai_rs.allowed_uris is empty, so only superusers can load such objects.")
        .with_hint(format!(
            "A superuser can add {example} to pgai_rs.allowed_uris. No entry is needed for a role that \
             aws_role_arn names."
        )))
}

/// Returns an access with its author.
pub fn declared_by(access: &S3Access, author: Author) -> S3Access {
    S3Access { author, ..access.clone() }
}

/// The argument that declares an access. Errors name the role's option as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// `loading`, or the options of an S3 source.
    Loading,
    /// `embedding`, with Amazon Bedrock as the provider.
    Embedding,
}

impl Argument {
    fn name(self) -> &'static str {
        match self {
            Argument::Loading => "loading",
            Argument::Embedding => "embedding",
        }
    }

    /// Returns the name of the option for the role: in an embedding it is LiteLLM's.
    fn role_option(self) -> &'static str {
        match self {
            Argument::Loading => "aws_role_arn",
            Argument::Embedding => "aws_role_name",
        }
    }

    fn service(self) -> &'static str {
        match self {
            Argument::Loading => "S3",
            Argument::Embedding => "Amazon Bedrock",
        }
    }
}

/// Errors if the access is contradictory, or the operator does not allow it to its author.
pub fn require_allowed(access: &S3Access, argument: Argument) -> Result<(), PgError> {
    require_consistent(access)?;
    require_role_allowed(access, argument)?;
    if access.anonymous && !guc::s3_anonymous() {
        return Err(denied("anonymous requests to S3 are not allowed on this server")
            .with_hint("A superuser can allow it with pgai_rs.s3_anonymous."));
    }

    let Some(endpoint) = &access.endpoint else { return Ok(()) };
    let endpoint = ServerUrl::parse(endpoint).map_err(|error| {
        invalid(&format!("endpoint {error}")).with_hint(error.hint("https://storage.example.com:9000"))
    })?;
    if access.author == Author::Superuser || guc::s3_endpoint_allowed(&endpoint) {
        return Ok(());
    }
    Err(denied("this S3 endpoint is not allowed on this server")
        .with_detail("Requests signed with the server's credentials would be sent there.")
        .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_s3_endpoints."))
}

fn require_consistent(access: &S3Access) -> Result<(), PgError> {
    if access.anonymous && access.aws_role_arn.is_some() {
        return Err(invalid("cannot assume a role anonymously")
            .with_hint("Leave out either aws_role_arn or anonymous."));
    }
    // A region becomes a part of the host's name.
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if access.region.as_deref().is_some_and(|region| region.is_empty() || !region.chars().all(word)) {
        return Err(invalid("region must be the name of an AWS region, such as eu-west-1"));
    }
    Ok(())
}

fn require_role_allowed(access: &S3Access, argument: Argument) -> Result<(), PgError> {
    let option = argument.role_option();
    let Some(role_arn) = &access.aws_role_arn else {
        if access.anonymous || !guc::s3_role_only() {
            return Ok(());
        }
        let message = format!("{} can only be used with an assumed role on this server", argument.service());
        return Err(denied(&message)
            .with_detail(
                "pgai_rs.s3_credentials is \"role\", so the server's own credentials can only be used to assume \
                 roles.",
            )
            .with_hint(format!(
                "Specify {option}. ai.s3_policies() returns the trust policy that the role needs."
            )));
    };

    if !is_role_arn(role_arn) {
        return Err(PgError::raised(format!(
            "invalid {} config, {option} must match arn:aws:iam::*:role/*",
            argument.name()
        )));
    }
    if !guc::role_arn_allowed(role_arn, access.author) {
        return Err(denied(&format!("this {option} is not allowed on this server"))
            .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_role_arns."));
    }
    Ok(())
}

/// Returns whether a string has the form of a role's ARN, including those of AWS GovCloud (`aws-us-gov`), of
/// China (`aws-cn`), and of Ceph, whose roles belong to no account.
fn is_role_arn(arn: &str) -> bool {
    let Some(rest) = arn.strip_prefix("arn:aws") else { return false };
    let Some((partition, rest)) = rest.split_once(":iam::") else { return false };
    let Some((account, role)) = rest.split_once(":role/") else { return false };
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    word(partition) && word(account) && !role.is_empty()
}

fn denied(message: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, message)
}

fn invalid(message: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}
