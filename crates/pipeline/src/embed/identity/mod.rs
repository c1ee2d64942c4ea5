//! Identities that a provider is asked with, where more is needed than a key in a header.

mod aws;
mod google;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Request;

use self::aws::Signer;
pub(super) use self::aws::SigningScope;
use self::google::AccessTokens;
use crate::embed::error::EmbedError;
use crate::network::{HttpClients, Reach};
use crate::s3::Clients;
use crate::secret::ApiKey;

/// The identity that a provider wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::embed) enum CallerIdentity {
    /// Nothing, or the key that its protocol writes into the request.
    Key,
    /// A signature with AWS credentials.
    Aws(SigningScope),
    /// A token of the service account whose key this is.
    Google(ApiKey),
}

/// The means to show an identity with requests.
pub(in crate::embed) enum Credentials {
    /// There is nothing to add.
    None,
    /// A signature.
    Aws(Box<Signer>),
    /// A token.
    Google(Box<AccessTokens>),
}

impl Credentials {
    /// Prepares what is added to requests for this identity. `aws` has the credentials of the server and
    /// its roles; `client` asks for tokens, each within `timeout`.
    pub(in crate::embed) fn new(
        identity: CallerIdentity,
        aws: &Arc<Clients>,
        client: &HttpClients,
        timeout: Duration,
    ) -> Self {
        match identity {
            CallerIdentity::Key => Credentials::None,
            CallerIdentity::Aws(scope) => Credentials::Aws(Box::new(Signer::new(Arc::clone(aws), scope))),
            CallerIdentity::Google(key) => Credentials::Google(Box::new(AccessTokens::new(
                key,
                client.of(Reach::Named).clone(),
                timeout,
            ))),
        }
    }

    /// Adds the identity to a request that is complete otherwise.
    ///
    /// # Errors
    ///
    /// If there is nothing to add, or the operator does not allow to use it.
    pub(in crate::embed) async fn add(&self, request: &mut Request) -> Result<(), EmbedError> {
        match self {
            Credentials::None => Ok(()),
            Credentials::Aws(signer) => signer.sign(request).await,
            Credentials::Google(tokens) => tokens.authorize(request).await,
        }
    }

    /// Forgets what is kept, after a refusal, if it can change: somebody may have mended it.
    pub(in crate::embed) async fn forget(&self) {
        match self {
            Credentials::None => {}
            Credentials::Aws(signer) => signer.forget().await,
            Credentials::Google(tokens) => tokens.forget().await,
        }
    }
}
