//! Azure OpenAI: OpenAI's JSON under an address of the customer's own.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde_json::Value;

use super::openai::{LIMITS, OpenAiRequest, without_base64};
use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::{Endpoint, percent_encoded};
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, indexed};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::ProviderRefusal;

/// The profile of Azure OpenAI. A deployment has a name of the customer's own, which tells nothing of
/// its model.
pub(super) const PROFILE: Profile = Profile {
    name: "Azure OpenAI",
    prefix: "azure",
    home: None,
    local_url: None,
    api_key_name: Some("AZURE_API_KEY"),
    options: &[("api_version", OptionShape::Text), ("user", OptionShape::Text)],
    input_types: None,
    dimensions: |_| Dimensions::Unknown,
    protocol: |endpoint| Arc::new(Azure::new(endpoint)),
};

/// The newest version that is no preview, by
/// <https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation>.
const API_VERSION: &str = "2024-10-21";

/// A deployment of a model.
struct Azure {
    endpoint: Endpoint,
    api_version: String,
}

impl Azure {
    fn new(mut endpoint: Endpoint) -> Self {
        let api_version = match endpoint.parameters.remove("api_version") {
            Some(Value::String(version)) => version,
            _ => API_VERSION.to_owned(),
        };
        Azure { endpoint, api_version }
    }
}

impl Protocol for Azure {
    fn url(&self) -> String {
        let path = format!("openai/deployments/{}/embeddings", percent_encoded(&self.endpoint.model));
        format!("{}?api-version={}", self.endpoint.url(&path), percent_encoded(&self.api_version))
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        let request = request.json(&OpenAiRequest::new(&self.endpoint, inputs, optional));
        match &self.endpoint.api_key {
            Some(key) => request.header("api-key", key.expose()),
            None => request,
        }
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    /// OpenAI's.
    fn limits(&self) -> Limits {
        LIMITS
    }

    /// A deployment of `text-embedding-ada-002` takes no dimensions.
    fn without(&self, optional: Optional, refusal: &ProviderRefusal) -> Optional {
        without_base64(optional, refusal).without_dimensions(refusal)
    }
}
