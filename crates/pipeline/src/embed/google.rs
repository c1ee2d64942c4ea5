//! Requests that carry a token of a Google service account.

use gcp_auth::{CustomServiceAccount, TokenProvider};
use reqwest::header::{HeaderValue, AUTHORIZATION};
use reqwest::Request;
use tokio::sync::OnceCell;

use super::{EmbedError, ADMINISTRATOR};
use crate::document::{Failure, Retry, Secret, Step};

/// What a token is good for; Google has no narrower one for Vertex AI.
const SCOPE: &[&str] = &["https://www.googleapis.com/auth/cloud-platform"];

const HINT: &str =
    "Check the service account's key file, and that the account may use Vertex AI (roles/aiplatform.user).";

/// A service account's tokens, each kept until it expires.
pub(super) struct Tokens {
    /// The account's key as JSON, or the path of a file with it.
    credentials: Secret,
    account: OnceCell<CustomServiceAccount>,
}

impl Tokens {
    /// Tokens of the account whose key this is, or whose key is in the file of that name.
    pub(super) fn new(credentials: Secret) -> Self {
        Tokens { credentials, account: OnceCell::new() }
    }

    /// Adds a token to a request.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` if there is no key, `provider_refused_key` if Google does not accept it.
    pub(super) async fn authorize(&self, request: &mut Request) -> Result<(), EmbedError> {
        let account = self.account.get_or_try_init(|| async { self.read() }).await?;
        let token = account.token(SCOPE).await.map_err(|error| match error {
            // The library says no more of a refusal, which repeats nothing of the key.
            gcp_auth::Error::Str(why) => {
                EmbedError::refused("provider_refused_key", format!("Google gives no token: {why}"), HINT)
            }
            gcp_auth::Error::Json(..) => EmbedError::Unavailable("Google's token can't be read".to_owned()),
            _ => EmbedError::Unreachable("Google's token server can't be reached".to_owned()),
        })?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
            .map_err(|_| EmbedError::Unavailable("Google's token is no header".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    fn read(&self) -> Result<CustomServiceAccount, EmbedError> {
        let given = self.credentials.expose().trim();
        let account = match given.starts_with('{') {
            true => CustomServiceAccount::from_json(given),
            false => CustomServiceAccount::from_file(given),
        };
        account.map_err(|_| {
            let message = "the service account's key can't be read";
            let failure =
                Failure::new(Step::Embedding, "invalid_credentials", message, Retry::After(ADMINISTRATOR));
            EmbedError::Refused(failure.with_hint(HINT))
        })
    }
}
