//! Providers of models, one file each: how a provider is asked, how it answers, and what it takes.

mod openai;

use std::sync::Arc;

use reqwest::RequestBuilder;

use super::answer::Answered;
use super::model::Model;
use super::pack::Limits;
use super::refusal::{Kind, Refusal};

/// A provider's wire: how it is asked and how its answer is read.
///
/// Sending, pacing, retrying and checking are the same for all, and not a provider's matter.
pub(super) trait Wire: Send + Sync + 'static {
    /// Where requests go.
    fn url(&self) -> String;

    /// Adds the headers and the JSON of a request for these inputs.
    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder;

    /// The vectors of an answer as the provider sent them, each with its index if it has one.
    ///
    /// # Errors
    ///
    /// When the JSON is not the provider's.
    fn read(&self, body: &[u8]) -> serde_json::Result<Answered>;

    /// The most that the provider takes in a request.
    fn limits(&self) -> Limits;

    /// What may stay in the request after this refusal, if it is about something that can be left out.
    fn without(&self, optional: Optional, _refusal: &Refusal) -> Optional {
        optional
    }

    /// What a refusal is, where the provider says it in words of its own.
    fn kind(&self, _refusal: &Refusal) -> Option<Kind> {
        None
    }

    /// What a person can do about a refusal, where that is something of this provider's.
    fn hint(&self, _kind: Kind) -> Option<String> {
        None
    }
}

/// What a request can do without, and still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Optional {
    /// Asking for vectors in base64, which is a third of the size of numbers.
    pub base64: bool,
    /// Telling the number of dimensions, which is the model's own anyway if it has one only.
    pub dimensions: bool,
}

/// A provider whose wire is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Provider {
    /// OpenAI, and the many servers that speak its wire.
    OpenAi,
}

impl Provider {
    /// The provider's name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Provider::OpenAi => "OpenAI",
        }
    }

    /// The base URL of the provider's own server, which lets nobody in without a key.
    pub(super) fn home(self) -> Option<&'static str> {
        match self {
            Provider::OpenAi => Some(openai::HOME),
        }
    }

    /// The provider's wire, to ask this model.
    pub(super) fn wire(self, model: Model) -> Arc<dyn Wire> {
        match self {
            Provider::OpenAi => Arc::new(openai::OpenAi::new(model)),
        }
    }
}
