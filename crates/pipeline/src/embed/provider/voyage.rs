//! Voyage AI.

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
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};

/// The profile of Voyage AI. Vectors with and without an `input_type` may be compared.
pub(super) const PROFILE: Profile = Profile {
    name: "Voyage AI",
    prefix: "voyage",
    home: Some("https://api.voyageai.com/v1"),
    local_url: None,
    api_key_name: Some("VOYAGE_API_KEY"),
    options: &[("input_type", OptionShape::Text), ("truncation", OptionShape::Flag)],
    input_types: Some(InputTypes {
        option: "input_type",
        all: &["query", "document"],
        document: "document",
        query: "query",
        default: None,
        untyped_query: Some("query"),
    }),
    dimensions,
    protocol: |endpoint| Arc::new(Voyage { endpoint }),
};

/// The limit of the API's first years, at which pgai and LiteLLM cut, too; by
/// <https://docs.voyageai.com/reference/embeddings-api> it is 1,000 now.
const INPUTS: usize = 128;

/// Returns the dimensions by <https://docs.voyageai.com/docs/embeddings>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "voyage-3-large" | "voyage-3.5" | "voyage-3.5-lite" | "voyage-code-3" => {
            Dimensions::OneOf(&[256, 512, 1024, 2048])
        }
        "voyage-3" | "voyage-finance-2" | "voyage-law-2" | "voyage-multilingual-2" => Dimensions::Fixed(1024),
        "voyage-2" | "voyage-large-2-instruct" => Dimensions::Fixed(1024),
        "voyage-3-lite" => Dimensions::Fixed(512),
        "voyage-code-2" | "voyage-large-2" => Dimensions::Fixed(1536),
        _ => Dimensions::Unknown,
    }
}

/// Returns the largest number of tokens of a request, by
/// <https://docs.voyageai.com/reference/embeddings-api>; for models that are not named there, the least
/// of them.
fn tokens(model: &str) -> usize {
    match model {
        "voyage-3.5-lite" | "voyage-3-lite" => 1_000_000,
        "voyage-3.5" | "voyage-3" | "voyage-2" => 320_000,
        _ => 120_000,
    }
}

/// A model of Voyage AI.
struct Voyage {
    endpoint: Endpoint,
}

/// The body of a request.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Protocol for Voyage {
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
        Limits { inputs: INPUTS, tokens: tokens(&self.endpoint.model) }
    }

    /// An unknown model is a bad request to Voyage AI.
    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        refusal.says("supported models are").then_some(RefusalKind::NoSuchModel)
    }
}
