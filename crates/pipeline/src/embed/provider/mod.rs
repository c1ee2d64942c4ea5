//! Providers of models, one file each: how a provider is asked, how it answers, and what it takes.

mod azure;
mod bedrock;
mod cohere;
mod gemini;
mod huggingface;
mod mistral;
mod ollama;
mod openai;
mod vertex;
mod voyage;

use std::sync::Arc;

use reqwest::RequestBuilder;

pub(in crate::embed) use self::bedrock::{
    address as bedrock_address, region as bedrock_region, role_arn as bedrock_role_arn,
};
pub use self::ollama::url_of_host as ollama_url;
pub(in crate::embed) use self::ollama::LOCAL as LOCAL_OLLAMA;
pub(in crate::embed) use self::vertex::address as vertex_address;
use super::answer::Answered;
use super::dimensions::Dimensions;
use super::identity::Identity;
use super::input_type::InputTypes;
use super::model::Model;
use super::pack::Limits;
use super::refusal::{Kind, Refusal};
use crate::failure::Failure;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

/// A provider's wire: how it is asked and how its answer is read.
///
/// Sending, pacing, retrying and checking are the same for all, and not a provider's matter.
pub(super) trait Wire: Send + Sync + 'static {
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
}

/// What a request can do without, and still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Optional {
    /// Asking for vectors in base64, which is a third of the size of numbers.
    pub base64: bool,
    /// Telling the number of dimensions, which is the model's own anyway if it has one only.
    pub dimensions: bool,
}

impl Optional {
    /// Leaves the dimensions out if the refusal is about them. The answer's are checked anyway.
    fn without_dimensions(self, refusal: &Refusal) -> Self {
        let words = ["dimensions", "dimension", "matryoshka"];
        let refused = refusal.is_bad_request() && words.iter().any(|word| refusal.is_about(word));
        Optional { dimensions: self.dimensions && !refused, ..self }
    }
}

/// What is known of a provider before it is asked.
pub(super) struct Profile {
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
    /// Its wire, to ask a model.
    pub wire: fn(Model) -> Arc<dyn Wire>,
}

/// What an option's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// An object, whose keys are the provider's matter.
    Object,
}

/// A provider whose wire is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Provider {
    /// Azure OpenAI.
    Azure,
    /// Amazon Bedrock.
    Bedrock,
    /// Cohere.
    Cohere,
    /// Google's Gemini API.
    Gemini,
    /// Hugging Face's Text Embeddings Inference.
    HuggingFace,
    /// Mistral AI.
    Mistral,
    /// Ollama.
    Ollama,
    /// OpenAI, and the many servers that speak its wire.
    OpenAi,
    /// Google's Vertex AI.
    Vertex,
    /// Voyage AI.
    Voyage,
}

impl Provider {
    /// All of them, by prefix.
    pub(super) const ALL: [Provider; 10] = [
        Provider::Azure,
        Provider::Bedrock,
        Provider::Cohere,
        Provider::Gemini,
        Provider::HuggingFace,
        Provider::Mistral,
        Provider::Ollama,
        Provider::OpenAi,
        Provider::Vertex,
        Provider::Voyage,
    ];

    /// What is known of it.
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Provider::Azure => &azure::PROFILE,
            Provider::Bedrock => &bedrock::PROFILE,
            Provider::Cohere => &cohere::PROFILE,
            Provider::Gemini => &gemini::PROFILE,
            Provider::HuggingFace => &huggingface::PROFILE,
            Provider::Mistral => &mistral::PROFILE,
            Provider::Ollama => &ollama::PROFILE,
            Provider::OpenAi => &openai::PROFILE,
            Provider::Vertex => &vertex::PROFILE,
            Provider::Voyage => &voyage::PROFILE,
        }
    }

    /// Tells whether this is the provider's own server, asked as it wants to be.
    pub(super) fn is_home(self, url: &ServerUrl) -> bool {
        match (self, self.profile().home) {
            // It has a host for each location.
            (Provider::Vertex, _) => vertex::is_home(url),
            (_, Some(home)) => ServerUrl::parse(home).is_ok_and(|home| url.is_within(&home.origin())),
            (_, None) => false,
        }
    }

    /// Tells whether this is the provider's own server, or the one that the administrator set in its place.
    pub(super) fn is_own_server(self, url: &ServerUrl, settings: &Settings) -> bool {
        let is_default = || self.default_server(settings).is_some_and(|default| url.is_within(&default));
        self.is_home(url) || is_default()
    }

    /// Tells whether keys of this name are its own, and it has a server of its own that they are for.
    pub(super) fn has_own_server_for(self, api_key_name: &str) -> bool {
        let has_server = self == Provider::Vertex || self.profile().home.is_some();
        has_server && self.profile().api_key_name == Some(api_key_name)
    }

    /// The server that is asked if a vectorizer does not say, where that is one for all: the provider's own, or the
    /// administrator's choice. An Ollama on this host that nobody named is neither.
    pub(super) fn default_server(self, settings: &Settings) -> Option<ServerUrl> {
        let url = match self {
            Provider::OpenAi => Some(settings.openai_base_url.as_str()),
            Provider::Ollama => settings.ollama_base_url.as_deref(),
            other => other.profile().home,
        };
        url.and_then(|url| ServerUrl::parse(url).ok())
    }

    /// Whether a model of this name can be asked, as far as its name tells.
    ///
    /// # Errors
    ///
    /// `invalid_embedding`.
    pub(super) fn check_name(self, name: &str) -> Result<(), Failure> {
        match self {
            Provider::Bedrock => bedrock::check_name(name),
            _ => Ok(()),
        }
    }
}
