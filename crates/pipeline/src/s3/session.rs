//! The AWS environment, read once, and the clients that are built upon it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::recent::{Recent, lock};
use super::sts;
use crate::config::S3Access;
use crate::network::{self, AnswerLimits, Reach};
use crate::server_url::ServerUrl;
use crate::settings::{S3Settings, Settings, UrlStyle};

/// The region of S3 if neither the settings nor the AWS environment name one; also AWS' own default.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Clients kept, one a region, role and endpoint.
const MAX_CLIENTS: usize = 64;

/// The operator's settings, and the HTTP clients that follow from them.
pub(super) struct Setup {
    /// The settings of S3.
    pub s3: S3Settings,
    /// Longest time for a request with its retries.
    pub timeout: Duration,
    connections: usize,
    largest: u64,
    clock: SharedTimeSource,
    /// The client for what the AWS environment names: credentials, and who the server is.
    environment: SharedHttpClient,
    /// The client for hosts that the administrator or AWS named. It is one for all, whatever they ask and as whom, so that
    /// their idle connections are few.
    named: SharedHttpClient,
    /// The client for hosts that others chose.
    public: SharedHttpClient,
}

impl Setup {
    /// Takes the settings, and the clock by which credentials expire.
    pub(super) fn new(settings: &Settings, clock: SharedTimeSource) -> Arc<Self> {
        let limits = AnswerLimits { object: settings.max_document_size };
        let http = |reach| network::bounded(settings.loads_at_a_time(), limits, reach);

        Arc::new(Setup {
            s3: settings.s3.clone(),
            timeout: settings.load_timeout,
            connections: settings.connections,
            largest: settings.max_document_size,
            clock,
            environment: http(None),
            named: http(Some(Reach::Named)),
            public: http(Some(Reach::Public)),
        })
    }

    /// Returns whether the settings are those that it was made of.
    pub(super) fn is_of(&self, settings: &Settings) -> bool {
        self.s3 == settings.s3
            && self.timeout == settings.load_timeout
            && self.connections == settings.connections
            && self.largest == settings.max_document_size
    }

    /// The client for a URL that somebody declared and the administrator's prefixes allow, or for none.
    pub(super) fn http(&self, url: Option<&str>, prefixes: &[String]) -> SharedHttpClient {
        let declared = url.and_then(|url| ServerUrl::parse(url).ok());
        match declared.map_or(Reach::Named, |url| url.reach(prefixes)) {
            Reach::Named => self.named.clone(),
            Reach::Public => self.public.clone(),
        }
    }
}

/// Credentials, and the clients that use them.
pub(super) struct S3Session {
    setup: Arc<Setup>,
    born: Instant,
    config: OnceCell<SdkConfig>,
    clients: Mutex<Recent<S3Access, Client>>,
    roles: Mutex<Recent<String, Arc<OnceCell<SharedCredentialsProvider>>>>,
}

impl S3Session {
    /// A session that has read nothing yet.
    pub(super) fn new(setup: &Arc<Setup>) -> Arc<Self> {
        Arc::new(S3Session {
            setup: Arc::clone(setup),
            born: Instant::now(),
            config: OnceCell::new(),
            clients: Mutex::new(Recent::new(MAX_CLIENTS)),
            roles: Mutex::new(Recent::new(MAX_CLIENTS)),
        })
    }

    /// Returns the time since the session was made.
    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// The region that is asked when nobody knows the bucket's.
    pub(super) fn region(&self) -> String {
        let region = self.config.get().and_then(SdkConfig::region);
        region.map_or_else(|| DEFAULT_REGION.to_owned(), |region| region.as_ref().to_owned())
    }

    /// A client for all that `access` says, its region included.
    pub(super) async fn client(&self, access: &S3Access) -> Client {
        if let Some(client) = lock(&self.clients).get(access) {
            return client.clone();
        }

        let config = self.sdk_config(access).await;
        let style = access.url_style.unwrap_or(self.setup.s3.url_style);
        let mut builder =
            aws_sdk_s3::config::Builder::from(&config).force_path_style(style == UrlStyle::Path);
        let http = self.setup.http(access.endpoint.as_deref(), &self.setup.s3.allowed_endpoints);
        builder = builder.http_client(http);

        if let Some(endpoint) = &access.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if access.anonymous {
            builder = builder.allow_no_auth();
        }

        let client = Client::from_conf(builder.build());
        lock(&self.clients).insert(access.clone(), client.clone());
        client
    }

    /// The environment's config with the identity and the region that `access` asks for.
    pub(super) async fn sdk_config(&self, access: &S3Access) -> SdkConfig {
        let config = self.config.get_or_init(|| environment(&self.setup)).await;
        let mut builder = config.to_builder();

        if let Some(region) = &access.region {
            builder = builder.region(Region::new(region.clone()));
        }
        if access.anonymous {
            builder.set_credentials_provider(None);
        } else if let Some(role_arn) = &access.aws_role_arn {
            builder = builder.credentials_provider(self.role(config, role_arn).await);
        }

        builder.build()
    }

    /// The role's credentials. One provider a role for all regions and endpoints, so that STS is
    /// asked once in the credentials' life rather than once a document; the SDK keeps what it
    /// answers until shortly before it expires.
    async fn role(&self, config: &SdkConfig, role_arn: &str) -> SharedCredentialsProvider {
        let cell = {
            let mut roles = lock(&self.roles);
            match roles.get(role_arn) {
                Some(cell) => Arc::clone(cell),
                None => {
                    let cell = Arc::default();
                    roles.insert(role_arn.to_owned(), Arc::clone(&cell));
                    cell
                }
            }
        };
        cell.get_or_init(|| assumed(&self.setup.s3, config, role_arn)).await.clone()
    }
}

async fn assumed(settings: &S3Settings, config: &SdkConfig, role_arn: &str) -> SharedCredentialsProvider {
    let mut builder = AssumeRoleProvider::builder(role_arn).configure(config);

    if let Some(region) = sts::region(role_arn, config.region().map(Region::as_ref)) {
        builder = builder.region(Region::from_static(region));
    }
    if !settings.role_session_name.is_empty() {
        builder = builder.session_name(&settings.role_session_name);
    }
    if let Some(duration) = settings.role_session_duration {
        builder = builder.session_length(duration);
    }
    if let Some(external_id) = settings.external_id() {
        builder = builder.external_id(external_id);
    }

    SharedCredentialsProvider::new(builder.build().await)
}

/// Reads the AWS environment: variables, profiles, instance metadata; the settings come first.
async fn environment(setup: &Setup) -> SdkConfig {
    let settings = &setup.s3;
    let timeout = setup.timeout;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // Half, so that a request which hangs leaves time for a second one.
        .operation_attempt_timeout(timeout / 2)
        .operation_timeout(timeout)
        .build();

    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .time_source(setup.clock.clone())
        .http_client(setup.environment.clone())
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

#[cfg(test)]
mod tests {
    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;
    use crate::secret::Secret;

    fn session(settings: S3Settings) -> Arc<S3Session> {
        let access_key = Some(("AKID".to_owned(), Secret::new("secret")));
        let region = settings.region.or(Some("eu-west-1".to_owned()));
        let settings = Settings { s3: S3Settings { access_key, region, ..settings }, ..Settings::default() };
        S3Session::new(&Setup::new(&settings, SharedTimeSource::default()))
    }

    /// The URL that an object of that bucket is fetched from, up to its query.
    async fn url(settings: S3Settings, access: &S3Access, bucket: &str) -> String {
        let client = session(settings).client(access).await;
        let presigning = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let request = client.get_object().bucket(bucket).key("key").presigned(presigning).await.unwrap();
        request.uri().split('?').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_bucket_is_where_its_region_endpoint_and_style_say() {
        let none = S3Access::default;
        let endpoint = |url: &str| S3Access { endpoint: Some(url.into()), ..none() };
        let path = |access| S3Access { url_style: Some(UrlStyle::Path), ..access };
        let region = |region: &str| S3Access { region: Some(region.into()), ..none() };
        let arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/reports";
        for (access, bucket, expected) in [
            (none(), "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/key"),
            (path(none()), "bucket", "https://s3.eu-west-1.amazonaws.com/bucket/key"),
            (region("cn-north-1"), "bucket", "https://bucket.s3.cn-north-1.amazonaws.com.cn/key"),
            (region("us-gov-west-1"), "bucket", "https://bucket.s3.us-gov-west-1.amazonaws.com/key"),
            (endpoint("http://store:9000"), "bucket", "http://bucket.store:9000/key"),
            (path(endpoint("http://store:9000")), "bucket", "http://store:9000/bucket/key"),
            (none(), "dotted.name", "https://s3.eu-west-1.amazonaws.com/dotted.name/key"),
            (
                region("us-west-2"),
                arn,
                "https://reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com/key",
            ),
        ] {
            assert_eq!(url(S3Settings::default(), &access, bucket).await, expected);
        }
    }

    #[tokio::test]
    async fn the_operators_endpoint_and_style_hold_where_nothing_else_is_said() {
        let settings = || S3Settings {
            endpoint_url: Some("http://store:9000".into()),
            url_style: UrlStyle::Path,
            ..S3Settings::default()
        };
        assert_eq!(url(settings(), &S3Access::default(), "bucket").await, "http://store:9000/bucket/key");
        let elsewhere = S3Access { endpoint: Some("http://other:1".into()), ..S3Access::default() };
        assert_eq!(url(settings(), &elsewhere, "bucket").await, "http://other:1/bucket/key");
        let vhost = S3Access { url_style: Some(UrlStyle::VirtualHosted), ..elsewhere };
        assert_eq!(url(settings(), &vhost, "bucket").await, "http://bucket.other:1/key");
    }

    #[tokio::test]
    async fn so_many_clients_and_roles_are_kept_at_most() {
        let session = session(S3Settings::default());
        for number in 0..MAX_CLIENTS + 10 {
            let aws_role_arn = Some(format!("arn:aws:iam::123456789012:role/{number}"));
            session.client(&S3Access { aws_role_arn, ..S3Access::default() }).await;
        }
        assert_eq!((lock(&session.clients).len(), lock(&session.roles).len()), (MAX_CLIENTS, MAX_CLIENTS));
    }
}
