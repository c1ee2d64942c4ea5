//! Finding the server that a config means, and whether it may be asked.

use serde_json::Map;

use crate::config::{Author, MOST_CANDIDATES, RerankProtocol, Reranking};
use crate::embed::egress::EndpointDeclaration;
use crate::embed::endpoint::Endpoint;
use crate::embed::error::ADMINISTRATOR;
use crate::embed::provider::Provider;
use crate::embed::request::dimensions::Dimensions;
use crate::embed::resolve::local_server;
use crate::failure::{Failure, Retry, Step};
use crate::secret::ApiKey;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

/// A server, and the protocol in which it is asked.
#[derive(Debug, Clone)]
pub(super) struct RerankServer {
    /// The protocol.
    pub protocol: RerankProtocol,
    /// The server, and what a request to it needs.
    pub endpoint: Endpoint,
}

/// Returns the provider whose protocol it is.
pub(super) fn provider(protocol: RerankProtocol) -> Provider {
    match protocol {
        RerankProtocol::Cohere => Provider::Cohere,
        RerankProtocol::Voyageai => Provider::Voyage,
        RerankProtocol::Jina => Provider::Jina,
        RerankProtocol::Tei => Provider::HuggingFace,
    }
}

/// Finds the server that a config means.
///
/// # Errors
///
/// `invalid_rerank`, and what the administrator does not allow.
pub(super) fn resolve(
    reranking: &Reranking,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
) -> Result<RerankServer, Failure> {
    require_complete(reranking)?;
    let Reranking { implementation: protocol, model, api_key_name, base_url, .. } = reranking;
    let provider = provider(*protocol);

    let declaration = EndpointDeclaration {
        provider,
        base_url: base_url.as_deref(),
        argument: "base_url",
        declared_key_name: api_key_name.as_deref(),
        key_name: api_key_name.as_deref(),
        options: None,
        author,
        key: api_key.as_ref(),
    };
    let reach = declaration.permit(settings)?.reach;

    let home = provider.profile().home.map(str::to_owned);
    let base_url = base_url.clone().or(home).ok_or_else(no_base_url)?;
    let endpoint = Endpoint {
        at_home: ServerUrl::parse(&base_url).is_ok_and(|url| provider.is_home(&url)),
        socket: local_server(provider, &base_url)?,
        base_url,
        model: model.clone().unwrap_or_default(),
        dimensions: 0,
        shortened_to: None,
        known_dimensions: Dimensions::Unknown,
        author,
        region: None,
        reach,
        api_key: api_key.map(ApiKey::trimmed).filter(|key| !key.expose().is_empty()),
        parameters: Map::new(),
    };
    Ok(RerankServer { protocol: *protocol, endpoint })
}

/// Errors if something is missing, or can't be meant.
fn require_complete(reranking: &Reranking) -> Result<(), Failure> {
    let Reranking { implementation, model, candidates, .. } = reranking;
    let is_named = model.as_ref().is_some_and(|model| !model.trim().is_empty());
    if !is_named && *implementation != RerankProtocol::Tei {
        let name = provider(*implementation).profile().name;
        return Err(invalid(format!("no model of {name} is specified"), "Specify the model's name."));
    }
    if !(1..=MOST_CANDIDATES).contains(candidates) {
        return Err(invalid(
            format!("candidates must be an integer between 1 and {MOST_CANDIDATES}"),
            "It is the number of chunks whose relevance is asked for.",
        ));
    }
    Ok(())
}

fn no_base_url() -> Failure {
    let message = "no address for Text Embeddings Inference is specified";
    invalid(message.to_owned(), "Specify its URL as base_url.")
}

fn invalid(message: String, hint: &str) -> Failure {
    Failure::new(Step::Embedding, "invalid_rerank", message, Retry::After(ADMINISTRATOR)).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::secret::Secret;

    fn settings(names: &[&str], urls: &[&str]) -> Settings {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        Settings { api_key_names: owned(names), allowed_base_urls: owned(urls), ..Settings::default() }
    }

    fn resolved(config: Value, author: Author, settings: &Settings) -> Result<Endpoint, &'static str> {
        let reranking: Reranking = serde_json::from_value(config).unwrap();
        let key = reranking.api_key_name.is_some().then(|| ApiKey::of_server(Secret::new("sk-1")));
        let server = resolve(&reranking, author, key, settings);
        server.map(|server| server.endpoint).map_err(|failure| failure.code)
    }

    fn code(config: Value, author: Author, settings: &Settings) -> Option<&'static str> {
        resolved(config, author, settings).err()
    }

    #[test]
    fn a_key_goes_to_its_own_provider_alone() {
        let ours = settings(&["COHERE_API_KEY", "JINA_AI_API_KEY"], &["http://h"]);
        let asked = |protocol: &str, key: Option<&str>, url: Option<&str>| {
            let config =
                json!({"implementation": protocol, "model": "m", "api_key_name": key, "base_url": url});
            code(config, Author::Other, &ours)
        };
        assert_eq!(asked("cohere", Some("COHERE_API_KEY"), None), None);
        assert_eq!(asked("cohere", Some("COHERE_API_KEY"), Some("https://api.cohere.com")), None);
        assert_eq!(asked("jina", Some("JINA_AI_API_KEY"), None), None);
        assert_eq!(asked("jina", Some("COHERE_API_KEY"), None), Some("api_key_not_for_server"));
        let elsewhere = asked("cohere", Some("COHERE_API_KEY"), Some("http://h"));
        assert_eq!(elsewhere, Some("api_key_not_for_server"));
        assert_eq!(asked("cohere", Some("NO_SUCH"), None), Some("api_key_name_not_allowed"));
        assert_eq!(asked("cohere", None, Some("http://h/x")), None);
        assert_eq!(asked("tei", None, Some("http://other")), Some("base_url_not_allowed"));
        assert_eq!(asked("tei", None, Some("http://u:p@h")), Some("invalid_base_url"));
    }

    #[test]
    fn an_incomplete_config_is_refused() {
        let refused = |config: Value| code(config, Author::Superuser, &Settings::default());
        assert_eq!(refused(json!({"implementation": "cohere"})), Some("invalid_rerank"));
        assert_eq!(refused(json!({"implementation": "cohere", "model": " "})), Some("invalid_rerank"));
        assert_eq!(refused(json!({"implementation": "tei"})), Some("invalid_rerank"));
        for candidates in [0, -1, 1_001] {
            let config = json!({"implementation": "tei", "base_url": "http://h", "candidates": candidates});
            assert_eq!(refused(config), Some("invalid_rerank"), "{candidates}");
        }
    }

    #[test]
    fn the_providers_own_server_is_the_default() {
        let home = |protocol: &str| {
            let config = json!({"implementation": protocol, "model": "m"});
            resolved(config, Author::Other, &Settings::default()).unwrap()
        };
        for protocol in ["cohere", "voyageai", "jina"] {
            assert!(home(protocol).at_home && home(protocol).base_url.starts_with("https://"), "{protocol}");
        }
    }
}
