//! Requests that are signed with AWS credentials, by Signature Version 4.
//!
//! The signature is the SDK's own; only what is asked is not, for an SDK for one operation would be as
//! large as all the rest.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::Mutex;

use crate::config::S3Access;
use crate::embed::error::{ADMINISTRATOR, EmbedError};
use crate::failure::{self, Retry, Step};
use crate::s3::{self, Clients, Operation, S3Error};

/// Credentials are had anew so long before they expire; AWS' own SDKs do it in the last minutes, too.
const BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);
/// Longest time that credentials are used which say nothing of an end: they may be rotated.
const UNENDING: Duration = Duration::from_secs(5 * 60);

/// The service that a signature is for, and the identity that signs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::embed) struct SigningScope {
    /// The service's name in signatures.
    pub service: &'static str,
    /// The region that is asked.
    pub region: String,
    /// The identity that signs.
    pub access: S3Access,
}

/// Signs requests, with credentials that are kept until shortly before they expire.
pub(in crate::embed) struct Signer {
    clients: Arc<Clients>,
    scope: SigningScope,
    kept: Mutex<Option<(Credentials, Instant)>>,
}

impl Signer {
    /// A signer with the identities that S3 is asked with.
    pub(in crate::embed) fn new(clients: Arc<Clients>, scope: SigningScope) -> Self {
        Signer { clients, scope, kept: Mutex::new(None) }
    }

    /// Adds the signature to a request that is complete otherwise.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or the operator does not allow to use them.
    pub(in crate::embed) async fn sign(&self, request: &mut Request) -> Result<(), EmbedError> {
        let credentials = self.credentials().await?;
        let headers = self.signature(request, credentials).map_err(|why| {
            EmbedError::refused("invalid_request", format!("could not sign the request: {why}"), HINT)
        })?;
        request.headers_mut().extend(headers);
        Ok(())
    }

    /// Forgets the credentials after a refusal: somebody may have mended them.
    pub(in crate::embed) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn credentials(&self) -> Result<Credentials, EmbedError> {
        let mut kept = self.kept.lock().await;
        if let Some((credentials, had)) = &*kept
            && is_fresh(credentials, *had)
        {
            return Ok(credentials.clone());
        }

        let access = &self.scope.access;
        let credentials =
            self.clients.credentials(access).await.map_err(|error| unavailable(&error, access))?;
        *kept = Some((credentials.clone(), Instant::now()));
        Ok(credentials)
    }

    fn signature(
        &self,
        request: &Request,
        credentials: Credentials,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Box<dyn std::error::Error>> {
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.scope.region)
            .name(self.scope.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();

        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let url = request.url().as_str();
        let signable =
            SignableRequest::new(request.method().as_str(), url, headers, SignableBody::Bytes(body))?;

        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut added = Vec::new();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value)?;
            // Neither the signature nor a session's token belongs into a log.
            value.set_sensitive(true);
            added.push((HeaderName::from_bytes(name.as_bytes())?, value));
        }
        Ok(added)
    }
}

const HINT: &str =
    "Check the AWS credentials of the Postgres server; a key or token must not contain a line break.";

fn is_fresh(credentials: &Credentials, had: Instant) -> bool {
    match credentials.expiry() {
        Some(end) => end.duration_since(SystemTime::now()).is_ok_and(|left| left > BEFORE_EXPIRY),
        None => had.elapsed() < UNENDING,
    }
}

/// Words a failure of S3's credentials as one of the embedding that concerns the whole vectorizer.
fn unavailable(error: &S3Error, access: &S3Access) -> EmbedError {
    let mut failure = s3::failure(error, Operation::Credentials, access);
    if matches!(error, S3Error::Network { .. } | S3Error::Timeout { .. }) {
        return EmbedError::Unreachable(failure.message);
    }

    failure.step = Step::Embedding;
    failure.scope = failure::Scope::Provider;
    failure.retry = Retry::After(ADMINISTRATOR);
    EmbedError::Refused(failure)
}
