//! OpenAI's `/embeddings`, which many other servers speak as well.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::{indexed, Answered};
use super::super::model::Model;
use super::super::pack::Limits;
use super::super::refusal::Refusal;
use super::{Optional, Wire};

/// OpenAI's own server.
pub(super) const HOME: &str = "https://api.openai.com/v1";
/// The one model that takes no `dimensions`: it always answers 1,536.
const ADA_002: &str = "text-embedding-ada-002";
/// By <https://platform.openai.com/docs/api-reference/embeddings/create>: at most 2,048 inputs, and
/// 300,000 tokens of all inputs together.
pub(super) const LIMITS: Limits = Limits { inputs: 2_048, tokens: 300_000 };

/// A model on OpenAI's wire.
pub(super) struct OpenAi {
    model: Model,
    at_home: bool,
}

impl OpenAi {
    pub(super) fn new(model: Model) -> Self {
        OpenAi { at_home: model.is_at_home(), model }
    }
}

/// What is asked.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: &'static str,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl<'a> Request<'a> {
    /// For these inputs of a model, with what the server takes.
    pub(super) fn new(model: &'a Model, input: &'a [Arc<str>], optional: Optional) -> Self {
        Request {
            model: &model.name,
            input,
            dimensions: Some(model.dimensions).filter(|_| optional.dimensions && model.name != ADA_002),
            encoding_format: if optional.base64 { "base64" } else { "float" },
            parameters: &model.parameters,
        }
    }
}

impl Wire for OpenAi {
    fn url(&self) -> String {
        self.model.url("embeddings")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        let request = request.json(&Request::new(&self.model, inputs, optional));
        match &self.model.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    /// Another server has limits of its own, which only its operator knows.
    fn limits(&self) -> Limits {
        if self.at_home {
            LIMITS
        } else {
            Limits::NONE
        }
    }

    /// Many servers know numbers only. Those with models of one length refuse to be told a length,
    /// even theirs.
    fn without(&self, optional: Optional, refusal: &Refusal) -> Optional {
        if !refusal.is_bad_request() {
            return optional;
        }
        let about_dimensions = refusal.is_about("dimensions") || refusal.is_about("matryoshka");
        if optional.base64 && refusal.is_about("encoding_format") {
            Optional { base64: false, ..optional }
        } else if !self.at_home && about_dimensions {
            Optional { dimensions: false, ..optional }
        } else {
            optional
        }
    }
}
