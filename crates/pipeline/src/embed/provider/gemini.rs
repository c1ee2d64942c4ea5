//! Google's Gemini API, `batchEmbedContents`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::{Endpoint, percent_encoded};
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};

/// The profile of the Gemini API. Task types are those of
/// <https://ai.google.dev/gemini-api/docs/embeddings>; not all models take one.
pub(super) const PROFILE: Profile = Profile {
    name: "Gemini",
    prefix: "gemini",
    home: Some("https://generativelanguage.googleapis.com/v1beta"),
    local_url: None,
    api_key_name: Some("GEMINI_API_KEY"),
    options: &[(TASK_TYPE, OptionShape::Text)],
    input_types: Some(TASK_TYPES),
    dimensions,
    protocol: |endpoint| Arc::new(Gemini::new(endpoint)),
};

/// The task types of all of Google's models.
pub(super) const TASK_TYPES: InputTypes = InputTypes {
    option: TASK_TYPE,
    all: &[
        "RETRIEVAL_DOCUMENT",
        "RETRIEVAL_QUERY",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    ],
    document: "RETRIEVAL_DOCUMENT",
    query: "RETRIEVAL_QUERY",
    default: None,
    untyped_query: None,
};

const TASK_TYPE: &str = "task_type";

/// The API answers more with "at most 100 requests can be in one batch". It knows no limit of tokens
/// of all texts together.
const LIMITS: Limits = Limits { inputs: 100, tokens: usize::MAX };

/// Returns the dimensions by <https://ai.google.dev/gemini-api/docs/embeddings#control-embedding-size>.
fn dimensions(model: &str) -> Dimensions {
    match model {
        "gemini-embedding-001" => Dimensions::UpTo(3072),
        "text-embedding-004" => Dimensions::UpTo(768),
        _ => Dimensions::Unknown,
    }
}

/// A model of Google's.
struct Gemini {
    endpoint: Endpoint,
    task_type: Option<String>,
}

impl Gemini {
    fn new(mut endpoint: Endpoint) -> Self {
        let task_type = match endpoint.parameters.remove(TASK_TYPE) {
            Some(Value::String(task_type)) => Some(task_type),
            _ => None,
        };
        Gemini { endpoint, task_type }
    }
}

/// The body of a request, by <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>.
#[derive(Serialize)]
struct Requests<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    values: AnsweredVector,
}

impl Protocol for Gemini {
    fn url(&self) -> String {
        self.endpoint.url(&format!("models/{}:batchEmbedContents", percent_encoded(&self.endpoint.model)))
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        let model = format!("models/{}", self.endpoint.model);
        let mut requests = Vec::with_capacity(inputs.len());
        for input in inputs {
            requests.push(Request {
                model: &model,
                content: Content { parts: [Part { text: input }] },
                task_type: self.task_type.as_deref(),
                output_dimensionality: self.endpoint.wanted_dimensions(optional),
            });
        }

        let request = request.json(&Requests { requests });
        match &self.endpoint.api_key {
            Some(key) => request.header("x-goog-api-key", key.expose()),
            None => request,
        }
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        let response: Response = serde_json::from_slice(body)?;
        Ok(unnumbered(response.embeddings.into_iter().map(|embedding| embedding.values)))
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    /// Returns whether vectors are shortened. Those below 3,072 dimensions are not normalized, by
    /// <https://ai.google.dev/gemini-api/docs/embeddings>.
    fn leaves_lengths(&self) -> bool {
        self.endpoint.is_shortened()
    }

    /// A wrong key is a bad request to Google.
    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        (refusal.is_bad_request() && refusal.says("\"api_key_invalid\"")).then_some(RefusalKind::KeyRefused)
    }
}
