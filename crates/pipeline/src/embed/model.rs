//! A model as it is asked: a vectorizer's embedding config, with the operator's defaults filled in.

use reqwest::Url;
use serde_json::{Map, Value};

use super::provider::Provider;
use crate::config::Embedding;
use crate::document::Secret;
use crate::settings::Settings;

/// A model behind a provider's wire. Two that are equal may share requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Model {
    /// Whose wire it is.
    pub provider: Provider,
    /// URL to which the wire's path is added.
    pub base_url: String,
    /// The model's name, as the provider writes it.
    pub name: String,
    /// How many numbers a vector has.
    pub dimensions: u32,
    /// Shown to the provider.
    pub api_key: Option<Secret>,
    /// What else the vectorizer's author wants to be sent with each request, by the provider's names.
    pub parameters: Map<String, Value>,
}

impl Model {
    /// What a vectorizer asks of its provider.
    pub(super) fn new(embedding: &Embedding, api_key: Option<Secret>, settings: &Settings) -> Self {
        let Embedding::Openai { model, dimensions, user, base_url, .. } = embedding;
        Model {
            provider: Provider::OpenAi,
            base_url: base_url.clone().unwrap_or_else(|| settings.openai_base_url.clone()),
            name: model.clone(),
            dimensions: *dimensions,
            api_key,
            parameters: parameters([("user", user.clone().map(Value::String))]),
        }
    }

    /// Whether the provider's own server is asked, and not another that speaks its wire.
    pub(super) fn is_at_home(&self) -> bool {
        let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        self.provider.home().and_then(host).is_some_and(|home| host(&self.base_url) == Some(home))
    }

    /// An address below the base URL.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url.trim_end_matches('/'))
    }
}

/// Those that are set.
fn parameters<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
