//! What a provider is to those who ask it.

use std::sync::Arc;

use reqwest::RequestBuilder;

use crate::embed::endpoint::Endpoint;
use crate::embed::error::EmbedError;
use crate::embed::identity::Identity;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::Answered;
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{Kind, Refusal};
use crate::secret::Secret;

/// A provider's protocol: how it is asked and how its answer is read.
///
/// Sending, pacing, retrying and checking are the same for all, and not a provider's matter.
pub(in crate::embed) trait Protocol: Send + Sync + 'static {
    /// Where requests go.
    fn url(&self) -> String;

    /// Adds the headers and the JSON of a request for these inputs.
    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder;

    /// The same for one text that is given as the numbers of its tokens; none if the provider takes
    /// texts only.
    fn write_tokens(
        &self,
        _request: RequestBuilder,
        _tokens: &[u32],
        _optional: Optional,
    ) -> Option<RequestBuilder> {
        None
    }

    /// The vectors of an answer as the provider sent them, each with its index if it has one.
    ///
    /// # Errors
    ///
    /// When the JSON is not the provider's.
    fn read(&self, body: &[u8]) -> serde_json::Result<Answered>;

    /// The most that the provider takes in a request.
    fn limits(&self) -> Limits;

    /// What may stay in the request after this refusal, if it is about something that can be left out.
    /// Models of one length refuse to be told a length, even theirs.
    fn without(&self, optional: Optional, refusal: &Refusal) -> Optional {
        optional.without_dimensions(refusal)
    }

    /// What a refusal is, where the provider says it in words of its own.
    fn kind(&self, _refusal: &Refusal) -> Option<Kind> {
        None
    }

    /// Whether vectors may come in lengths other than 1 although the model's own have it: they are cut to fewer
    /// dimensions, and it is not said that they are brought to it again.
    fn leaves_lengths(&self) -> bool {
        false
    }

    /// As whom it wants to be asked.
    fn identity(&self) -> Identity {
        Identity::Key
    }

    /// What a person can do about a refusal, where that is something of this provider's.
    fn hint(&self, _kind: Kind) -> Option<String> {
        None
    }

    /// The error that a refusal of these inputs comes to, with what the provider has to say about it.
    fn error(&self, refusal: Refusal, key: Option<&Secret>, inputs: &[Arc<str>]) -> EmbedError {
        let kind = self.kind(&refusal).unwrap_or_else(|| refusal.kind());
        refusal.into_error(kind, self.hint(kind), key, inputs)
    }
}

/// What is known of a provider before it is asked.
pub(in crate::embed) struct Profile {
    /// The provider's name, for people.
    pub name: &'static str,
    /// LiteLLM's prefix of its models, without the slash.
    pub prefix: &'static str,
    /// The base URL of the provider's own server, which lets nobody in without a key.
    pub home: Option<&'static str>,
    /// The name of its key where none is declared, as LiteLLM has it.
    pub api_key_name: Option<&'static str>,
    /// What an author may want to be sent along, as LiteLLM names it.
    pub options: &'static [(&'static str, Shape)],
    /// How it tells documents from queries, if it does.
    pub input_types: Option<InputTypes>,
    /// Which dimensions a model has.
    pub dimensions: fn(&str) -> Dimensions,
    /// Its protocol, to ask a model.
    pub protocol: fn(Endpoint) -> Arc<dyn Protocol>,
}

/// What an option's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) enum Shape {
    /// A string.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// An object, whose keys are the provider's matter.
    Object,
}
