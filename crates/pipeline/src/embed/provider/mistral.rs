//! Mistral AI.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::protocol::{Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, indexed};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};

/// The profile of Mistral AI.
pub(super) const PROFILE: Profile = Profile {
    name: "Mistral AI",
    prefix: "mistral",
    home: Some("https://api.mistral.ai/v1"),
    local_url: None,
    api_key_name: Some("MISTRAL_API_KEY"),
    options: &[],
    input_types: None,
    dimensions,
    protocol: |endpoint| Arc::new(Mistral { endpoint }),
};

/// pgai's limits, 128 inputs and 16,000 tokens; Mistral publishes none, and refuses larger requests
/// with "Too many inputs in request, split into more batches" or "Too many tokens in batch".
const LIMITS: Limits = Limits { inputs: 128, tokens: 16_000 };

/// Returns the dimensions by <https://docs.mistral.ai/capabilities/embeddings/text_embeddings> and
/// <https://docs.mistral.ai/capabilities/embeddings/code_embeddings>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "mistral-embed" | "mistral-embed-2312" => Dimensions::Fixed(1024),
        "codestral-embed" | "codestral-embed-2505" => Dimensions::UpTo(3072),
        _ => Dimensions::Unknown,
    }
}

/// A model of Mistral AI.
struct Mistral {
    endpoint: Endpoint,
}

/// The body of a request, by <https://docs.mistral.ai/api/endpoint/embeddings>.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Protocol for Mistral {
    fn url(&self) -> String {
        self.endpoint.url("embeddings")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&Request {
            model: &self.endpoint.model,
            input: inputs,
            output_dimension: self.endpoint.wanted_dimensions(optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    /// Returns whether vectors are shortened: nothing is said of the lengths that they have then.
    fn leaves_lengths(&self) -> bool {
        self.endpoint.is_shortened()
    }

    /// An unknown model is a bad request to Mistral AI.
    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        refusal.says("\"invalid_model\"").then_some(RefusalKind::NoSuchModel)
    }
}
