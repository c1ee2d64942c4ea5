//! A key that somebody sets for a database: what it may be called, and for which server it may be.

use super::egress::base_url_not_allowed;
use super::error::invalid;
use super::provider::Provider;
use super::request::network_error::address_not_allowed;
use crate::config::Author;
use crate::failure::Failure;
use crate::network::Reach;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 100;

/// Returns the server that a key is set for, written as URLs are compared; `None` if it is the provider's.
///
/// The right to send a key there gives nobody the right to ask that server; but what would be refused then is
/// refused at once.
///
/// # Errors
///
/// `invalid_embedding` for a name or a URL that can't be one, and for a name that is no provider's if there
/// is no URL; `base_url_not_allowed`, `address_not_allowed`.
pub fn server_of_database_key(
    name: &str,
    base_url: Option<&str>,
    author: Author,
    settings: &Settings,
) -> Result<Option<String>, Failure> {
    check_name(name)?;
    let Some(base_url) = base_url else {
        return match Provider::ALL.into_iter().any(|provider| provider.has_own_server_for(name)) {
            true => Ok(None),
            false => Err(no_server()),
        };
    };

    let url = ServerUrl::parse(base_url)
        .map_err(|error| invalid(format!("base_url {error}"), error.hint("https://host/v1")))?;
    let reach = reach(&url, author, settings)?;
    reach.check_literal(url.url()).map_err(|_| address_not_allowed())?;
    Ok(Some(url.url().as_str().trim_end_matches('/').to_owned()))
}

/// Returns the reach of a server that a role wants to have a key for.
fn reach(url: &ServerUrl, author: Author, settings: &Settings) -> Result<Reach, Failure> {
    let is_own = |provider: Provider| provider.is_own_server(url, settings);
    if author == Author::Superuser || Provider::ALL.into_iter().any(is_own) {
        return Ok(Reach::Named);
    }
    match url.is_allowed(&settings.allowed_base_urls) {
        true => Ok(url.reach(&settings.allowed_base_urls)),
        false => Err(base_url_not_allowed("base_url")),
    }
}

/// Refuses what could not stand in `pgai_rs.api_key_names`, or would read there as something else.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_usual) {
        return Ok(());
    }

    // It may be the key itself, given in the wrong place.
    Err(invalid(
        "invalid name for a secret",
        "A name consists of letters, digits, underscores, hyphens and periods, as in OPENAI_API_KEY.",
    ))
}

/// The failure of a name that comes without a server. Names and keys may have been mixed up: neither is
/// repeated.
fn no_server() -> Failure {
    invalid(
        "no provider's key has this name",
        "Specify base_url, the server that may receive the key, or the usual name of the provider's key.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(
        name: &str,
        url: Option<&str>,
        author: Author,
        allowed: &[&str],
    ) -> Result<Option<String>, &'static str> {
        let allowed_base_urls = allowed.iter().map(|url| (*url).to_owned()).collect();
        let settings = Settings { allowed_base_urls, ..Settings::default() };
        server_of_database_key(name, url, author, &settings).map_err(|failure| failure.code)
    }

    #[test]
    fn a_providers_usual_key_needs_no_server() {
        for name in [
            "OPENAI_API_KEY",
            "VOYAGE_API_KEY",
            "GEMINI_API_KEY",
            "JINA_AI_API_KEY",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ] {
            assert_eq!(server(name, None, Author::Other, &[]), Ok(None), "{name}");
        }
        for name in ["AZURE_API_KEY", "HUGGINGFACE_API_KEY", "TEAM_KEY"] {
            assert_eq!(server(name, None, Author::Superuser, &[]), Err("invalid_embedding"), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_that_lists_can_hold() {
        for name in ["", "A,B", "A=B", "A B", "Ä", "A\n", "sk-1/+", &"A".repeat(101)] {
            assert_eq!(
                server(name, Some("https://h"), Author::Superuser, &[]),
                Err("invalid_embedding"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_server_is_one_that_its_author_may_ask() {
        let other = |url, allowed: &[&str]| server("TEAM_KEY", Some(url), Author::Other, allowed);
        assert_eq!(
            other("https://API.openai.com:443/v1/", &[]),
            Ok(Some("https://api.openai.com/v1".into()))
        );
        assert_eq!(other("https://models/v1", &[]), Err("base_url_not_allowed"));
        assert_eq!(other("https://models/v1", &["https://models"]), Ok(Some("https://models/v1".into())));
        assert_eq!(other("https://u:p@models/v1", &["https://"]), Err("invalid_embedding"));
        // A key for a Unix socket is the administrator's to pair.
        assert_eq!(other("unix:/run/a.sock", &["unix:/run/a.sock"]), Err("invalid_embedding"));
        for url in ["http://169.254.169.254/latest", "http://127.1:8080", "http://[::1]", "http://10.0.0.1"] {
            assert_eq!(other(url, &[]), Err("base_url_not_allowed"), "{url}");
            assert_eq!(other(url, &["http://"]), Err("address_not_allowed"), "{url}");
            assert!(server("TEAM_KEY", Some(url), Author::Superuser, &[]).is_ok(), "{url}");
        }
    }
}
