//! Checks that refuse a request before anything is sent.

use std::io;

use reqwest::Url;

use crate::embed::error::{ADMINISTRATOR, EmbedError, invalid, invalid_base_url};
use crate::embed::provider::Profile;
use crate::exhausted::{self, is_out_of_descriptors};
use crate::failure::{Failure, Retry, Step};
use crate::secret::ApiKey;
use crate::server_url::{ServerUrl, ServerUrlError};

/// Returns the URL to which a protocol's requests go.
///
/// # Errors
///
/// `invalid_base_url`.
pub(super) fn address(url: &str) -> Result<Url, Failure> {
    let url = Url::parse(url);
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| not_a_url(ServerUrlError::Invalid))
}

/// Refuses what would be asked otherwise than it reads. A name and a password in it are the administrator's,
/// for vectorizers may not have any, and are sent.
pub(super) fn check_base_url(base_url: &str) -> Result<(), Failure> {
    match ServerUrl::parse(base_url) {
        Ok(_) | Err(ServerUrlError::Userinfo) => Ok(()),
        Err(error) => Err(not_a_url(error)),
    }
}

fn not_a_url(error: ServerUrlError) -> Failure {
    invalid_base_url(&format!("the provider's base_url {error}"), &error.hint("https://host/v1"))
}

/// Refuses a key that can't stand in a header, before each request fails for it.
pub(super) fn check_api_key(key: &ApiKey) -> Result<(), Failure> {
    if key.expose().chars().all(|c| c.is_ascii() && !c.is_ascii_control()) {
        return Ok(());
    }
    let message = "the API key contains a character that is not allowed in an HTTP header";
    Err(Failure::new(Step::Embedding, "invalid_api_key", message, Retry::After(ADMINISTRATOR)).with_hint(
        "Check the key that api_key_name stands for on the Postgres server or in ai.set_secret(): it contains a \
         line break, a typographic quotation mark or the like.",
    ))
}

/// The error of a provider that takes no tokens.
pub(super) fn texts_only() -> EmbedError {
    EmbedError::Refused(invalid("the provider accepts texts but not tokens", "Specify the text itself."))
}

/// The failure of a provider that lets nobody in without a key.
pub(super) fn no_api_key(provider: &Profile) -> Failure {
    let message = format!("no API key for {} is available", provider.name);
    let usual = provider.api_key_name.map(|name| format!(", by default {name}")).unwrap_or_default();
    Failure::new(Step::Embedding, "no_api_key", message, Retry::After(ADMINISTRATOR)).with_hint(format!(
        "Provide the key to the Postgres server under the name that api_key_name says{usual}, and list the name in \
         pgai_rs.api_key_names, or set it for this database with ai.set_secret()."
    ))
}

/// The failure of a client that can't be set up.
pub(super) fn no_client(error: io::Error) -> Failure {
    match is_out_of_descriptors(&error) {
        true => exhausted::failure(Step::Embedding),
        false => Failure::new(
            Step::Embedding,
            "no_client",
            format!("could not set up a client for the embedding provider: {error}"),
            Retry::Backoff,
        ),
    }
}
