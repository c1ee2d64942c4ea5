//! What went wrong with S3, in words that lead to the fix.
//!
//! | code | retry |
//! |---|---|
//! | `no_such_key`, `no_such_bucket`, `object_archived`, `invalid_uri`, `too_large` | never |
//! | `access_denied`, `wrong_region`, `timeout`, `unreachable`, `truncated`, `s3_error` | with backoff |
//! | `no_credentials`, `wrong_credentials`, `expired_credentials`, `role_refused`, `clock_skew` | after a minute, no attempt spent |
//! | `throttled` | after ten seconds, no attempt spent |

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;

use super::S3Uri;
use crate::document::{Failure, Retry, Step};

/// What the SDK answers to a failed GetObject.
pub(super) type GetError = SdkError<GetObjectError>;

/// Pause after something that only an administrator can mend.
const ADMINISTRATOR: Retry = Retry::After(Duration::from_secs(60));
/// Pause after S3 asked for fewer requests and the SDK's own retries did not help.
const THROTTLED: Retry = Retry::After(Duration::from_secs(10));

/// Why an object was not fetched.
#[derive(Debug)]
pub(super) enum S3Error {
    /// The request failed, as far as the SDK's retries go.
    Request(Box<GetError>),
    /// The response's body broke off.
    Body(String),
    /// More bytes than are allowed; the size, if the server told it.
    TooLarge { size: Option<u64>, limit: u64 },
    /// It took longer than this.
    Timeout(Duration),
}

impl From<GetError> for S3Error {
    fn from(error: GetError) -> Self {
        S3Error::Request(Box::new(error))
    }
}

impl S3Error {
    /// A body that broke off.
    pub(super) fn body(error: &(dyn Error + 'static)) -> Self {
        S3Error::Body(innermost(error))
    }

    /// Whether other credentials may help.
    pub(super) fn blames_credentials(&self) -> bool {
        let S3Error::Request(error) = self else { return false };
        credentials_error(error).is_some()
            || matches!(credentials_code(error.code()), Some("wrong_credentials" | "expired_credentials"))
    }
}

/// The region of the bucket, if the server names it in its refusal. Neither the SDK's redirects
/// nor its retries look at it.
pub(super) fn bucket_region(error: &GetError) -> Option<String> {
    let response = error.raw_response()?;
    if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308 | 400) {
        return None;
    }
    let told = response.headers().get("x-amz-bucket-region").map(str::to_owned);
    told.or_else(|| {
        let body = std::str::from_utf8(response.body().bytes()?).ok()?;
        let (_, rest) = body.split_once("<Region>")?;
        rest.split_once("</Region>").map(|(region, _)| region.trim().to_owned())
    })
    .filter(|region| !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

/// The failure to report.
pub(super) fn failure(error: &S3Error, uri: &S3Uri, role_arn: Option<&str>) -> Failure {
    match error {
        S3Error::Request(error) => request_failure(error, uri, role_arn),
        S3Error::Body(why) => {
            loading("truncated", format!("the body of {uri} broke off: {why}"), Retry::Backoff)
        }
        S3Error::TooLarge { size, limit } => too_large(uri, *size, *limit),
        S3Error::Timeout(limit) => timeout(format!("{uri} was not loaded within {limit:?}")),
    }
}

fn request_failure(error: &GetError, uri: &S3Uri, role_arn: Option<&str>) -> Failure {
    if let Some(error) = credentials_error(error) {
        return credentials_failure(error, role_arn);
    }
    match error {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
            let status = error.raw_response().map_or(0, |response| response.status().as_u16());
            response_failure(status, error, uri)
        }
        SdkError::TimeoutError(_) => timeout(format!("S3 did not answer in time for {uri}")),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            timeout(format!("S3 did not answer in time for {uri}"))
        }
        other => unreachable(&innermost(other), uri),
    }
}

fn response_failure(status: u16, error: &GetError, uri: &S3Uri) -> Failure {
    if let Some(code) = credentials_code(error.code()) {
        return credentials_refused(code, error.code().unwrap_or_default());
    }
    match (status, error.code()) {
        (_, Some("NoSuchBucket")) => {
            loading("no_such_bucket", format!("there is no bucket {}", uri.bucket()), Retry::Never).with_hint(
                "Check the bucket's name, and pgai_rs.aws_endpoint_url if the bucket is not on AWS.",
            )
        }
        (_, Some("InvalidObjectState")) => {
            loading("object_archived", format!("{uri} is archived"), Retry::Never)
                .with_hint("Restore the object from its archive storage class, then retry.")
        }
        (_, Some(code @ ("KeyTooLongError" | "InvalidBucketName" | "InvalidURI"))) => {
            loading("invalid_uri", format!("S3 refused the address {uri}: {code}"), Retry::Never)
        }
        (
            _,
            Some(
                "SlowDown"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests",
            ),
        )
        | (429 | 503, _) => loading("throttled", "S3 asks for fewer requests", THROTTLED)
            .with_hint("Lower pgai_rs.load_concurrency if this persists."),
        (404, _) => loading("no_such_key", format!("there is no object {uri}"), Retry::Never)
            .with_hint("Upload the object, then update the row or call ai.retry_failed(...)."),
        (401 | 403, code) => access_denied(code, uri),
        (301 | 302 | 307 | 308, _) | (_, Some("PermanentRedirect" | "AuthorizationHeaderMalformed")) => {
            wrong_region(uri)
        }
        (_, code) => other_response(status, code, uri),
    }
}

/// Our code for S3's codes that speak of the credentials rather than of the object.
fn credentials_code(code: Option<&str>) -> Option<&'static str> {
    match code? {
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidClientTokenId" => {
            Some("wrong_credentials")
        }
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Some("expired_credentials"),
        "RequestTimeTooSkewed" => Some("clock_skew"),
        _ => None,
    }
}

fn credentials_refused(code: &'static str, told: &str) -> Failure {
    let (message, hint) = match code {
        "wrong_credentials" => (
            "S3 does not accept the server's AWS credentials",
            "Check access key and secret: pgai_rs.aws_access_key_id and pgai_rs.aws_secret_access_key, or the AWS \
             environment of the Postgres server. Keys of another endpoint are refused too.",
        ),
        "expired_credentials" => (
            "the server's AWS session has expired",
            "Renew the session's credentials in the AWS environment of the Postgres server.",
        ),
        _ => ("the server's clock differs too much from S3's", "Set the clock of the Postgres server (NTP)."),
    };
    loading(code, format!("{message} ({told})"), ADMINISTRATOR).with_hint(hint)
}

fn access_denied(code: Option<&str>, uri: &S3Uri) -> Failure {
    let told = code.map(|code| format!(" ({code})")).unwrap_or_default();
    loading("access_denied", format!("S3 denies access to {uri}{told}"), Retry::Backoff).with_hint(
        "Grant s3:GetObject on the object to the server's identity, or to the role. S3 says the same of an object \
         that does not exist when s3:ListBucket is not granted on the bucket: check the key, too.",
    )
}

fn wrong_region(uri: &S3Uri) -> Failure {
    loading(
        "wrong_region",
        format!("bucket {} is in another region, and S3 does not say in which", uri.bucket()),
        Retry::Backoff,
    )
    .with_hint("Set pgai_rs.aws_region to the bucket's region, or pgai_rs.aws_endpoint_url to its endpoint.")
}

fn too_large(uri: &S3Uri, size: Option<u64>, limit: u64) -> Failure {
    let size = size.map_or_else(|| "more".to_owned(), |size| format!("{size} bytes, more"));
    loading("too_large", format!("{uri} has {size} than the {limit} bytes of a document"), Retry::Never)
        .with_hint("Split the document, or raise pgai_rs.max_document_size.")
}

fn timeout(message: String) -> Failure {
    loading("timeout", message, Retry::Backoff)
        .with_hint("Check the endpoint and the network; raise pgai_rs.load_timeout for large objects.")
}

fn other_response(status: u16, code: Option<&str>, uri: &S3Uri) -> Failure {
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    loading("s3_error", format!("S3 answered {status}{code} for {uri}"), Retry::Backoff)
}

fn unreachable(why: &str, uri: &S3Uri) -> Failure {
    let lower = why.to_ascii_lowercase();
    let hint = if lower.contains("certificate") {
        "The server's certificate is not trusted: AWS_CA_BUNDLE in the environment of the Postgres server names further authorities."
    } else if lower.contains("dns") || lower.contains("lookup") || lower.contains("name or service") {
        "The endpoint's name is not known: check pgai_rs.aws_endpoint_url and pgai_rs.aws_region. \
         Servers other than AWS usually want pgai_rs.s3_url_style = 'path'."
    } else {
        "Check pgai_rs.aws_endpoint_url, the network and firewalls between the Postgres server and S3."
    };
    loading("unreachable", format!("S3 can't be reached for {uri}: {why}"), Retry::Backoff).with_hint(hint)
}

fn credentials_failure(error: &CredentialsError, role_arn: Option<&str>) -> Failure {
    if let Some(role_arn) = role_arn.filter(|_| !has_no_credentials(error)) {
        return loading(
            "role_refused",
            format!("role {role_arn} can't be assumed: {}", trail(error)),
            ADMINISTRATOR,
        )
        .with_hint(
            "The role's trust policy must name the server's identity, and the external id of \
                 pgai_rs.aws_external_id if it asks for one; the identity needs sts:AssumeRole on the role.",
        );
    }
    if has_no_credentials(error) {
        return loading("no_credentials", "the server has no AWS credentials", ADMINISTRATOR).with_hint(
            "Set pgai_rs.aws_access_key_id and pgai_rs.aws_secret_access_key or pgai_rs.aws_profile, or give the \
             Postgres server an instance role or AWS environment variables.",
        );
    }
    loading("no_credentials", format!("AWS credentials can't be had: {}", trail(error)), ADMINISTRATOR)
        .with_hint("Check the AWS profile and environment of the Postgres server.")
}

fn loading(code: &'static str, message: impl Into<String>, retry: Retry) -> Failure {
    Failure::new(Step::Loading, code, message, retry)
}

/// The SDK wraps what its credential providers say as if the network had failed.
fn credentials_error(error: &GetError) -> Option<&CredentialsError> {
    chain(error).find_map(|error| error.downcast_ref::<CredentialsError>())
}

/// Whether the chain came to its end without finding any. A role's provider wraps the base
/// credentials' answer in its own.
fn has_no_credentials(error: &CredentialsError) -> bool {
    chain(error).any(|error| {
        matches!(error.downcast_ref::<CredentialsError>(), Some(CredentialsError::CredentialsNotLoaded(_)))
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// All that the errors say, from the outer to the inner, without repetition.
fn trail(error: &(dyn Error + 'static)) -> String {
    let mut trail = String::new();
    for text in chain(error).map(ToString::to_string) {
        if !trail.contains(&text) {
            trail.push_str(if trail.is_empty() { "" } else { ": " });
            trail.push_str(&text);
        }
    }
    crate::shorten::shorten(&trail, 500)
}
