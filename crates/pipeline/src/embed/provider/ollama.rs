//! Ollama's `/api/embed`.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::protocol::{OptionShape, Profile, Protocol};
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};
use crate::embed::request::said::Said;

/// The address of an Ollama if neither the vectorizer nor the administrator names one.
pub(in crate::embed) const LOCAL: &str = "http://localhost:11434";

/// The profile of Ollama. It runs on the user's own servers, and asks for no key.
pub(super) const PROFILE: Profile = Profile {
    name: "Ollama",
    prefix: "ollama",
    home: None,
    local_url: Some("http://localhost"),
    api_key_name: None,
    options: &[("keep_alive", OptionShape::Text), ("options", OptionShape::Object)],
    input_types: None,
    dimensions: |_| Dimensions::Unknown,
    protocol: |endpoint| Arc::new(Ollama::new(endpoint)),
};

/// The port on which Ollama listens if `OLLAMA_HOST` names none, by
/// <https://docs.ollama.com/faq#how-can-i-expose-ollama-on-my-network>.
const PORT: u16 = 11_434;

/// The base URL that a value of `OLLAMA_HOST` stands for: `host`, `host:port` or a URL.
pub fn url_of_host(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    if host.contains("://") {
        return host.to_owned();
    }
    // A colon within brackets belongs to an IPv6 address.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.contains(']'));
    if has_port { format!("http://{host}") } else { format!("http://{host}:{PORT}") }
}

/// A model that an Ollama server has pulled.
struct Ollama {
    endpoint: Endpoint,
}

impl Ollama {
    /// Ollama takes `keep_alive` as a number of seconds, or as a string with a unit: `"-1"` is an error.
    fn new(mut endpoint: Endpoint) -> Self {
        if let Some(keep_alive) = endpoint.parameters.get_mut("keep_alive")
            && let Some(seconds) = keep_alive.as_str().and_then(|text| text.parse::<i64>().ok())
        {
            *keep_alive = seconds.into();
        }
        Ollama { endpoint }
    }
}

/// The body of a request, by <https://docs.ollama.com/api/embed>.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    /// A longer input is cut, as by the other providers.
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<AnsweredVector>,
    #[serde(default)]
    prompt_eval_count: Said,
}

impl Protocol for Ollama {
    fn url(&self) -> String {
        self.endpoint.url("api/embed")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        request.json(&Request {
            model: &self.endpoint.model,
            input: inputs,
            truncate: true,
            dimensions: self.endpoint.wanted_dimensions(optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        let response: Response = serde_json::from_slice(body)?;
        Ok(unnumbered(response.embeddings).with_tokens(response.prompt_eval_count.as_u64()))
    }

    /// Ollama sets none.
    fn limits(&self) -> Limits {
        Limits::NONE
    }

    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        refusal.says("does not support embeddings").then_some(RefusalKind::RequestRefused)
    }

    /// Models are not pulled for a user: they take gigabytes of the server's disk.
    fn hint(&self, kind: RefusalKind) -> Option<String> {
        match kind {
            RefusalKind::NoSuchModel => {
                Some(format!("Run \"ollama pull {}\" on Ollama's host.", self.endpoint.model))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_host_as_ollama_does() {
        assert_eq!(url_of_host("127.0.0.1"), "http://127.0.0.1:11434");
        assert_eq!(url_of_host(" gpu:8080/ "), "http://gpu:8080");
        assert_eq!(url_of_host("[::1]"), "http://[::1]:11434");
        assert_eq!(url_of_host("[::1]:80"), "http://[::1]:80");
        assert_eq!(url_of_host("https://ollama.example.com/"), "https://ollama.example.com");
    }
}
