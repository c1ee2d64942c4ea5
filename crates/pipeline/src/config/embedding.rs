//! The model that embeds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `ai.embedding_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Embedding {
    /// OpenAI, and whatever speaks its protocol.
    Openai {
        /// The model's name, as the provider writes it.
        model: String,
        /// The number of dimensions of a vector.
        dimensions: u32,
        /// See [`Embedding::shortened_from`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shortened_from: Option<u32>,
        /// Passed on as OpenAI's `user`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Name under which the server finds the key; never the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// URL to which `/embeddings` is added; none means the server's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
    },
    /// Ollama.
    Ollama {
        /// The model's name, as Ollama writes it.
        model: String,
        /// The number of dimensions of a vector.
        dimensions: u32,
        /// See [`Embedding::shortened_from`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shortened_from: Option<u32>,
        /// URL to which `/api/embed` is added; none means the server's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
        /// Passed on as Ollama's `options`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Map<String, Value>>,
        /// The time for which Ollama keeps the model in memory, such as `5m`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_alive: Option<String>,
    },
    /// Voyage AI.
    Voyageai {
        /// The model's name, as the provider writes it.
        model: String,
        /// The number of dimensions of a vector.
        dimensions: u32,
        /// See [`Embedding::shortened_from`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shortened_from: Option<u32>,
        /// The role in which documents are embedded: `document`, `query` or none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input_type: Option<String>,
        /// Name under which the server finds the key; never the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// URL to which `/embeddings` is added; none means Voyage AI's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
    },
    /// Any provider that is known, by LiteLLM's name.
    Litellm {
        /// `provider/model`; without a provider, OpenAI's.
        model: String,
        /// The number of dimensions of a vector.
        dimensions: u32,
        /// See [`Embedding::shortened_from`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shortened_from: Option<u32>,
        /// Name under which the server finds the key; none means the provider's usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// Further parameters for the provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extra_options: Option<Map<String, Value>>,
    },
}

impl Embedding {
    /// The config's `implementation`.
    pub fn implementation(&self) -> &'static str {
        match self {
            Embedding::Openai { .. } => "openai",
            Embedding::Ollama { .. } => "ollama",
            Embedding::Voyageai { .. } => "voyageai",
            Embedding::Litellm { .. } => "litellm",
        }
    }

    /// The model's name as its author wrote it, LiteLLM's prefix included.
    pub fn model(&self) -> &str {
        match self {
            Embedding::Openai { model, .. }
            | Embedding::Ollama { model, .. }
            | Embedding::Voyageai { model, .. }
            | Embedding::Litellm { model, .. } => model,
        }
    }

    /// Returns the number of dimensions of a vector.
    pub fn dimensions(&self) -> u32 {
        match self {
            Embedding::Openai { dimensions, .. }
            | Embedding::Ollama { dimensions, .. }
            | Embedding::Voyageai { dimensions, .. }
            | Embedding::Litellm { dimensions, .. } => *dimensions,
        }
    }

    /// Returns the number of dimensions of the model's own vectors, of which the first [`Self::dimensions`] are kept, and brought
    /// to length 1 again; `None` if vectors stay as the model makes them.
    pub fn shortened_from(&self) -> Option<u32> {
        match self {
            Embedding::Openai { shortened_from, .. }
            | Embedding::Ollama { shortened_from, .. }
            | Embedding::Voyageai { shortened_from, .. }
            | Embedding::Litellm { shortened_from, .. } => *shortened_from,
        }
    }

    /// Returns the number of dimensions of the vectors that the model is to answer.
    pub fn answered_dimensions(&self) -> u32 {
        self.shortened_from().unwrap_or_else(|| self.dimensions())
    }

    /// Name of the provider's key, if the vectorizer's author wrote one.
    pub fn declared_api_key_name(&self) -> Option<&str> {
        match self {
            Embedding::Openai { api_key_name, .. }
            | Embedding::Voyageai { api_key_name, .. }
            | Embedding::Litellm { api_key_name, .. } => api_key_name.as_deref(),
            Embedding::Ollama { .. } => None,
        }
    }

    /// Returns the further parameters for the provider, by LiteLLM's names.
    pub fn extra_options(&self) -> Option<&Map<String, Value>> {
        match self {
            Embedding::Litellm { extra_options, .. } => extra_options.as_ref(),
            Embedding::Openai { .. } | Embedding::Ollama { .. } | Embedding::Voyageai { .. } => None,
        }
    }

    /// The URL that the vectorizer's author asked for.
    pub fn base_url(&self) -> Option<&str> {
        match self {
            Embedding::Openai { base_url, .. }
            | Embedding::Ollama { base_url, .. }
            | Embedding::Voyageai { base_url, .. } => base_url.as_deref(),
            Embedding::Litellm { extra_options, .. } => extra_options.as_ref()?.get("api_base")?.as_str(),
        }
    }

    /// Returns whether the vectors of both can be compared: the model, its parameters and the numbers that are kept are the
    /// same, wherever it is asked and with whatever key.
    pub fn makes_vectors_of(&self, other: &Embedding) -> bool {
        self.without_address() == other.without_address()
    }

    /// Returns the config without what says where and as whom the model is asked.
    fn without_address(&self) -> Embedding {
        let mut model = self.clone();
        match &mut model {
            Embedding::Openai { user, api_key_name, base_url, .. } => {
                (*user, *api_key_name, *base_url) = (None, None, None);
            }
            Embedding::Ollama { base_url, keep_alive, .. } => (*base_url, *keep_alive) = (None, None),
            Embedding::Voyageai { api_key_name, base_url, .. } => (*api_key_name, *base_url) = (None, None),
            Embedding::Litellm { api_key_name, extra_options, .. } => {
                *api_key_name = None;
                *extra_options = extra_options.take().and_then(without_address);
            }
        }
        model
    }
}

/// Returns LiteLLM's parameters without those that say where and as whom the model is asked; `None` if no other is left.
fn without_address(mut options: Map<String, Value>) -> Option<Map<String, Value>> {
    options.retain(|name, _| !ADDRESS.contains(&name.as_str()));
    (!options.is_empty()).then_some(options)
}

/// LiteLLM's parameters that change no vector.
const ADDRESS: [&str; 2] = ["api_base", "user"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn embedding(config: Value) -> Embedding {
        serde_json::from_value(config).unwrap()
    }

    #[test]
    fn another_address_or_key_makes_the_same_vectors() {
        let model = json!({"implementation": "openai", "model": "m", "dimensions": 3});
        let moved = json!({"implementation": "openai", "model": "m", "dimensions": 3, "user": "u",
                           "api_key_name": "K", "base_url": "http://h/v1"});
        assert!(embedding(model).makes_vectors_of(&embedding(moved)));

        let model = json!({"implementation": "litellm", "model": "cohere/m", "dimensions": 3});
        let mut moved = model.clone();
        moved["extra_options"] = json!({"api_base": "http://h", "user": "u"});
        assert!(embedding(model).makes_vectors_of(&embedding(moved)));

        let model = json!({"implementation": "ollama", "model": "m", "dimensions": 3});
        let mut moved = model.clone();
        (moved["base_url"], moved["keep_alive"]) = (json!("http://h"), json!("5m"));
        assert!(embedding(model).makes_vectors_of(&embedding(moved)));
    }

    #[test]
    fn another_model_or_parameter_makes_others() {
        let model = json!({"implementation": "litellm", "model": "cohere/m", "dimensions": 3});
        for (key, value) in [
            ("model", json!("cohere/n")),
            ("dimensions", json!(4)),
            ("shortened_from", json!(8)),
            ("extra_options", json!({"input_type": "search_document"})),
        ] {
            let mut other = model.clone();
            other[key] = value;
            assert!(!embedding(model.clone()).makes_vectors_of(&embedding(other)), "{key}");
        }
        let ollama = json!({"implementation": "ollama", "model": "m", "dimensions": 3});
        let mut asked = ollama.clone();
        asked["options"] = json!({"num_ctx": 9});
        assert!(!embedding(ollama.clone()).makes_vectors_of(&embedding(asked)));
        let voyage = json!({"implementation": "voyageai", "model": "m", "dimensions": 3});
        let mut query = voyage.clone();
        query["input_type"] = json!("query");
        assert!(!embedding(voyage).makes_vectors_of(&embedding(query)));
    }
}
