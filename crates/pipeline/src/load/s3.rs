//! Fetching objects from S3 and from servers that speak its protocol.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::Credentials;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::Client;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::s3_error::{self, S3Error};
use super::{Budget, Fetched, Loaded, Reservation, S3Uri};
use crate::document::Failure;
use crate::settings::{S3Settings, Settings, UrlStyle};

/// Where S3 lives if neither the settings nor the AWS environment say so; also AWS' own default.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an object is asked for when its body breaks off. The SDK retries requests, not bodies.
const BODY_ATTEMPTS: u32 = 3;
/// Clients kept, one a region and role.
const MAX_CLIENTS: usize = 64;
/// Buckets whose region is remembered.
const MAX_BUCKETS: usize = 4096;
/// Shortest time between two looks at the credentials' sources after they were refused.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// Fetches objects with the credentials of the server, or of a role that it assumes.
pub struct S3Loader {
    settings: S3Settings,
    timeout: Duration,
    max_size: u64,
    session: Mutex<Arc<Session>>,
    regions: Mutex<Recent<String, String>>,
}

impl S3Loader {
    /// A loader that asks nothing of anyone until it is used.
    pub fn new(settings: &Settings) -> Self {
        S3Loader {
            settings: settings.s3.clone(),
            timeout: settings.load_timeout,
            max_size: settings.max_document_size,
            session: Mutex::new(Arc::new(Session::new())),
            regions: Mutex::new(Recent::new(MAX_BUCKETS)),
        }
    }

    /// Whether this loader is what these settings ask for.
    pub(crate) fn serves(&self, settings: &Settings) -> bool {
        self.settings == settings.s3
            && self.timeout == settings.load_timeout
            && self.max_size == settings.max_document_size
    }

    /// Fetches an object if there is room for it in the budget, from request to last byte within
    /// the settings' `load_timeout`.
    ///
    /// # Errors
    ///
    /// See [`s3_error`]; `too_large` before a byte of the body is read if the server tells the size.
    pub(crate) async fn fetch(
        &self,
        uri: &S3Uri,
        role_arn: Option<&str>,
        budget: &Budget,
        reservation: Reservation,
    ) -> Result<Fetched, Failure> {
        let fetched =
            tokio::time::timeout(self.timeout, self.fetch_whole(uri, role_arn, budget, reservation)).await;
        let error = match fetched {
            Ok(Ok(fetched)) => return Ok(fetched),
            Ok(Err(error)) => error,
            Err(_) => S3Error::Timeout(self.timeout),
        };
        if error.blames_credentials() {
            self.renew_session();
        }
        Err(s3_error::failure(&error, uri, role_arn))
    }

    async fn fetch_whole(
        &self,
        uri: &S3Uri,
        role_arn: Option<&str>,
        budget: &Budget,
        mut reservation: Reservation,
    ) -> Result<Fetched, S3Error> {
        let mut attempt = 1;
        loop {
            let output = self.request(uri, role_arn).await?;
            let size = self.expected_size(&output)?;
            if !budget.covers(&reservation, size) {
                drop(reservation);
                match budget.try_reserve(size) {
                    Some(enough) => reservation = enough,
                    None => return Ok(Fetched::NoRoom(size)),
                }
            }
            let content_type = output.content_type().map(str::to_owned);
            match self.read_body(output, size).await {
                Ok(bytes) => {
                    reservation.shrink(bytes.len() as u64);
                    let name = uri.file_name().map(str::to_owned);
                    let bytes = bytes.into();
                    return Ok(Fetched::Object(Loaded { bytes, name, content_type, reservation }));
                }
                Err(S3Error::Body(_)) if attempt < BODY_ATTEMPTS => {
                    tokio::time::sleep(crate::backoff::backoff(Duration::from_millis(200), attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for the object, and once more in the bucket's own region if the server names it.
    async fn request(&self, uri: &S3Uri, role_arn: Option<&str>) -> Result<GetObjectOutput, S3Error> {
        let session = Arc::clone(&lock(&self.session));
        let known = lock(&self.regions).get(uri.bucket()).cloned();
        let error = match self.send(&session, uri, role_arn, known.as_deref()).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        let asked = known.unwrap_or_else(|| session.region());
        match s3_error::bucket_region(&error) {
            Some(region) if region != asked => {
                lock(&self.regions).insert(uri.bucket().to_owned(), region.clone());
                self.send(&session, uri, role_arn, Some(&region)).await.map_err(S3Error::from)
            }
            _ => Err(S3Error::from(error)),
        }
    }

    async fn send(
        &self,
        session: &Session,
        uri: &S3Uri,
        role_arn: Option<&str>,
        region: Option<&str>,
    ) -> Result<GetObjectOutput, s3_error::GetError> {
        let client = session.client(&self.settings, self.timeout, region, role_arn).await;
        client.get_object().bucket(uri.bucket()).key(uri.key()).send().await
    }

    /// How many bytes to make room for: as many as the server says, else as many as are allowed.
    fn expected_size(&self, output: &GetObjectOutput) -> Result<u64, S3Error> {
        match output.content_length().and_then(|length| u64::try_from(length).ok()) {
            Some(size) if size > self.max_size => {
                Err(S3Error::TooLarge { size: Some(size), limit: self.max_size })
            }
            Some(size) => Ok(size),
            None => Ok(self.max_size),
        }
    }

    async fn read_body(&self, output: GetObjectOutput, expected: u64) -> Result<Vec<u8>, S3Error> {
        let told = output.content_length().is_some();
        let mut body = output.body;
        let mut bytes = Vec::with_capacity(if told { usize::try_from(expected).unwrap_or(0) } else { 0 });
        while let Some(part) = body.try_next().await.map_err(|error| S3Error::body(&error))? {
            if bytes.len() as u64 + part.len() as u64 > self.max_size {
                return Err(S3Error::TooLarge { size: None, limit: self.max_size });
            }
            bytes.extend_from_slice(&part);
        }
        if told && (bytes.len() as u64) < expected {
            return Err(S3Error::Body(format!("it ended after {} of {expected} bytes", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads the credentials' sources anew, lest rotated keys need a restart.
    fn renew_session(&self) {
        let mut session = lock(&self.session);
        if session.born.elapsed() > RENEWAL_PAUSE {
            *session = Arc::new(Session::new());
        }
    }
}

/// What was read from the AWS environment once, and what was built upon it.
struct Session {
    born: Instant,
    config: OnceCell<SdkConfig>,
    clients: Mutex<Recent<ClientKey, Client>>,
    roles: Mutex<Recent<String, SharedCredentialsProvider>>,
}

/// What tells two clients of a session apart.
type ClientKey = (Option<String>, Option<String>);

impl Session {
    fn new() -> Self {
        Session {
            born: Instant::now(),
            config: OnceCell::new(),
            clients: Mutex::new(Recent::new(MAX_CLIENTS)),
            roles: Mutex::new(Recent::new(MAX_CLIENTS)),
        }
    }

    /// The region that is asked when nobody knows the bucket's.
    fn region(&self) -> String {
        let region = self.config.get().and_then(|config| config.region());
        region.map_or_else(|| DEFAULT_REGION.to_owned(), |region| region.as_ref().to_owned())
    }

    async fn client(
        &self,
        settings: &S3Settings,
        timeout: Duration,
        region: Option<&str>,
        role_arn: Option<&str>,
    ) -> Client {
        let key = (region.map(str::to_owned), role_arn.map(str::to_owned));
        if let Some(client) = lock(&self.clients).get(&key) {
            return client.clone();
        }
        let config = self.config.get_or_init(|| sdk_config(settings, timeout)).await;
        let mut builder =
            aws_sdk_s3::config::Builder::from(config).force_path_style(settings.url_style == UrlStyle::Path);
        if let Some(region) = region {
            builder = builder.region(Region::new(region.to_owned()));
        }
        if let Some(role_arn) = role_arn {
            builder = builder.credentials_provider(self.role(settings, config, role_arn).await);
        }
        let client = Client::from_conf(builder.build());
        lock(&self.clients).insert(key, client.clone());
        client
    }

    /// The role's credentials. One provider a role for all regions, so that STS is asked once an
    /// hour rather than once a document; the SDK keeps what it answers until shortly before it expires.
    async fn role(
        &self,
        settings: &S3Settings,
        config: &SdkConfig,
        role_arn: &str,
    ) -> SharedCredentialsProvider {
        if let Some(provider) = lock(&self.roles).get(role_arn) {
            return provider.clone();
        }
        let mut builder = AssumeRoleProvider::builder(role_arn).configure(config);
        if !settings.role_session_name.is_empty() {
            builder = builder.session_name(&settings.role_session_name);
        }
        if let Some(external_id) = external_id(settings) {
            builder = builder.external_id(external_id);
        }
        let provider = SharedCredentialsProvider::new(builder.build().await);
        lock(&self.roles).insert(role_arn.to_owned(), provider.clone());
        provider
    }
}

/// The setting's, else that of the variable which pgai's worker reads.
fn external_id(settings: &S3Settings) -> Option<String> {
    let from_environment = || std::env::var("AWS_ASSUME_ROLE_EXTERNAL_ID").ok();
    settings.external_id.clone().or_else(from_environment).filter(|id| !id.is_empty())
}

/// Reads the AWS environment: variables, profiles, instance metadata; the settings come first.
async fn sdk_config(settings: &S3Settings, timeout: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // Half, so that a request which hangs leaves time for a second one.
        .operation_attempt_timeout(timeout / 2)
        .operation_timeout(timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint_url) = &settings.endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some((id, secret)) = &settings.access_key {
        loader = loader.credentials_provider(Credentials::new(
            id,
            secret.expose(),
            None,
            None,
            "pgai_rs settings",
        ));
    }
    let config = loader.load().await;
    if config.region().is_some() {
        return config;
    }
    config.into_builder().region(Region::from_static(DEFAULT_REGION)).build()
}

/// A map that forgets the oldest entry when it is full.
struct Recent<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn new(capacity: usize) -> Self {
        Recent { entries: HashMap::new(), order: VecDeque::new(), capacity }
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.get(key)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

/// A panic while the lock was held left the map as it was: each change is a single insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let mut recent = Recent::new(2);
        for (key, value) in [(1, 'a'), (2, 'b'), (1, 'c'), (3, 'd')] {
            recent.insert(key, value);
        }
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (None, Some(&'b'), Some(&'d')));
    }
}
