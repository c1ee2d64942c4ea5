//! Providers of models, one file each: how a provider is asked, how it answers, and what it takes.
//!
//! * `protocol`: the trait that each implements, and the profile of each
//! * `plain`: the protocol that `jina`, `mistral` and `voyage` have in common
//! * `openai`, `ollama`, `huggingface`: protocols of servers that people run themselves, too
//! * `azure`, `bedrock`, `cohere`, `gemini`, `jina`, `mistral`, `vertex`, `voyage`: services

mod azure;
mod bedrock;
mod cohere;
mod gemini;
mod huggingface;
mod jina;
mod mistral;
mod ollama;
mod openai;
mod plain;
mod protocol;
mod vertex;
mod voyage;

pub(in crate::embed) use self::bedrock::{
    CREDENTIALS as AWS_CREDENTIALS, address as bedrock_address, region as bedrock_region,
    role_arn as bedrock_role_arn,
};
pub(in crate::embed) use self::ollama::LOCAL as LOCAL_OLLAMA;
pub use self::ollama::url_of_host as ollama_url;
pub(in crate::embed) use self::openai::OpenAiRequest;
pub(in crate::embed) use self::protocol::{OptionShape, Profile, Protocol};
pub(in crate::embed) use self::vertex::address as vertex_address;
use crate::failure::Failure;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

/// A provider whose protocol is known.
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
    /// Jina AI.
    Jina,
    /// Mistral AI.
    Mistral,
    /// Ollama.
    Ollama,
    /// OpenAI, and the many servers that speak its protocol.
    OpenAi,
    /// Google's Vertex AI.
    Vertex,
    /// Voyage AI.
    Voyage,
}

impl Provider {
    /// All of them, by prefix.
    pub(super) const ALL: [Provider; 11] = [
        Provider::Azure,
        Provider::Bedrock,
        Provider::Cohere,
        Provider::Gemini,
        Provider::HuggingFace,
        Provider::Jina,
        Provider::Mistral,
        Provider::Ollama,
        Provider::OpenAi,
        Provider::Vertex,
        Provider::Voyage,
    ];

    /// Returns the provider's profile.
    pub(super) fn profile(self) -> &'static Profile {
        match self {
            Provider::Azure => &azure::PROFILE,
            Provider::Bedrock => &bedrock::PROFILE,
            Provider::Cohere => &cohere::PROFILE,
            Provider::Gemini => &gemini::PROFILE,
            Provider::HuggingFace => &huggingface::PROFILE,
            Provider::Jina => &jina::PROFILE,
            Provider::Mistral => &mistral::PROFILE,
            Provider::Ollama => &ollama::PROFILE,
            Provider::OpenAi => &openai::PROFILE,
            Provider::Vertex => &vertex::PROFILE,
            Provider::Voyage => &voyage::PROFILE,
        }
    }

    /// Returns whether this is the provider's own server, asked as it wants to be.
    pub(super) fn is_home(self, url: &ServerUrl) -> bool {
        match (self, self.profile().home) {
            // It has a host for each location.
            (Provider::Vertex, _) => vertex::is_home(url),
            (_, Some(home)) => ServerUrl::parse(home).is_ok_and(|home| url.is_within(&home.origin())),
            (_, None) => false,
        }
    }

    /// Returns whether this is the provider's own server, or the one that the administrator set in its place.
    pub(super) fn is_own_server(self, url: &ServerUrl, settings: &Settings) -> bool {
        let is_default = || self.default_server(settings).is_some_and(|default| url.is_within(&default));
        self.is_home(url) || is_default()
    }

    /// Returns whether keys of this name are its own, and it has a server of its own that they are for.
    pub(super) fn has_own_server_for(self, api_key_name: &str) -> bool {
        let has_server = self == Provider::Vertex || self.profile().home.is_some();
        has_server && self.profile().api_key_name == Some(api_key_name)
    }

    /// The server that is asked if a vectorizer does not say, where that is one for all: the provider's own,
    /// or the administrator's choice. An Ollama on this host that nobody named is neither.
    pub(super) fn default_server(self, settings: &Settings) -> Option<ServerUrl> {
        let url = match self {
            Provider::OpenAi => Some(settings.openai_base_url.as_str()),
            Provider::Ollama => settings.ollama_base_url.as_deref(),
            other => other.profile().home,
        };
        url.and_then(|url| ServerUrl::parse(url).ok())
    }

    /// Returns what to call the server that is asked if a vectorizer does not say; `None` if that depends on other
    /// declarations, or there is none.
    pub(super) fn default_server_name(self) -> Option<String> {
        match self {
            Provider::OpenAi => Some("that of pgai_rs.openai_base_url".to_owned()),
            Provider::Ollama => Some("that of pgai_rs.ollama_base_url".to_owned()),
            other => other.profile().home.map(|_| format!("the server of {}", other.profile().name)),
        }
    }

    /// Refuses a model that can't be asked, as far as its name tells.
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
