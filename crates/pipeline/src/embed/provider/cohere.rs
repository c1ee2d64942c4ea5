//! Cohere's `/v2/embed`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;
use crate::embed::request::optional::Optional;
use crate::embed::request::said::Said;

/// Cohere's words, its models on Amazon Bedrock included.
pub(super) const INPUT_TYPES: InputTypes = InputTypes {
    option: "input_type",
    all: &["search_document", "search_query", "classification", "clustering"],
    document: "search_document",
    query: "search_query",
    default: Some("search_document"),
    untyped_query: None,
};

/// The profile of Cohere. Models from version 3 on want an `input_type`; the default is LiteLLM's.
pub(super) const PROFILE: Profile = Profile {
    name: "Cohere",
    prefix: "cohere",
    home: Some("https://api.cohere.com"),
    local_url: None,
    api_key_name: Some("COHERE_API_KEY"),
    options: &[("input_type", OptionShape::Text), ("truncate", OptionShape::Text)],
    input_types: Some(INPUT_TYPES),
    dimensions,
    protocol: |endpoint| Arc::new(Cohere { endpoint }),
};

/// The limits by <https://docs.cohere.com/reference/embed>: at most 96 texts, and no limit of tokens of
/// all texts together.
const LIMITS: Limits = Limits { inputs: 96, tokens: usize::MAX };

/// Returns the dimensions by <https://docs.cohere.com/docs/cohere-embed>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "embed-v4.0" => Dimensions::OneOf(&[256, 512, 1024, 1536]),
        "embed-english-v3.0" | "embed-multilingual-v3.0" => Dimensions::Fixed(1024),
        "embed-english-light-v3.0" | "embed-multilingual-light-v3.0" => Dimensions::Fixed(384),
        "embed-english-v2.0" => Dimensions::Fixed(4096),
        "embed-english-light-v2.0" => Dimensions::Fixed(1024),
        "embed-multilingual-v2.0" => Dimensions::Fixed(768),
        _ => Dimensions::Unknown,
    }
}

/// A model of Cohere.
struct Cohere {
    endpoint: Endpoint,
}

/// The body of a request.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    texts: &'a [Arc<str>],
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Embeddings,
    #[serde(default)]
    meta: Said,
}

#[derive(Deserialize)]
struct Embeddings {
    float: Vec<AnsweredVector>,
}

impl Protocol for Cohere {
    fn url(&self) -> String {
        self.endpoint.url("v2/embed")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&Request {
            model: &self.endpoint.model,
            texts: inputs,
            embedding_types: ["float"],
            output_dimension: self.endpoint.wanted_dimensions(optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        let response: Response = serde_json::from_slice(body)?;
        let tokens = response.meta.at(&["billed_units", "input_tokens"]).as_f64();
        // It is a number with a fraction in the API's description.
        Ok(unnumbered(response.embeddings.float).with_tokens(tokens.map(|tokens| tokens as u64)))
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    /// Returns whether vectors are shortened: nothing is said of the lengths that they have then.
    fn leaves_lengths(&self) -> bool {
        self.endpoint.is_shortened()
    }
}
