//! Jina AI's `/embeddings`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, indexed};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;
use crate::embed::request::optional::Optional;

/// The profile of Jina AI. A text has no `task` unless one is declared: older models know none.
pub(super) const PROFILE: Profile = Profile {
    name: "Jina AI",
    prefix: "jina_ai",
    home: Some("https://api.jina.ai/v1"),
    // Servers that people run speak its protocol for relevance.
    local_url: Some("http://localhost/v1"),
    api_key_name: Some("JINA_AI_API_KEY"),
    options: &[(TASK, OptionShape::Text), ("truncate", OptionShape::Flag)],
    input_types: Some(InputTypes {
        option: TASK,
        all: &[
            "retrieval.passage",
            "retrieval.query",
            "text-matching",
            "classification",
            "separation",
            "code.passage",
            "code.query",
        ],
        document: "retrieval.passage",
        query: "retrieval.query",
        default: None,
        untyped_query: None,
    }),
    dimensions,
    protocol: |endpoint| Arc::new(Jina { endpoint }),
};

const TASK: &str = "task";

/// Returns the dimensions by <https://jina.ai/models>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "jina-embeddings-v3" => Dimensions::UpTo(1_024),
        "jina-embeddings-v4" => Dimensions::UpTo(2_048),
        _ => Dimensions::Unknown,
    }
}

/// A model of Jina AI.
struct Jina {
    endpoint: Endpoint,
}

/// The body of a request, by <https://api.jina.ai/docs>.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Protocol for Jina {
    fn url(&self) -> String {
        self.endpoint.url("embeddings")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&Request {
            model: &self.endpoint.model,
            input: inputs,
            dimensions: self.endpoint.wanted_dimensions(optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    /// Jina AI publishes no limit of a request; larger ones than it takes are made smaller.
    fn limits(&self) -> Limits {
        Limits::NONE
    }

    /// Returns whether vectors are shortened: nothing is said of the lengths that they have then.
    fn leaves_lengths(&self) -> bool {
        self.endpoint.is_shortened()
    }
}
