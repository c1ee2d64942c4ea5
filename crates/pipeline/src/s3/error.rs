//! The reasons why requests to S3 fail, as data: told from the many shapes that the SDK gives them.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http::endpoint::ResolveEndpointError;

use super::sts::{self, element};
use crate::exhausted;
use crate::message::truncate_message;
use crate::network::{AddressRefused, AnswerTooLong};

/// The largest number of bytes that are repeated of what others say.
const LONGEST: usize = 500;
/// The largest number of bytes of a word for the reason of a refusal. Those of AWS have up to 60.
const LONGEST_CODE: usize = 100;
/// The largest number of bytes of a region's name, which is remembered. AWS's have up to 20.
const LONGEST_REGION: usize = 64;

/// The reason why a request failed, or was not made. Holds no secret and nothing of an object's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Error {
    /// The operator does not let anybody ask in this way.
    NotAllowed(NotAllowed),
    /// No credentials were found.
    NoCredentials,
    /// A provider of credentials failed; its message.
    Credentials(String),
    /// STS gives no credentials for a role.
    Role {
        /// The status of its answer.
        status: u16,
        /// Its word for the reason, such as `AccessDenied`.
        code: Option<String>,
        /// Its explanation.
        message: Option<String>,
    },
    /// S3 answered, and not with what it was asked for.
    Refused {
        /// The status of its answer.
        status: u16,
        /// Its word for the reason, such as `NoSuchKey`; a HEAD request has none.
        code: Option<String>,
        /// Its explanation.
        message: Option<String>,
        /// The bucket's region, if it is named.
        bucket_region: Option<String>,
    },
    /// There was no answer.
    Network {
        /// The peer that did not answer.
        peer: Peer,
        /// The fault of the network.
        fault: Fault,
        /// The network's own words.
        message: String,
    },
    /// There was no answer in time.
    Timeout {
        /// The peer that did not answer.
        peer: Peer,
        /// The limit, if it was ours for the whole of it.
        limit: Option<Duration>,
    },
    /// The request can't even be made, such as to an endpoint that is no URL.
    Invalid(String),
    /// The answer's body broke off.
    Body(String),
    /// The object has more bytes than are allowed.
    TooLarge {
        /// The size of the object, if it is known.
        size: Option<u64>,
        /// The largest size that is allowed.
        limit: u64,
    },
}

/// The thing that the operator does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAllowed {
    /// Asking with the server's own credentials, without a role.
    OwnCredentials,
    /// Assuming this role.
    Role(String),
    /// Asking without credentials.
    Anonymous,
    /// Connecting to the address that the endpoint, or the queue, leads to.
    Address,
}

/// The peer that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// S3.
    S3,
    /// The service that hands out a role's credentials.
    Sts,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::S3 => "S3",
            Peer::Sts => "STS",
        })
    }
}

/// The fault of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No TLS with this server; its certificate is not trusted, most often.
    Tls,
    /// The host's name has no address.
    UnknownHost,
    /// This process, or the system, has too many open files.
    Descriptors,
    /// Nobody listens there.
    ConnectionRefused,
    /// Anything else.
    Other,
}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> From<&SdkError<E>> for S3Error {
    fn from(error: &SdkError<E>) -> Self {
        S3Error::from_sdk(Peer::S3, error)
    }
}

impl S3Error {
    /// Reads the SDK's error of a request to `peer`.
    pub(super) fn from_sdk<E>(peer: Peer, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(error) = credentials_error(error) {
            return without_credentials(error);
        }
        if AddressRefused::is_behind(error) {
            return S3Error::NotAllowed(NotAllowed::Address);
        }
        if AnswerTooLong::is_behind(error) {
            return S3Error::Body(innermost(error));
        }

        match error {
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => refused(error),
            SdkError::ConstructionFailure(_) => S3Error::Invalid(trail(error)),
            other => no_answer(peer, other),
        }
    }

    /// A body that broke off.
    pub fn body(error: &(dyn Error + 'static)) -> Self {
        S3Error::Body(innermost(error))
    }

    /// An answer that did not come, with its body, within the limit.
    pub fn late(limit: Duration) -> Self {
        S3Error::Timeout { peer: Peer::S3, limit: Some(limit) }
    }

    /// The status of S3's answer, if it gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            S3Error::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// S3's word for the reason, if it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            S3Error::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// Returns the bucket's region, if S3 says that the request belongs there.
    pub(super) fn bucket_region(&self) -> Option<&str> {
        match self {
            S3Error::Refused { status: 301 | 302 | 307 | 308 | 400, bucket_region, .. } => {
                bucket_region.as_deref()
            }
            _ => None,
        }
    }

    /// Returns the fault of the credentials, if the answer speaks of them rather than of the object.
    pub(super) fn credentials_fault(&self) -> Option<CredentialsFault> {
        let (S3Error::Refused { code, .. } | S3Error::Role { code, .. }) = self else { return None };
        match code.as_deref()? {
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidClientTokenId" => {
                Some(CredentialsFault::Wrong)
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                Some(CredentialsFault::Expired)
            }
            "RequestTimeTooSkewed" | "RequestExpired" => Some(CredentialsFault::ClockSkew),
            _ => None,
        }
    }

    /// Returns the question that this failure leaves open: is it the object's doing or the store's?
    pub fn doubt(&self) -> Option<Doubt> {
        if self.credentials_fault().is_some() {
            return None;
        }
        match self {
            S3Error::Network { peer: Peer::S3, fault: Fault::Other, .. }
            | S3Error::Timeout { peer: Peer::S3, .. }
            | S3Error::Invalid(_)
            | S3Error::Body(_) => Some(Doubt::Outage),
            S3Error::Refused { status, code, .. } if asks_for_less(*status, code.as_deref()) => None,
            S3Error::Refused { status: 500.., .. } => Some(Doubt::Outage),
            S3Error::Refused { status: 401 | 403, code, .. } => {
                (code.as_deref() != Some("InvalidObjectState")).then_some(Doubt::Forbidden)
            }
            _ => None,
        }
    }

    /// Returns whether a store that says this of itself answers, though it may refuse.
    pub fn is_answer(&self) -> bool {
        match self {
            S3Error::Refused { status, code, .. } => {
                (1..500).contains(status)
                    && !asks_for_less(*status, code.as_deref())
                    && self.credentials_fault().is_none()
            }
            _ => false,
        }
    }

    /// Returns whether other credentials of the server may help. They are not to blame if a role is
    /// refused to them.
    pub(super) fn blames_credentials(&self) -> bool {
        matches!(self, S3Error::NoCredentials | S3Error::Credentials(_))
            || matches!(self.credentials_fault(), Some(CredentialsFault::Wrong | CredentialsFault::Expired))
    }
}

/// A question that a failed request leaves open, and that another request can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Does the store fail, or this object?
    Outage,
    /// Is all of the store forbidden, or this object?
    Forbidden,
}

/// The fault of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialsFault {
    /// The key is unknown, or its secret is another.
    Wrong,
    /// Their time has expired.
    Expired,
    /// They were used with a clock that differs too much.
    ClockSkew,
}

/// Returns whether this answer asks for fewer requests.
pub(super) fn asks_for_less(status: u16, code: Option<&str>) -> bool {
    matches!(status, 429 | 503) || code.is_some_and(is_throttling)
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequests"
    )
}

/// Finds the error of a provider of credentials, which the SDK wraps as if the network had failed.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    chain(error).find_map(|error| error.downcast_ref::<CredentialsError>())
}

/// Finds the reason why there are no credentials. A role's provider wraps the answer of STS, and the
/// errors of its own credentials, in errors of its own.
pub(super) fn without_credentials(error: &CredentialsError) -> S3Error {
    if chain(error).any(is_not_loaded) {
        return S3Error::NoCredentials;
    }

    if let Some(refusal) = chain(error).find_map(sts::refusal) {
        return S3Error::Role {
            status: refusal.status,
            code: refusal.code.map(|code| truncate_message(&code, LONGEST_CODE)),
            message: refusal.message.map(|message| truncate_message(&message, LONGEST)),
        };
    }

    match error {
        CredentialsError::ProviderTimedOut(_) => S3Error::Timeout { peer: Peer::Sts, limit: None },
        _ if chain(error).any(sts::is_request) => no_answer(Peer::Sts, error),
        _ => S3Error::Credentials(trail(error)),
    }
}

/// Returns whether an error says that there are no credentials in one of the places where they may be.
fn is_not_loaded(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref::<CredentialsError>(), Some(CredentialsError::CredentialsNotLoaded(_)))
}

/// An answer that is none of those wanted.
fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> S3Error {
    let Some(response) = error.raw_response() else {
        return S3Error::Refused { status: 0, code: None, message: None, bucket_region: None };
    };

    let body = response.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
    let region = response.headers().get("x-amz-bucket-region").or_else(|| element(body, "Region"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_region = |region: &&str| region.len() <= LONGEST_REGION && region.chars().all(is_name);

    S3Error::Refused {
        status: response.status().as_u16(),
        code: error.code().map(|code| truncate_message(code, LONGEST_CODE)),
        message: error.message().map(|message| truncate_message(message, LONGEST)),
        bucket_region: region.filter(|region| !region.is_empty()).filter(is_region).map(str::to_owned),
    }
}

fn no_answer(peer: Peer, error: &(dyn Error + 'static)) -> S3Error {
    if chain(error).any(|error| error.is::<ResolveEndpointError>()) {
        return S3Error::Invalid(innermost(error));
    }

    // The types that would tell are private to the SDK's HTTP client; the words are what is left.
    let said = trail(error).to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let fault = if exhausted::is_out_of_descriptors(error) {
        Fault::Descriptors
    } else if says(&["timed out", "timeout", "deadline"]) {
        return S3Error::Timeout { peer, limit: None };
    } else if chain(error).any(is_refused_connection) || says(&["connection refused"]) {
        Fault::ConnectionRefused
    } else if says(&["dns error", "failed to lookup address"]) {
        Fault::UnknownHost
    } else if says(&["certificate", "tls", "invalid peer", "invalidcontenttype", "handshake"]) {
        Fault::Tls
    } else {
        Fault::Other
    };
    S3Error::Network { peer, fault, message: innermost(error) }
}

fn is_refused_connection(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    truncate_message(&chain(error).last().map_or_else(|| error.to_string(), ToString::to_string), LONGEST)
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
    truncate_message(&trail, LONGEST)
}
