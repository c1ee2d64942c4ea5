//! Failures of S3, in words that lead to the fix.
//!
//! | code | concerns | retry |
//! |---|---|---|
//! | `no_such_key`, `no_such_bucket`, `object_archived`, `invalid_uri`, `too_large` | row | never |
//! | `truncated`, `timeout`, `s3_error`, `unreachable`, `invalid_request`, if the bucket answers | row | with backoff |
//! | `access_denied`, if the bucket may be listed | row | with backoff |
//! | `access_denied`, else | store | with backoff |
//! | `truncated`, `timeout`, `s3_error`, `unreachable`, `invalid_request`, if it does not | store | on recovery |
//! | `unknown_host`, `connection_refused`, `tls_error` | store | on recovery |
//! | `wrong_credentials`, `expired_credentials`, `clock_skew` as S3 says them, `wrong_region` | store | on recovery |
//! | `throttled` | store | after ten seconds |
//! | `too_many_open_files` | vectorizer | after five seconds |
//! | `no_credentials`, `role_refused`, and the same as STS says them | vectorizer | on recovery |
//! | `timeout` and those of the network, if it is STS that is not there | vectorizer | on recovery |
//! | `role_required`, `role_not_allowed`, `anonymous_not_allowed` | vectorizer | on recovery |

use std::fmt;
use std::time::Duration;

use super::S3Uri;
use super::error::{CredentialsFault, Fault, NotAllowed, Peer, S3Error, asks_for_less};
use crate::config::S3Access;
use crate::exhausted;
use crate::failure::{Failure, Retry, Scope, Step};

/// The rule for trying again after a failure that only an administrator can mend.
const ADMINISTRATOR: Retry = Retry::OnRecovery;
/// Pause after S3 asked for fewer requests and the SDK's own retries did not help.
const THROTTLED: Retry = Retry::After(Duration::from_secs(10));

/// The request that S3 got.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// `GetObject`.
    GetObject(&'a S3Uri),
    /// `HeadObject`.
    HeadObject(&'a S3Uri),
    /// `GetObjectTagging`.
    GetObjectTagging(&'a S3Uri),
    /// `ListObjectsV2`.
    ListObjects {
        /// The bucket.
        bucket: &'a str,
        /// The beginning of the keys.
        prefix: &'a str,
    },
    /// `HeadBucket`.
    HeadBucket(&'a str),
    /// Nothing yet, but for credentials.
    Credentials,
}

impl Operation<'_> {
    fn bucket(&self) -> &str {
        match self {
            Operation::GetObject(uri) | Operation::HeadObject(uri) | Operation::GetObjectTagging(uri) => {
                uri.bucket()
            }
            Operation::ListObjects { bucket, .. } | Operation::HeadBucket(bucket) => bucket,
            Operation::Credentials => "",
        }
    }

    /// Returns whether the request concerns a single object.
    fn is_of_object(&self) -> bool {
        matches!(self, Operation::GetObject(_) | Operation::HeadObject(_))
    }
}

/// Writes the address that was asked for.
impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::GetObject(uri) | Operation::HeadObject(uri) => write!(f, "{uri}"),
            Operation::GetObjectTagging(uri) => write!(f, "the tags of {uri}"),
            Operation::ListObjects { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Operation::HeadBucket(bucket) => write!(f, "s3://{bucket}/"),
            Operation::Credentials => f.write_str("AWS credentials"),
        }
    }
}

/// The failure to report.
///
/// A failure that may be the object's doing or the store's ([`S3Error::doubt`]) is taken for the store's, until
/// somebody who has asked the store says otherwise.
pub fn failure(error: &S3Error, operation: Operation<'_>, access: &S3Access) -> Failure {
    match error {
        S3Error::NotAllowed(reason) => not_allowed(reason),
        S3Error::NoCredentials => no_credentials(),
        S3Error::Credentials(why) => {
            loading("no_credentials", format!("could not obtain AWS credentials: {why}"), ADMINISTRATOR)
                .with_hint("Check the AWS profile and environment of the Postgres server.")
        }
        S3Error::Role { code, message, .. } => match error.credentials_fault() {
            Some(fault) => credentials_refused(fault, Peer::Sts, code.as_deref()),
            None => role_refused(code.as_deref(), message.as_deref(), access),
        },
        S3Error::Refused { status, code, message, .. } => match error.credentials_fault() {
            Some(fault) => credentials_refused(fault, Peer::S3, code.as_deref()).concerning(Scope::Store),
            None => refused(*status, code.as_deref(), message.as_deref(), operation),
        },
        S3Error::Network { peer, fault, message } => network(*peer, *fault, message, operation),
        S3Error::Timeout { peer, limit } => timeout(*peer, *limit, operation),
        S3Error::Invalid(why) => loading(
            "invalid_request",
            format!("could not send a request for {operation}: {why}"),
            Retry::OnRecovery,
        )
        .concerning(Scope::Store)
        .with_hint("Check the endpoint, the region and the URL style, and the bucket's name."),
        S3Error::Body(why) => loading(
            "truncated",
            format!("the body of {operation} ended prematurely: {why}"),
            Retry::OnRecovery,
        )
        .concerning(Scope::Store)
        .with_hint("It is fetched again. If this persists, check for a proxy that closes connections."),
        S3Error::TooLarge { size, limit } => too_large(operation, *size, *limit),
    }
}

fn not_allowed(reason: &NotAllowed) -> Failure {
    match reason {
        NotAllowed::OwnCredentials => loading(
            "role_required",
            "requests to S3 are only allowed with the credentials of a role",
            ADMINISTRATOR,
        )
        .with_hint("Specify a role with aws_role_arn, or have a superuser change pgai_rs.s3_credentials."),
        NotAllowed::Role(role_arn) => {
            loading("role_not_allowed", format!("role {role_arn} is not allowed"), ADMINISTRATOR)
                .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_role_arns.")
        }
        NotAllowed::Anonymous => loading(
            "anonymous_not_allowed",
            "requests to S3 without credentials are not allowed",
            ADMINISTRATOR,
        )
        .with_hint("A superuser can allow them with pgai_rs.s3_anonymous."),
        NotAllowed::Address => {
            loading("address_not_allowed", "the server's address is not allowed", ADMINISTRATOR).with_hint(
                "It is in a private network. A superuser can allow the server by adding its host to \
                 pgai_rs.allowed_s3_endpoints or, for a queue, pgai_rs.allowed_sqs_queues.",
            )
        }
    }
}

fn no_credentials() -> Failure {
    loading("no_credentials", "the server has no AWS credentials", ADMINISTRATOR).with_hint(
        "Set pgai_rs.aws_access_key_id and pgai_rs.aws_secret_access_key or pgai_rs.aws_profile, or give the \
         Postgres server an instance role or AWS environment variables. Public buckets can be read without \
         credentials.",
    )
}

fn credentials_refused(fault: CredentialsFault, peer: Peer, told: Option<&str>) -> Failure {
    let (code, message, hint) = match fault {
        CredentialsFault::Wrong => (
            "wrong_credentials",
            format!("{peer} rejected the AWS credentials"),
            "Check the access key and its secret: pgai_rs.aws_access_key_id and pgai_rs.aws_secret_access_key, or \
             the AWS environment of the Postgres server. Keys of another endpoint are rejected, too.",
        ),
        CredentialsFault::Expired => (
            "expired_credentials",
            "the AWS session has expired".to_owned(),
            "Renew the session's credentials in the AWS environment of the Postgres server.",
        ),
        CredentialsFault::ClockSkew => (
            "clock_skew",
            format!("the server's clock differs too much from {peer}'s"),
            "Set the clock of the Postgres server (NTP).",
        ),
    };
    loading(code, format!("{message}{}", bracketed(told)), ADMINISTRATOR).with_hint(hint)
}

fn role_refused(code: Option<&str>, message: Option<&str>, access: &S3Access) -> Failure {
    let role = match &access.aws_role_arn {
        Some(role_arn) => format!("could not assume role {role_arn}"),
        None => "could not assume the role of the server's AWS environment".to_owned(),
    };
    let said = [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let said = if said.is_empty() { "STS gives no reason" } else { &said };
    loading("role_refused", format!("{role}: {said}"), ADMINISTRATOR).with_hint(role_hint(code))
}

fn role_hint(code: Option<&str>) -> &'static str {
    match code.unwrap_or_default() {
        "InvalidIdentityToken" | "IDPRejectedClaim" | "IDPCommunicationError" | "ExpiredTokenException" => {
            "The web identity token of the Postgres server is rejected: check its issuer and audience in IAM, and \
             the role's trust policy."
        }
        "RegionDisabledException" | "RegionDisabled" => {
            "Activate STS in that region of the account, or set pgai_rs.aws_region to another one."
        }
        "ValidationError" => {
            "Check the role's ARN, pgai_rs.aws_role_session_name and pgai_rs.aws_role_session_duration, which may not \
             exceed the role's own maximum."
        }
        _ => {
            "The role's trust policy must name the server's identity, and the external id of \
             pgai_rs.aws_external_id if it asks for one; the identity needs sts:AssumeRole on the role."
        }
    }
}

fn refused(status: u16, code: Option<&str>, message: Option<&str>, operation: Operation<'_>) -> Failure {
    match (status, code) {
        (_, Some("NoSuchBucket")) => no_such_bucket(operation),
        (_, Some("InvalidObjectState")) => {
            loading("object_archived", format!("{operation} is archived"), Retry::Never)
                .with_hint("Restore the object from its archive storage class, then retry.")
        }
        (_, Some(code @ ("KeyTooLongError" | "InvalidBucketName" | "InvalidURI" | "NoSuchVersion"))) => {
            loading("invalid_uri", format!("S3 rejected the address {operation}: {code}"), Retry::Never)
                .with_hint("Correct the address.")
        }
        (status, code) if asks_for_less(status, code) => throttled(),
        (404, _) if operation.is_of_object() => {
            let address = operation.to_string();
            let hint = match address.trim_end() == address {
                true => "Upload the object, then update the row or call ai.retry_failed(...).",
                false => {
                    "Its address ends in a blank or a line break, which is part of the key. Remove it if that is \
                     not intended."
                }
            };

            loading("no_such_key", format!("object {address} does not exist"), Retry::Never).with_hint(hint)
        }
        (404, _) => no_such_bucket(operation),
        (401 | 403, _) => access_denied(code, message, operation),
        (301 | 302 | 307 | 308, _) | (_, Some("PermanentRedirect" | "AuthorizationHeaderMalformed")) => {
            wrong_region(operation)
        }
        _ => other_response(status, code, message, operation),
    }
}

fn throttled() -> Failure {
    loading("throttled", "S3 limits the rate of requests", THROTTLED)
        .concerning(Scope::Store)
        .with_hint("Reduce pgai_rs.load_concurrency if this persists.")
}

fn no_such_bucket(operation: Operation<'_>) -> Failure {
    loading("no_such_bucket", format!("bucket {} does not exist", operation.bucket()), Retry::Never)
        .with_hint("Check the bucket's name, and the endpoint if the bucket is not on AWS.")
}

fn access_denied(code: Option<&str>, message: Option<&str>, operation: Operation<'_>) -> Failure {
    let said = message.filter(|message| !message.eq_ignore_ascii_case("access denied"));
    let said = said.map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!("S3 denied access to {operation}{}{said}", bracketed(code));

    let hint = if matches!(operation, Operation::GetObjectTagging(_)) {
        "Grant s3:GetObjectTagging on the object to the server's identity, or to the role."
    } else if operation.is_of_object() {
        "Grant s3:GetObject on the object (s3:GetObjectVersion for one version) to the server's identity, or to the \
         role. S3 says the same of an object that does not exist when s3:ListBucket is not granted on the bucket: \
         check the key, too."
    } else {
        "Grant s3:ListBucket on the bucket to the server's identity, or to the role. It is a right on the bucket, \
         arn:aws:s3:::bucket, and not on its objects."
    };

    loading("access_denied", message, Retry::Backoff).concerning(Scope::Store).with_hint(hint)
}

fn wrong_region(operation: Operation<'_>) -> Failure {
    let bucket = operation.bucket();
    loading(
        "wrong_region",
        format!("bucket {bucket} is in another region, which S3 does not name"),
        ADMINISTRATOR,
    )
    .concerning(Scope::Store)
    .with_hint("Set pgai_rs.aws_region to the bucket's region, or pgai_rs.aws_endpoint_url to its endpoint.")
}

fn too_large(operation: Operation<'_>, size: Option<u64>, limit: u64) -> Failure {
    let size = size.map_or_else(|| "more".to_owned(), |size| format!("{size} bytes, more"));
    loading(
        "too_large",
        format!("{operation} has {size} than the {limit} bytes allowed for a document"),
        Retry::Never,
    )
    .with_hint("Split the document, or increase pgai_rs.max_document_size.")
}

fn timeout(peer: Peer, limit: Option<Duration>, operation: Operation<'_>) -> Failure {
    let message = match limit {
        Some(limit) => format!("could not fetch {operation} within {limit:?}"),
        None => format!("{peer} did not respond in time for {operation}"),
    };
    loading("timeout", message, Retry::OnRecovery)
        .concerning(of(peer))
        .with_hint("Check the endpoint and the network; increase pgai_rs.load_timeout for large objects.")
}

fn other_response(
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
    operation: Operation<'_>,
) -> Failure {
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();

    let failed = status >= 500;
    let retry = if failed { Retry::OnRecovery } else { Retry::Backoff };
    let scope = if failed { Scope::Store } else { Scope::Row };

    loading("s3_error", format!("S3 responded with {status}{code} for {operation}{message}"), retry)
        .concerning(scope)
        .with_hint("If this persists, check that the endpoint supports S3's protocol.")
}

fn network(peer: Peer, fault: Fault, why: &str, operation: Operation<'_>) -> Failure {
    let (code, hint) = match fault {
        Fault::Descriptors => return exhausted::failure(Step::Loading),
        Fault::Tls => (
            "tls_error",
            "If the server's certificate is not trusted, set SSL_CERT_FILE in the environment of the Postgres \
             server to a file with the authorities to trust. If it does not support TLS, use http:// in the \
             endpoint.",
        ),
        Fault::UnknownHost => (
            "unknown_host",
            "The endpoint's host name is unknown: check pgai_rs.aws_endpoint_url and pgai_rs.aws_region. Servers \
             other than AWS usually need pgai_rs.s3_url_style = 'path'.",
        ),
        Fault::ConnectionRefused => (
            "connection_refused",
            "Check the host and port of pgai_rs.aws_endpoint_url, and whether the server is running.",
        ),
        Fault::Other => (
            "unreachable",
            "Check pgai_rs.aws_endpoint_url, the network and firewalls between the Postgres server and S3.",
        ),
    };

    loading(code, format!("could not connect to {peer} for {operation}: {why}"), Retry::OnRecovery)
        .concerning(of(peer))
        .with_hint(hint)
}

/// Returns the scope of a failure if this peer does not answer.
fn of(peer: Peer) -> Scope {
    match peer {
        Peer::S3 => Scope::Store,
        Peer::Sts => Scope::Vectorizer,
    }
}

fn bracketed(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

fn loading(code: &'static str, message: impl Into<String>, retry: Retry) -> Failure {
    Failure::new(Step::Loading, code, message, retry)
}
