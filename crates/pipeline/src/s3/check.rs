//! Asking S3 step by step, so that a person sees how far it goes.

use std::future::Future;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::clients::{credentials_of, with_deadline};
use super::error::{Peer, S3Error};
use super::provider;
use super::{Clients, Operation, S3Uri, failure, reachable};
use crate::config::S3Access;
use crate::failure::Failure;
use crate::message::storable_message;
use crate::quota::Owner;
use crate::settings::S3Settings;

/// The steps, in their order.
const STEPS: [&str; 7] = ["uri", "credentials", "identity", "role", "bucket", "head", "get"];

/// The largest number of bytes of a finding, whatever a server says.
const LONGEST_MESSAGE: usize = 500;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// Its name: `uri`, `credentials`, `identity`, `role`, `bucket`, `head` or `get`.
    pub step: &'static str,
    /// `true` if it went well, `false` if it failed; `None` if it was skipped, or can't tell and does
    /// not matter.
    pub ok: Option<bool>,
    /// The finding. Holds no secret.
    pub message: String,
    /// The advice to a person who can do something about it.
    pub hint: Option<String>,
}

/// Goes all the way to an object: is it allowed, who asks, as which role, is there such a bucket,
/// is there such an object, may it be read. Returns every step once; those after a fatal one are
/// skipped.
pub async fn check(
    clients: &Clients,
    uri: &str,
    access: &S3Access,
    allowed_uris: &[String],
) -> Vec<CheckStep> {
    let mut walk = Walk { clients, access, steps: Vec::with_capacity(STEPS.len()) };

    if let Err(failure) = walk.go(uri, allowed_uris).await {
        walk.step(Some(false), failure.message, failure.hint);
    }
    while walk.steps.len() < STEPS.len() {
        walk.skip("skipped, because an earlier step failed");
    }
    walk.steps
}

/// The steps so far.
struct Walk<'a> {
    clients: &'a Clients,
    access: &'a S3Access,
    steps: Vec<CheckStep>,
}

impl Walk<'_> {
    /// Goes from step to step. Each part adds its step, or returns the failure of it.
    async fn go(&mut self, uri: &str, allowed_uris: &[String]) -> Result<(), Failure> {
        let uri = S3Uri::parse(uri)?;
        uri.permit(reachable(allowed_uris, self.access))?;
        self.pass(format!("{uri} is allowed"));
        self.own_identity(&uri).await?;
        self.role(&uri).await?;
        self.bucket(&uri).await?;
        self.head(&uri).await?;
        self.get(&uri).await
    }

    /// Tells the server's own identity, before it assumes a role.
    async fn own_identity(&mut self, uri: &S3Uri) -> Result<(), Failure> {
        let operation = Operation::GetObject(uri);
        self.clients.permit(self.access).map_err(|error| failure(&error, operation, self.access))?;
        if self.access.anonymous {
            self.pass("not used, because the request is anonymous");
            self.skip("not identified");
            return Ok(());
        }

        let config = self.clients.own_config().await;
        let own = S3Access::default();
        let credentials = credentials_of(&config).await.map_err(|error| failure(&error, operation, &own))?;
        self.pass(found(&credentials, self.clients.settings()));

        match caller(&config).await {
            Ok(arn) => self.pass(arn),
            Err(error) => {
                // A store other than AWS may have no STS, and be fine without.
                let refused = error.credentials_fault().is_some();
                let hint = failure(&error, operation, &own).hint.filter(|_| refused);
                let harmless = "Requests to S3 are possible nevertheless; only assuming a role needs STS.";
                let hint = hint.unwrap_or_else(|| harmless.to_owned());
                self.step(refused.then_some(false), format!("unknown: {}", sts_says(&error)), Some(hint));
            }
        }
        Ok(())
    }

    async fn role(&mut self, uri: &S3Uri) -> Result<(), Failure> {
        let Some(role_arn) = self.access.aws_role_arn.as_ref().filter(|_| !self.access.anonymous) else {
            self.skip("no role is specified");
            return Ok(());
        };

        let assumed = async { self.clients.credentials(self.access).await };
        let assumed = with_deadline(assumed).await;
        let assumed = assumed.map_err(|error| failure(&error, Operation::GetObject(uri), self.access))?;

        self.pass(format!("{role_arn} is assumed{}", until(&assumed)));
        Ok(())
    }

    async fn bucket(&mut self, uri: &S3Uri) -> Result<(), Failure> {
        let operation = Operation::HeadBucket(uri.bucket());
        let head = |client: Client| client.head_bucket().bucket(uri.bucket()).send();

        match self.ask(uri, head).await {
            Ok(bucket) => {
                let region = bucket.bucket_region().map(|region| format!(" in {region}")).unwrap_or_default();
                self.pass(format!("bucket {} exists{region}", uri.bucket()));
            }
            Err(error) if error.status() == Some(403) => {
                let hint = failure(&error, operation, self.access).hint;
                self.step(None, "unknown: s3:ListBucket is not granted, which reading does not need", hint);
            }
            Err(error) => return Err(failure(&error, operation, self.access)),
        }
        Ok(())
    }

    async fn head(&mut self, uri: &S3Uri) -> Result<(), Failure> {
        let operation = Operation::HeadObject(uri);
        let head = |client: Client| {
            let head = client.head_object().bucket(uri.bucket()).key(uri.key());
            head.set_version_id(uri.version().map(str::to_owned)).send()
        };

        match self.ask(uri, head).await {
            Ok(object) => {
                let size = object.content_length().map(|size| format!("{size} bytes"));
                let modified = object.last_modified().map(|time| format!("last modified {}", iso(*time)));
                let etag = object.e_tag().map(|etag| format!("etag {etag}"));
                let content_type = object.content_type().map(str::to_owned);

                let found = [size, content_type, etag, modified].into_iter().flatten().collect::<Vec<_>>();
                self.pass(found.join(", "));
            }
            // Refusals of HEAD have no body and so no reason; that of the GET to come has one.
            Err(error) if matches!(error.status(), Some(400 | 403)) => {
                let Failure { message, hint, .. } = failure(&error, operation, self.access);
                self.step(Some(false), message, hint);
            }
            Err(error) => return Err(failure(&error, operation, self.access)),
        }
        Ok(())
    }

    async fn get(&mut self, uri: &S3Uri) -> Result<(), Failure> {
        let get = |client: Client| {
            let get = client.get_object().bucket(uri.bucket()).key(uri.key()).range("bytes=0-0");
            get.set_version_id(uri.version().map(str::to_owned)).send()
        };
        let read = async {
            let mut object =
                self.clients.call(Owner::default(), &uri.access(self.access), uri.bucket(), get).await?;
            object.body.try_next().await.map_err(|error| S3Error::body(&error))
        };

        match with_deadline(read).await {
            Ok(_) => self.pass("object can be read"),
            // There is no first byte.
            Err(error) if error.status() == Some(416) => self.pass("object can be read and is empty"),
            Err(error) => return Err(failure(&error, Operation::GetObject(uri), self.access)),
        }
        Ok(())
    }

    async fn ask<T, E, F>(&self, uri: &S3Uri, op: impl Fn(Client) -> F + Send) -> Result<T, S3Error>
    where
        F: Future<Output = Result<T, aws_sdk_s3::error::SdkError<E>>> + Send,
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        with_deadline(self.clients.call(Owner::default(), &uri.access(self.access), uri.bucket(), op)).await
    }

    fn pass(&mut self, message: impl Into<String>) {
        self.step(Some(true), message, None);
    }

    fn skip(&mut self, message: &str) {
        self.step(None, message, None);
    }

    fn step(&mut self, ok: Option<bool>, message: impl Into<String>, hint: Option<String>) {
        let step = STEPS.get(self.steps.len()).copied().unwrap_or("get");
        let message = storable_message(message.into(), LONGEST_MESSAGE);
        self.steps.push(CheckStep { step, ok, message, hint });
    }
}

/// The ARN under which STS knows the server.
async fn caller(config: &SdkConfig) -> Result<String, S3Error> {
    let asked = aws_sdk_sts::Client::new(config).get_caller_identity().send();
    let caller =
        with_deadline(async { asked.await.map_err(|error| S3Error::from_sdk(Peer::Sts, &error)) }).await?;
    Ok(caller.arn().unwrap_or("STS identifies the server without returning its name").to_owned())
}

/// Returns the reason why STS does not tell who the server is.
fn sts_says(error: &S3Error) -> String {
    match error {
        S3Error::Refused { status, code, message, .. } => {
            let said = [code.as_deref(), message.as_deref()].into_iter().flatten().collect::<Vec<_>>();
            format!("STS responded with {status} {}", said.join(": ")).trim_end().to_owned()
        }
        S3Error::Network { message, .. } => format!("could not connect to STS: {message}"),
        S3Error::Timeout { .. } => "STS did not respond in time".to_owned(),
        S3Error::Invalid(why) => format!("could not send a request to STS: {why}"),
        _ => "could not send a request to STS".to_owned(),
    }
}

fn found(credentials: &Credentials, settings: &S3Settings) -> String {
    let key = provider::shortened(credentials.access_key_id());
    format!("{}, key {key}{}", provider::name(credentials, settings), until(credentials))
}

fn until(credentials: &Credentials) -> String {
    credentials.expiry().map(|expiry| format!(", until {}", iso(expiry.into()))).unwrap_or_default()
}

fn iso(time: DateTime) -> String {
    time.fmt(Format::DateTime).unwrap_or_else(|_| "an invalid time".to_owned())
}
