//! The traits of a provider, for those who ask it: its protocol and its profile.

use std::sync::Arc;

use reqwest::RequestBuilder;

use crate::embed::endpoint::Endpoint;
use crate::embed::error::EmbedError;
use crate::embed::identity::CallerIdentity;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::Answered;
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::input_type::InputTypes;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};
use crate::secret::Secret;

/// A provider's protocol: how it is asked and how its answer is read.
///
/// Sending, pacing, retrying and checking are the same for all, and not a provider's matter.
pub(in crate::embed) trait Protocol: Send + Sync + 'static {
    /// Returns the URL to which requests go.
    fn url(&self) -> String;

    /// Adds the headers and the JSON of a request for these inputs.
    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder;

    /// Adds the headers and the JSON of a request for one text that is given as the numbers of its tokens;
    /// `None` if the provider takes texts only.
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
    /// If the JSON is not the provider's.
    fn read(&self, body: &[u8]) -> serde_json::Result<Answered>;

    /// The most that the provider takes in a request.
    fn limits(&self) -> Limits;

    /// Returns the parts that may stay in the request after this refusal, if it is about something that
    /// can be left out. Models of one length refuse to be told a length, even theirs.
    fn without(&self, optional: Optional, refusal: &ProviderRefusal) -> Optional {
        optional.without_dimensions(refusal)
    }

    /// Returns the kind of a refusal, where the provider says it in words of its own.
    fn kind(&self, _refusal: &ProviderRefusal) -> Option<RefusalKind> {
        None
    }

    /// Returns whether vectors may come in lengths other than 1 although the model's own have it: they
    /// are cut to fewer dimensions, and the provider does not say that it brings them to length 1 again.
    fn leaves_lengths(&self) -> bool {
        false
    }

    /// Returns the identity that the provider wants to see.
    fn identity(&self) -> CallerIdentity {
        CallerIdentity::Key
    }

    /// Returns what a person can do about a refusal, where that is peculiar to this provider.
    fn hint(&self, _kind: RefusalKind) -> Option<String> {
        None
    }

    /// The error that a refusal of these inputs comes to, with what the provider has to say about it.
    fn error(&self, refusal: ProviderRefusal, key: Option<&Secret>, inputs: &[Arc<str>]) -> EmbedError {
        let kind = self.kind(&refusal).unwrap_or_else(|| refusal.kind());
        refusal.into_error(kind, self.hint(kind), key, inputs)
    }
}

/// The facts that are known of a provider before it is asked.
pub(in crate::embed) struct Profile {
    /// The provider's name, for people.
    pub name: &'static str,
    /// LiteLLM's prefix of its models, without the slash.
    pub prefix: &'static str,
    /// The base URL of the provider's own server, which lets nobody in without a key.
    pub home: Option<&'static str>,
    /// The base URL of its protocol on a server that listens on a Unix socket, where servers of others speak it.
    pub local_url: Option<&'static str>,
    /// The name of its key where none is declared, as LiteLLM has it.
    pub api_key_name: Option<&'static str>,
    /// The options that an author may want to be sent along, as LiteLLM names them.
    pub options: &'static [(&'static str, OptionShape)],
    /// Its words for documents and queries, if it tells them apart.
    pub input_types: Option<InputTypes>,
    /// The dimensions of the model with this name.
    pub dimensions: fn(&str) -> Dimensions,
    /// Its protocol, to ask a model.
    pub protocol: fn(Endpoint) -> Arc<dyn Protocol>,
}

/// The shape that an option's value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embed) enum OptionShape {
    /// A string.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// An object, whose keys are the provider's matter.
    Object,
}
