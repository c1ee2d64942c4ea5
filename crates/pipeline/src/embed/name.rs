//! Names of models, by which usage is counted and prices are known. Whoever may see a vectorizer's usage reads them, so
//! they tell no address that only the administrator knows.

use reqwest::Url;

use super::provider::Provider;
use crate::network::SocketAddress;
use crate::server_url::ServerUrl;
use crate::usage::ModelName;

/// The server of who declares none, where the administrator has set another than the provider's own. Its address may have a
/// password, and is for superusers even without one.
const DEFAULT_SERVER: &str = "default";

/// An address that a model is asked at, by who has chosen it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Address<'a> {
    /// A declaration.
    Declared(&'a str),
    /// The administrator, or nobody: the provider's own.
    Default(&'a str),
}

/// Returns the name of a model of a server. The server is named unless it is the provider's own: those of Azure OpenAI and
/// Amazon Bedrock are, wherever they are.
pub(super) fn name_of(provider: Provider, model: &str, address: Address<'_>) -> ModelName {
    let (Address::Declared(url) | Address::Default(url)) = address;
    let is_home = || ServerUrl::parse(url).is_ok_and(|url| provider.is_home(&url));
    let server = match address {
        _ if matches!(provider, Provider::Azure | Provider::Bedrock) || is_home() => String::new(),
        Address::Default(_) => DEFAULT_SERVER.to_owned(),
        Address::Declared(socket) if SocketAddress::is_meant(socket) => socket.to_owned(),
        // Without what may stand before an at sign, and what follows the host. What is no URL is not asked.
        Address::Declared(url) => origin_of(url),
    };
    ModelName::new(&format!("{}/{model}", provider.profile().prefix), &server)
}

/// Returns the server of a URL in one form, however it is written, so that a price that is known for it is found. A dot that makes the
/// host's name absolute leads nowhere else.
fn origin_of(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    if let Some(host) = url.domain().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        // A name without its last dot is one.
        let _ = url.set_host(Some(&host));
    }
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::Embedding;
    use crate::embed::model_name;
    use crate::settings::Settings;

    fn openai(base_url: Option<&str>) -> Value {
        json!({"implementation": "openai", "model": "m", "dimensions": 3, "base_url": base_url})
    }

    fn named(config: Value, settings: &Settings) -> (String, String) {
        let embedding: Embedding = serde_json::from_value(config).unwrap();
        let name = model_name(&embedding, settings).unwrap();
        (name.model, name.server)
    }

    fn name(model: &str, server: &str) -> (String, String) {
        (model.to_owned(), server.to_owned())
    }

    #[test]
    fn a_model_is_named_with_its_server_unless_that_is_the_providers_own() {
        let settings = Settings::default();
        assert_eq!(named(openai(None), &settings), name("openai/m", ""));
        assert_eq!(named(openai(Some("https://api.openai.com/v1")), &settings), name("openai/m", ""));
        assert_eq!(named(openai(Some("http://gpu:8000/v1")), &settings), name("openai/m", "http://gpu:8000"));
        for same in ["http://gpu.:8000/v1", "HTTP://GPU:8000", "http://gpu:8000/./v2"] {
            assert_eq!(named(openai(Some(same)), &settings), name("openai/m", "http://gpu:8000"));
        }
        let socket = "unix:/run/model.sock";
        assert_eq!(named(openai(Some(socket)), &settings), name("openai/m", socket));
        let azure = json!({"implementation": "litellm", "model": "azure/mine", "dimensions": 3,
            "extra_options": {"api_base": "https://my.openai.azure.com"}});
        assert_eq!(named(azure, &settings), name("azure/mine", ""));
    }

    #[test]
    fn a_server_that_the_administrator_has_set_is_not_told() {
        let ollama = json!({"implementation": "ollama", "model": "m", "dimensions": 3});
        for address in
            ["http://user:SECRET@gpu.internal/v1", "http://gpu.internal/v1", "unix:/run/internal.sock"]
        {
            let address = address.to_owned();
            let settings = Settings {
                openai_base_url: address.clone(),
                ollama_base_url: Some(address),
                ..Settings::default()
            };
            assert_eq!(named(openai(None), &settings), name("openai/m", "default"));
            assert_eq!(named(ollama.clone(), &settings), name("ollama/m", "default"));
        }
        // Nor is a password that somebody has written into a declaration.
        let url = "http://user:SECRET@gpu:8000/v1";
        assert_eq!(named(openai(Some(url)), &Settings::default()), name("openai/m", "http://gpu:8000"));
    }

    #[test]
    fn a_name_is_bounded() {
        let config = json!({"implementation": "openai", "model": "ü".repeat(8_000), "dimensions": 3,
            "base_url": format!("http://{}/v1", "h".repeat(8_000))});
        let (model, server) = named(config, &Settings::default());
        assert!(model.len() <= 256 && server.len() <= 300, "{} {}", model.len(), server.len());
        assert!(model.starts_with("openai/üü") && server.starts_with("http://hh"));
    }
}
