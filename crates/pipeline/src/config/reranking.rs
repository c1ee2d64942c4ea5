//! The model that puts what a search has found into an order of its own.

use serde::Deserialize;

/// The largest number of candidates: more than any provider takes in a request by its documentation.
pub const MOST_CANDIDATES: i64 = 1_000;

/// The number of candidates where none is declared.
const USUAL_CANDIDATES: i64 = 50;

/// `ai.rerank_*`. It is an argument of a search, and never stored, so that a key that is not known is an error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reranking {
    /// `rerank`, which whoever reads the config has looked at.
    #[serde(default)]
    pub config_type: String,
    /// The provider, or the protocol of a server that speaks it.
    pub implementation: RerankProtocol,
    /// The model's name, as the provider writes it; `None` for a server that has one model.
    #[serde(default)]
    pub model: Option<String>,
    /// Name under which the server finds the key, never the key; `None` if none is sent.
    #[serde(default)]
    pub api_key_name: Option<String>,
    /// URL to which the protocol's path is added; `None` means the provider's own.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The number of chunks whose relevance is asked for.
    #[serde(default = "usual_candidates")]
    pub candidates: i64,
    /// The order if the provider is down.
    #[serde(default)]
    pub if_down: IfDown,
}

/// A protocol in which relevance is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerankProtocol {
    /// Cohere's `/v2/rerank`.
    Cohere,
    /// Voyage AI's `/rerank`.
    Voyageai,
    /// Jina AI's `/rerank`, which vLLM, llama.cpp, LiteLLM and others speak as well.
    Jina,
    /// `/rerank` of Hugging Face's Text Embeddings Inference.
    Tei,
}

impl RerankProtocol {
    /// Returns the config's `implementation`.
    pub fn name(self) -> &'static str {
        match self {
            RerankProtocol::Cohere => "cohere",
            RerankProtocol::Voyageai => "voyageai",
            RerankProtocol::Jina => "jina",
            RerankProtocol::Tei => "tei",
        }
    }
}

/// The answer to a search whose reranking provider is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfDown {
    /// An error.
    #[default]
    Error,
    /// The order in which the candidates were found.
    Fused,
}

fn usual_candidates() -> i64 {
    USUAL_CANDIDATES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Reranking, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_the_builders_write() {
        let stored = r#"{"config_type": "rerank", "implementation": "cohere", "model": "rerank-v3.5",
                         "api_key_name": "COHERE_API_KEY", "candidates": 20, "if_down": "fused"}"#;
        let read = read(stored).unwrap();
        assert_eq!((read.implementation, read.candidates), (RerankProtocol::Cohere, 20));
        assert_eq!((read.if_down, read.base_url), (IfDown::Fused, None));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let read = read(r#"{"implementation": "tei", "base_url": "http://h"}"#).unwrap();
        assert_eq!((read.candidates, read.if_down), (USUAL_CANDIDATES, IfDown::Error));
    }

    #[test]
    fn an_unknown_key_or_word_is_an_error() {
        let told = |json: &str| read(json).unwrap_err();
        assert!(told(r#"{"implementation": "tei", "api_key": "sk-1"}"#).contains("unknown field `api_key`"));
        assert!(told(r#"{"implementation": "magic"}"#).contains("unknown variant `magic`"));
        assert!(told(r#"{"implementation": "tei", "if_down": "guess"}"#).contains("unknown variant `guess`"));
    }
}
