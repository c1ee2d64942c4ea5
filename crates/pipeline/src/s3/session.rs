//! What the AWS environment says, read once, and what is built upon it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::recent::{lock, Recent};
use super::sts;
use crate::config::S3Access;
use crate::settings::{S3Settings, UrlStyle};

/// Where S3 lives if neither the settings nor the AWS environment say so; also AWS' own default.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest time to establish a connection; a reachable host needs a fraction of it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Clients kept, one a region, role and endpoint.
const MAX_CLIENTS: usize = 64;

/// Credentials, and the clients that use them.
pub(super) struct Session {
    born: Instant,
    config: OnceCell<SdkConfig>,
    clients: Mutex<Recent<S3Access, Client>>,
    roles: Mutex<Recent<String, Arc<OnceCell<SharedCredentialsProvider>>>>,
}

impl Session {
    /// A session that has read nothing yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Session {
            born: Instant::now(),
            config: OnceCell::new(),
            clients: Mutex::new(Recent::new(MAX_CLIENTS)),
            roles: Mutex::new(Recent::new(MAX_CLIENTS)),
        })
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// The region that is asked when nobody knows the bucket's.
    pub(super) fn region(&self) -> String {
        let region = self.config.get().and_then(SdkConfig::region);
        region.map_or_else(|| DEFAULT_REGION.to_owned(), |region| region.as_ref().to_owned())
    }

    /// A client for all that `access` says, its region included.
    pub(super) async fn client(&self, settings: &S3Settings, timeout: Duration, access: &S3Access) -> Client {
        if let Some(client) = lock(&self.clients).get(access) {
            return client.clone();
        }
        let config = self.sdk_config(settings, timeout, access).await;
        let style = access.url_style.unwrap_or(settings.url_style);
        let mut builder =
            aws_sdk_s3::config::Builder::from(&config).force_path_style(style == UrlStyle::Path);
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
    pub(super) async fn sdk_config(
        &self,
        settings: &S3Settings,
        timeout: Duration,
        access: &S3Access,
    ) -> SdkConfig {
        let config = self.config.get_or_init(|| environment(settings, timeout)).await;
        let mut builder = config.to_builder();
        if let Some(region) = &access.region {
            builder = builder.region(Region::new(region.clone()));
        }
        if access.anonymous {
            builder.set_credentials_provider(None);
        } else if let Some(role_arn) = &access.aws_role_arn {
            builder = builder.credentials_provider(self.role(settings, config, role_arn).await);
        }
        builder.build()
    }

    /// The role's credentials. One provider a role for all regions and endpoints, so that STS is
    /// asked once in the credentials' life rather than once a document; the SDK keeps what it
    /// answers until shortly before it expires.
    async fn role(
        &self,
        settings: &S3Settings,
        config: &SdkConfig,
        role_arn: &str,
    ) -> SharedCredentialsProvider {
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
        cell.get_or_init(|| assumed(settings, config, role_arn)).await.clone()
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
async fn environment(settings: &S3Settings, timeout: Duration) -> SdkConfig {
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
