//! The protocol that several services have in common: OpenAI's `/embeddings`, but for the name of the dimensions, and for
//! how they say no.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Map, Value};

use super::protocol::Protocol;
use crate::embed::endpoint::Endpoint;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, indexed};
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};

/// The ways in which a service differs from others with this protocol.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// The name of the number of dimensions.
    pub dimensions: DimensionsName,
    /// The largest request for a model, by its name.
    pub limits: fn(&str) -> Limits,
    /// True if nothing is said of the lengths of vectors that are shortened.
    pub leaves_lengths: bool,
    /// The words by which it refuses an unknown model as a bad request; `None` if it says it as others do.
    pub unknown_model: Option<&'static str>,
}

/// The name that a request has for the number of dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DimensionsName {
    /// `dimensions`.
    Dimensions,
    /// `output_dimension`.
    OutputDimension,
}

/// A model of a service with this protocol.
pub(super) struct Plain {
    endpoint: Endpoint,
    dialect: Dialect,
}

/// The body of a request.
#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

impl Plain {
    /// Returns the protocol for asking a model.
    pub(super) fn protocol(endpoint: Endpoint, dialect: Dialect) -> Arc<dyn Protocol> {
        Arc::new(Plain { endpoint, dialect })
    }

    /// Returns the number of dimensions to ask for, if the service calls it by this name.
    fn wanted_dimensions(&self, name: DimensionsName, optional: Optional) -> Option<u32> {
        self.endpoint.wanted_dimensions(optional).filter(|_| self.dialect.dimensions == name)
    }
}

impl Protocol for Plain {
    fn url(&self) -> String {
        self.endpoint.url("embeddings")
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        self.endpoint.authorize(request).json(&Request {
            model: &self.endpoint.model,
            input: inputs,
            dimensions: self.wanted_dimensions(DimensionsName::Dimensions, optional),
            output_dimension: self.wanted_dimensions(DimensionsName::OutputDimension, optional),
            parameters: &self.endpoint.parameters,
        })
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        indexed(body)
    }

    fn limits(&self) -> Limits {
        (self.dialect.limits)(&self.endpoint.model)
    }

    fn leaves_lengths(&self) -> bool {
        self.dialect.leaves_lengths && self.endpoint.is_shortened()
    }

    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        let words = self.dialect.unknown_model?;
        refusal.says(words).then_some(RefusalKind::NoSuchModel)
    }
}
