//! Hugging Face's Text Embeddings Inference, `/embed`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;

/// The profile of Text Embeddings Inference. A server has one model, whatever a request names.
pub(super) const PROFILE: Profile = Profile {
    name: "Text Embeddings Inference",
    prefix: "huggingface",
    home: None,
    local_url: None,
    api_key_name: Some("HUGGINGFACE_API_KEY"),
    options: &[(NORMALIZE, OptionShape::Flag), (TRUNCATE, OptionShape::Flag)],
    input_types: None,
    dimensions: |_| Dimensions::Unknown,
    protocol: |endpoint| Arc::new(HuggingFace::new(endpoint)),
};

const NORMALIZE: &str = "normalize";
const TRUNCATE: &str = "truncate";

/// The default of the server's `--max-client-batch-size`, by
/// <https://huggingface.co/docs/text-embeddings-inference/cli_arguments>. Tokens it splits itself.
const LIMITS: Limits = Limits { inputs: 32, tokens: usize::MAX };

/// The model of a server.
struct HuggingFace {
    endpoint: Endpoint,
}

impl HuggingFace {
    /// A longer input is cut, as by the other providers, unless the author wants it otherwise.
    fn new(mut endpoint: Endpoint) -> Self {
        endpoint.parameters.entry(TRUNCATE).or_insert(true.into());
        HuggingFace { endpoint }
    }
}

/// The body of a request, by <https://huggingface.github.io/text-embeddings-inference/>.
#[derive(Serialize)]
struct Request<'a> {
    inputs: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Protocol for HuggingFace {
    fn url(&self) -> String {
        if self.endpoint.base_url.trim_end_matches('/').ends_with("/embed") {
            return self.endpoint.base_url.clone();
        }
        self.endpoint.url("embed")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&Request {
            inputs,
            dimensions: self.endpoint.wanted_dimensions(optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        serde_json::from_slice::<Vec<AnsweredVector>>(body).map(unnumbered)
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}
