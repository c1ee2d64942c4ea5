//! Hugging Face's Text Embeddings Inference, `/embed`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Optional, Profile, Shape, Wire};
use crate::embed::answer::{unnumbered, Answered, Vector};
use crate::embed::dimensions::Dimensions;
use crate::embed::model::Model;
use crate::embed::pack::Limits;

/// What is known of Text Embeddings Inference. A server has one model, whatever a request names.
pub(super) const PROFILE: Profile = Profile {
    name: "Text Embeddings Inference",
    prefix: "huggingface",
    home: None,
    api_key_name: Some("HUGGINGFACE_API_KEY"),
    options: &[(NORMALIZE, Shape::Flag), (TRUNCATE, Shape::Flag)],
    input_types: None,
    dimensions: |_| Dimensions::Unknown,
    wire: |model| Arc::new(HuggingFace::new(model)),
};

const NORMALIZE: &str = "normalize";
const TRUNCATE: &str = "truncate";

/// The default of the server's `--max-client-batch-size`, by
/// <https://huggingface.co/docs/text-embeddings-inference/cli_arguments>. Tokens it splits itself.
const LIMITS: Limits = Limits { inputs: 32, tokens: usize::MAX };

/// The model of a server.
struct HuggingFace {
    model: Model,
}

impl HuggingFace {
    /// A longer input is cut, as by the other providers, unless the author wants it otherwise.
    fn new(mut model: Model) -> Self {
        model.parameters.entry(TRUNCATE).or_insert(true.into());
        HuggingFace { model }
    }
}

/// What is asked, by <https://huggingface.github.io/text-embeddings-inference/>.
#[derive(Serialize)]
struct Request<'a> {
    inputs: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Wire for HuggingFace {
    fn url(&self) -> String {
        if self.model.base_url.trim_end_matches('/').ends_with("/embed") {
            return self.model.base_url.clone();
        }
        self.model.url("embed")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.model.authorize(request).json(&Request {
            inputs,
            dimensions: self.model.wanted_dimensions(optional),
            parameters: &self.model.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        serde_json::from_slice::<Vec<Vector>>(body).map(unnumbered)
    }

    fn limits(&self) -> Limits {
        LIMITS
    }
}
