//! OpenAI's `/embeddings`, which many other servers speak as well.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, indexed};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::ProviderRefusal;

/// The profile of OpenAI.
pub(super) const PROFILE: Profile = Profile {
    name: "OpenAI",
    prefix: "openai",
    home: Some("https://api.openai.com/v1"),
    local_url: Some("http://localhost/v1"),
    api_key_name: Some("OPENAI_API_KEY"),
    options: &[("user", OptionShape::Text)],
    input_types: None,
    dimensions,
    protocol: |endpoint| Arc::new(OpenAi { at_home: endpoint.at_home, endpoint }),
};

/// The limits by <https://platform.openai.com/docs/api-reference/embeddings/create>: at most 2,048
/// inputs, and 300,000 tokens of all inputs together.
pub(super) const LIMITS: Limits = Limits { inputs: 2_048, tokens: 300_000 };

/// Returns the dimensions by <https://platform.openai.com/docs/guides/embeddings>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "text-embedding-ada-002" => Dimensions::Fixed(1_536),
        "text-embedding-3-small" => Dimensions::UpTo(1_536),
        "text-embedding-3-large" => Dimensions::UpTo(3_072),
        _ => Dimensions::Unknown,
    }
}

/// A model on OpenAI's protocol.
struct OpenAi {
    endpoint: Endpoint,
    at_home: bool,
}

/// The body of a request.
#[derive(Serialize)]
pub(in crate::embed) struct OpenAiRequest<'a, I: ?Sized> {
    model: &'a str,
    input: &'a I,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: &'static str,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl<'a, I: Serialize + ?Sized> OpenAiRequest<'a, I> {
    /// Makes the body for these inputs of a model, with what the server takes. The input is an array of
    /// texts, or of one text's tokens.
    pub(in crate::embed) fn new(endpoint: &'a Endpoint, input: &'a I, optional: Optional) -> Self {
        OpenAiRequest {
            model: &endpoint.model,
            input,
            dimensions: endpoint.wanted_dimensions(optional),
            encoding_format: if optional.base64 { "base64" } else { "float" },
            parameters: &endpoint.parameters,
        }
    }
}

impl Protocol for OpenAi {
    fn url(&self) -> String {
        self.endpoint.url("embeddings")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&OpenAiRequest::new(&self.endpoint, inputs, optional))
    }

    fn write_tokens(
        &self,
        request: RequestBuilder,
        tokens: &[u32],
        optional: Optional,
    ) -> Option<RequestBuilder> {
        Some(self.endpoint.authorize(request).json(&OpenAiRequest::new(&self.endpoint, tokens, optional)))
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    /// Another server has limits of its own, which only its operator knows.
    fn limits(&self) -> Limits {
        if self.at_home { LIMITS } else { Limits::NONE }
    }

    /// OpenAI itself is told the dimensions in any case: what it says to them is for a person.
    fn without(&self, optional: Optional, refusal: &ProviderRefusal) -> Optional {
        let known = without_base64(optional, refusal);
        if known == optional && !self.at_home {
            return optional.without_dimensions(refusal);
        }
        known
    }
}

/// Leaves base64 out if the refusal is about it: many servers know numbers only.
pub(super) fn without_base64(optional: Optional, refusal: &ProviderRefusal) -> Optional {
    let refused = refusal.is_bad_request() && refusal.is_about("encoding_format");
    Optional { base64: optional.base64 && !refused, ..optional }
}
