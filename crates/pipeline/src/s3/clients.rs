//! Requests to S3 with the right identity, in the bucket's region.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::allowed::role_allowed;
use super::error::{NotAllowed, S3Error, without_credentials};
use super::recent::{Recent, lock};
use super::session::{S3Session, Setup};
use crate::config::S3Access;
use crate::fair::FairSemaphore;
use crate::network::asked_by;
use crate::quota::Owner;
use crate::settings::{S3Settings, Settings};

/// Buckets whose region is remembered.
const MAX_BUCKETS: usize = 4096;
/// Shortest time between two looks at the credentials' sources after they were refused.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// One of so many permits is spare: nobody waits for the slow servers of another owner.
const SPARE_PART: usize = 8;

/// Longest time for an answer that somebody waits for.
const DEADLINE: Duration = Duration::from_secs(15);

/// S3 clients, made when they are needed and shared by all who ask S3.
pub struct Clients {
    setup: Arc<Setup>,
    session: Mutex<Arc<S3Session>>,
    /// The regions that were found, by bucket and endpoint.
    regions: Mutex<Recent<(String, Option<String>), String>>,
    /// Permits for requests under way, whatever they are for.
    requests: Arc<FairSemaphore>,
    /// Permits for queues that are listened to.
    polls: Arc<FairSemaphore>,
}

impl Clients {
    /// Clients that ask nothing of anyone until they are used. A request, with its retries, may take
    /// the settings' `load_timeout`.
    pub fn new(settings: &Settings) -> Self {
        Self::with_clock(settings, SharedTimeSource::default())
    }

    /// Clients with another clock, so that a test can live through a session's life at once.
    pub fn with_clock(settings: &Settings, clock: SharedTimeSource) -> Self {
        let setup = Setup::new(settings, clock);
        Clients {
            session: Mutex::new(S3Session::new(&setup)),
            setup,
            regions: Mutex::new(Recent::new(MAX_BUCKETS)),
            requests: shared(settings.s3_requests_at_a_time()),
            polls: shared(settings.polls_at_a_time()),
        }
    }

    /// Returns the longest time for a request with its answer, to the last byte.
    pub(crate) fn timeout(&self) -> Duration {
        self.setup.timeout
    }

    /// Returns whether these clients are those that the settings ask for.
    pub fn serve(&self, settings: &Settings) -> bool {
        self.setup.is_of(settings)
    }

    /// Makes a request in behalf of an owner, with a client of the identity and endpoint that `access` asks for.
    /// It waits until its owner may make one more, and is made once more if the server names another region as
    /// the bucket's, which is remembered.
    ///
    /// # Errors
    ///
    /// See [`S3Error`]. Nothing is asked of the network if `access` is not allowed.
    pub async fn call<T, E, F>(
        &self,
        owner: Owner,
        access: &S3Access,
        bucket: &str,
        op: impl Fn(Client) -> F + Send,
    ) -> Result<T, S3Error>
    where
        F: Future<Output = Result<T, SdkError<E>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.permit(access)?;
        let _request = self.requests.acquire(owner, 1).await;

        let session = Arc::clone(&lock(&self.session));
        let place = (bucket.to_owned(), access.endpoint.clone());
        let known = lock(&self.regions).get(&place).cloned();
        let mut access = access.clone();
        access.region = known.or(access.region);

        let request = async { op(session.client(&access).await).await };
        let mut error = match asked_by(owner, request).await {
            Ok(output) => return Ok(output),
            Err(error) => S3Error::from(&error),
        };

        let asked = access.region.take().unwrap_or_else(|| session.region());
        if let Some(region) = error.bucket_region().filter(|region| **region != asked) {
            access.region = Some(region.to_owned());
            lock(&self.regions).insert(place, region.to_owned());
            let request = async { op(session.client(&access).await).await };
            error = match asked_by(owner, request).await {
                Ok(output) => return Ok(output),
                Err(error) => S3Error::from(&error),
            };
        }

        self.note(&error);
        Err(error)
    }

    /// The AWS environment's config with the identity and region that `access` asks for, for clients
    /// of other services. The endpoint of `access` is S3's alone, and not in it.
    ///
    /// # Errors
    ///
    /// If `access` is not allowed.
    pub async fn sdk_config(&self, access: &S3Access) -> Result<SdkConfig, S3Error> {
        self.permit(access)?;
        let session = Arc::clone(&lock(&self.session));
        Ok(session.sdk_config(access).await)
    }

    /// The credentials of the identity that `access` asks for, had anew.
    ///
    /// # Errors
    ///
    /// If `access` is not allowed, or nobody has such credentials for us.
    pub async fn credentials(&self, access: &S3Access) -> Result<Credentials, S3Error> {
        credentials_of(&self.sdk_config(access).await?).await
    }

    /// The permits to listen to a queue, of which only so many are listened to at a time.
    pub(crate) fn polls(&self) -> &Arc<FairSemaphore> {
        &self.polls
    }

    /// The AWS environment's config with the server's own identity, which may be allowed for no more than a
    /// look at it.
    pub(super) async fn own_config(&self) -> SdkConfig {
        let session = Arc::clone(&lock(&self.session));
        session.sdk_config(&S3Access::default()).await
    }

    /// The HTTP client for a queue's URL that somebody declared.
    pub(crate) fn http_of_queue(&self, url: &str) -> SharedHttpClient {
        self.setup.http(Some(url), &self.setup.s3.allowed_queues)
    }

    /// Returns the operator's settings.
    pub(super) fn settings(&self) -> &S3Settings {
        &self.setup.s3
    }

    /// Refuses a way of asking that the operator does not allow.
    ///
    /// # Errors
    ///
    /// [`S3Error::NotAllowed`].
    pub fn permit(&self, access: &S3Access) -> Result<(), S3Error> {
        let settings = &self.setup.s3;
        let not_allowed = match &access.aws_role_arn {
            _ if access.anonymous => (!settings.allow_anonymous).then_some(NotAllowed::Anonymous),
            None => settings.role_only.then_some(NotAllowed::OwnCredentials),
            Some(role_arn) => {
                let allowed = role_allowed(role_arn, &settings.allowed_role_arns, access.author);
                (!allowed).then(|| NotAllowed::Role(role_arn.clone()))
            }
        };

        match not_allowed {
            Some(reason) => Err(S3Error::NotAllowed(reason)),
            None => Ok(()),
        }
    }

    /// Reads the credentials' sources anew after a refusal that others may mend, lest rotated keys
    /// need a restart.
    fn note(&self, error: &S3Error) {
        if error.blames_credentials() {
            let mut session = lock(&self.session);
            if session.age() > RENEWAL_PAUSE {
                *session = S3Session::new(&self.setup);
            }
        }
    }
}

/// Makes so many permits, some of which are for an owner who has none.
fn shared(permits: usize) -> Arc<FairSemaphore> {
    let spare = (permits / SPARE_PART).max(1).min(permits.saturating_sub(1));
    FairSemaphore::new(permits as u64, spare as u64)
}

/// The credentials that a config leads to, had anew.
pub(super) async fn credentials_of(config: &SdkConfig) -> Result<Credentials, S3Error> {
    let Some(provider) = config.credentials_provider() else { return Err(S3Error::NoCredentials) };
    with_deadline(async { provider.provide_credentials().await.map_err(|error| without_credentials(&error)) })
        .await
}

/// Waits for the outcome of a request, and errors if it comes too late for whoever waits for it.
pub(super) async fn with_deadline<T>(work: impl Future<Output = Result<T, S3Error>>) -> Result<T, S3Error> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(S3Error::late(DEADLINE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_so_many_buckets_are_remembered() {
        let clients = Clients::new(&Settings::default());
        let mut regions = lock(&clients.regions);
        for number in 0..MAX_BUCKETS + 10 {
            regions.insert((number.to_string(), None), "eu-west-1".to_owned());
        }
        assert_eq!(regions.len(), MAX_BUCKETS);
    }
}
