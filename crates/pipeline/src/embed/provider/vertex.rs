//! Google's Vertex AI, `predict` with its text embedding models.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::gemini::TASK_TYPES;
use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::{Endpoint, percent_encoded};
use crate::embed::error::invalid;
use crate::embed::identity::CallerIdentity;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::RefusalKind;
use crate::embed::request::said::Said;
use crate::failure::Failure;
use crate::server_url::ServerUrl;

/// The profile of Vertex AI. The options' names are LiteLLM's.
pub(super) const PROFILE: Profile = Profile {
    name: "Vertex AI",
    prefix: "vertex_ai",
    home: None,
    local_url: None,
    api_key_name: Some("GOOGLE_APPLICATION_CREDENTIALS"),
    options: &[
        (AUTO_TRUNCATE, OptionShape::Flag),
        ("task_type", OptionShape::Text),
        (LOCATION, OptionShape::Text),
        (PROJECT, OptionShape::Text),
    ],
    input_types: Some(TASK_TYPES),
    dimensions,
    protocol: |endpoint| Arc::new(Vertex::new(endpoint)),
};

const AUTO_TRUNCATE: &str = "auto_truncate";
const LOCATION: &str = "vertex_location";
const PROJECT: &str = "vertex_project";

/// LiteLLM's default, too.
const DEFAULT_LOCATION: &str = "us-central1";

/// Returns the dimensions by
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings>.
fn dimensions(name: &str) -> Dimensions {
    match name {
        "gemini-embedding-001" => Dimensions::UpTo(3072),
        "text-embedding-005" | "text-multilingual-embedding-002" => Dimensions::UpTo(768),
        _ => Dimensions::Unknown,
    }
}

/// Returns the limits by the same page: 250 texts and 20,000 tokens, but one text for Gemini's models.
fn limits(name: &str) -> Limits {
    let inputs = if name.starts_with("gemini-embedding") { 1 } else { 250 };
    Limits { inputs, tokens: 20_000 }
}

/// The address of the models that a vectorizer's options lead to.
///
/// # Errors
///
/// `invalid_embedding` without a project, or with a location that can't stand in a host's name.
pub(in crate::embed) fn address(parameters: &Map<String, Value>) -> Result<String, Failure> {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let location = text(LOCATION).unwrap_or(DEFAULT_LOCATION);
    if location.is_empty() || !location.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(invalid(
            format!("{location:?} is not a location"),
            "Specify a location such as europe-west4.",
        ));
    }

    let Some(project) = text(PROJECT) else {
        return Err(invalid(
            "no project for Vertex AI is specified",
            "Specify vertex_project in extra_options.",
        ));
    };

    let host = match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        location => format!("{location}-aiplatform.googleapis.com"),
    };
    Ok(format!("https://{host}/v1/projects/{}/locations/{location}", percent_encoded(project)))
}

/// Returns whether this is one of Google's servers for it.
pub(super) fn is_home(url: &ServerUrl) -> bool {
    let host = url.host();
    let is_location = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let location = host.strip_suffix("-aiplatform.googleapis.com");
    let is_googles = host == "aiplatform.googleapis.com" || location.is_some_and(is_location);
    is_googles && url.url().scheme() == "https" && url.url().port().is_none()
}

/// A model on Vertex AI.
struct Vertex {
    endpoint: Endpoint,
    task_type: Option<String>,
    auto_truncate: Option<bool>,
}

impl Vertex {
    fn new(mut endpoint: Endpoint) -> Self {
        let task_type = endpoint.parameters.remove(TASK_TYPES.option);
        let task_type = task_type.as_ref().and_then(Value::as_str).map(str::to_owned);
        let auto_truncate = endpoint.parameters.get(AUTO_TRUNCATE).and_then(Value::as_bool);
        Vertex { endpoint, task_type, auto_truncate }
    }
}

/// The body of a request, by
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>.
#[derive(Serialize)]
struct Request<'a> {
    instances: Vec<Instance<'a>>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<bool>,
}

#[derive(Deserialize)]
struct Response {
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embedding,
}

#[derive(Deserialize)]
struct Embedding {
    values: AnsweredVector,
    #[serde(default)]
    statistics: Said,
}

impl Protocol for Vertex {
    fn url(&self) -> String {
        self.endpoint
            .url(&format!("publishers/google/models/{}:predict", percent_encoded(&self.endpoint.model)))
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        let task_type = self.task_type.as_deref();
        let instances = inputs.iter().map(|content| Instance { content, task_type }).collect();
        let output_dimensionality = self.endpoint.wanted_dimensions(optional);
        let parameters = Parameters { output_dimensionality, auto_truncate: self.auto_truncate };
        request.json(&Request { instances, parameters })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        let response: Response = serde_json::from_slice(body)?;
        let mut tokens = Some(0_u64);
        let mut vectors = Vec::with_capacity(response.predictions.len());
        for Prediction { embeddings } in response.predictions {
            let of_one = embeddings.statistics.at(&["token_count"]).as_f64();
            tokens = tokens.zip(of_one).map(|(sum, of_one)| sum.saturating_add(of_one as u64));
            vectors.push(embeddings.values);
        }
        Ok(unnumbered(vectors).with_tokens(tokens))
    }

    fn limits(&self) -> Limits {
        limits(&self.endpoint.model)
    }

    /// Returns the same as the Gemini API, whose models these are.
    fn leaves_lengths(&self) -> bool {
        self.endpoint.is_shortened()
    }

    fn identity(&self) -> CallerIdentity {
        self.endpoint.api_key.clone().map_or(CallerIdentity::Key, CallerIdentity::Google)
    }

    fn hint(&self, kind: RefusalKind) -> Option<String> {
        match kind {
            RefusalKind::KeyRefused => Some(
                "Check the service account's key, that it has the role for Vertex AI in the project \
                 (roles/aiplatform.user), and that the API is enabled there."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(options: Value) -> Result<String, String> {
        super::address(options.as_object().unwrap()).map_err(|failure| failure.message)
    }

    #[test]
    fn a_location_has_its_own_address() {
        let all = serde_json::json!({"vertex_project": "p", "vertex_location": "europe-west4"});
        let expected = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4";
        assert_eq!(address(all).unwrap(), expected);
        let global = serde_json::json!({"vertex_project": "p", "vertex_location": "global"});
        assert_eq!(
            address(global).unwrap(),
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
        );
        let elsewhere = serde_json::json!({"vertex_project": "p", "vertex_location": "evil.example/"});
        assert_eq!(address(elsewhere).unwrap_err(), "\"evil.example/\" is not a location");
        assert_eq!(address(serde_json::json!({})).unwrap_err(), "no project for Vertex AI is specified");
    }
}
