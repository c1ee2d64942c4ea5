//! Limits on what may be sent where: the servers that a vectorizer's author may have asked, and those of
//! them that get a key.
//!
//! They are checked when a vectorizer is declared, whenever the settings change, and before anything is
//! sent.
//!
//! * `keys`: the servers that may receive a key

mod keys;

use serde_json::{Map, Value};

pub use self::keys::is_listed;
use self::keys::name_not_allowed;
use super::error::{ADMINISTRATOR, invalid_base_url};
use super::litellm::api_key_name;
use super::provider::{LOCAL_OLLAMA, Provider};
use crate::config::{Author, Embedding};
use crate::failure::{Failure, Retry, Step};
use crate::network::{Reach, SocketAddress};
use crate::secret::ApiKey;
use crate::server_url::ServerUrl;
use crate::settings::Settings;

/// Rights of an author, concerning one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permission {
    /// Addresses that the server's host may lead to.
    pub reach: Reach,
    /// `true` if the server's key goes along, if there is one.
    pub with_key: bool,
}

/// A declaration of what is to be asked, for vectors or for relevance.
pub(super) struct EndpointDeclaration<'a> {
    /// The provider that is asked.
    pub provider: Provider,
    /// The server that it names, if it names one.
    pub base_url: Option<&'a str>,
    /// The name of the argument that the server is named in.
    pub argument: &'static str,
    /// The name of the key that it names, if it names one.
    pub declared_key_name: Option<&'a str>,
    /// The name of the key that is used: the declared one, or that which the provider's usually has.
    pub key_name: Option<&'a str>,
    /// Further options for the provider, by LiteLLM's names.
    pub options: Option<&'a Map<String, Value>>,
    /// The one who declared it.
    pub author: Author,
    /// The key that its name stands for, if there is one.
    pub key: Option<&'a ApiKey>,
}

impl<'a> EndpointDeclaration<'a> {
    /// Returns the declaration of an embedding, whose provider and server have been read from it.
    pub(super) fn of_embedding(
        embedding: &'a Embedding,
        provider: Provider,
        base_url: Option<&'a str>,
        author: Author,
        key: Option<&'a ApiKey>,
    ) -> Self {
        EndpointDeclaration {
            provider,
            base_url,
            argument: match embedding {
                Embedding::Litellm { .. } => "api_base",
                _ => "base_url",
            },
            declared_key_name: embedding.declared_api_key_name(),
            key_name: api_key_name(embedding),
            options: embedding.extra_options(),
            author,
            key,
        }
    }
}

impl EndpointDeclaration<'_> {
    /// Returns what the administrator allows of it.
    ///
    /// # Errors
    ///
    /// `api_key_name_not_allowed`, `invalid_base_url`, `base_url_not_allowed`, `api_key_not_for_server` and
    /// `aws_credentials_not_allowed`.
    pub(super) fn permit(&self, settings: &Settings) -> Result<Permission, Failure> {
        let declared = self.declared_key_name;
        if let Some(name) = declared
            && self.server_in_database().is_none()
            && !is_listed(name, &settings.api_key_names)
        {
            return Err(name_not_allowed(name));
        }

        if let Some(address) = self.base_url.filter(|address| SocketAddress::is_meant(address)) {
            return self.permit_socket(address, settings);
        }
        let url = match self.base_url {
            Some(url) => Some(ServerUrl::parse(url).map_err(|error| self.not_a_url(error))?),
            None => None,
        };
        let reach = self.reach(url.as_ref(), settings)?;
        if self.provider == Provider::Bedrock {
            self.require_credentials(url.as_ref(), settings)?;
        }

        let with_key = match self.key_name {
            None => true,
            Some(name) if self.may_receive(name, url.as_ref(), settings) => true,
            // Nobody asked for the key that the provider's is usually called.
            Some(_) if declared.is_none() => false,
            Some(name) => {
                let server = url.as_ref().map(|url| url.url().as_str());
                return Err(self.not_for_server(name, server));
            }
        };
        Ok(Permission { reach, with_key })
    }

    /// Returns what the administrator allows of a server that listens on a Unix socket: nobody may name one that is
    /// not listed exactly as it is written, and a key goes there only if it is paired with that.
    fn permit_socket(&self, address: &str, settings: &Settings) -> Result<Permission, Failure> {
        if !settings.allowed_base_urls.iter().any(|listed| listed == address) {
            let message = format!("this {} is not allowed on this server", self.argument);
            return Err(refused("base_url_not_allowed", message).with_hint(
                "A superuser can add the Unix socket to pgai_rs.allowed_base_urls, exactly as it is written here.",
            ));
        }

        let with_key = match self.key_name {
            None => true,
            Some(name) if self.may_send(name, address, settings) => true,
            Some(_) if self.declared_key_name.is_none() => false,
            Some(name) => return Err(self.not_for_server(name, Some(address))),
        };
        Ok(Permission { reach: Reach::Named, with_key })
    }

    /// Returns whether the key of this name may go to a socket: the declaration is a superuser's word, or the two are paired.
    fn may_send(&self, name: &str, address: &str, settings: &Settings) -> bool {
        let is_word = self.author == Author::Superuser && self.server_in_database().is_none();
        is_word || self.servers_of(name, settings).contains(&Some(address))
    }

    /// The server that the key was set for, if it was set for the database.
    fn server_in_database(&self) -> Option<Option<&str>> {
        self.key.and_then(ApiKey::server_in_database)
    }

    fn reach(&self, url: Option<&ServerUrl>, settings: &Settings) -> Result<Reach, Failure> {
        let Some(url) = url else { return self.default_reach(settings) };
        if self.author == Author::Superuser || self.provider.is_own_server(url, settings) {
            return Ok(Reach::Named);
        }
        match url.is_allowed(&settings.allowed_base_urls) {
            true => Ok(url.reach(&settings.allowed_base_urls)),
            false => Err(base_url_not_allowed(self.argument)),
        }
    }

    /// Returns the reach if no server is declared: the provider's or the administrator's server is
    /// asked. Ollama is an exception, for nobody named whatever listens on this host.
    fn default_reach(&self, settings: &Settings) -> Result<Reach, Failure> {
        let is_named = self.provider != Provider::Ollama || settings.ollama_base_url.is_some();
        if is_named || self.author == Author::Superuser {
            return Ok(Reach::Named);
        }

        let local = ServerUrl::parse(LOCAL_OLLAMA).map_err(|error| self.not_a_url(error))?;
        if local.is_allowed(&settings.allowed_base_urls) {
            return Ok(local.reach(&settings.allowed_base_urls));
        }

        let message = "Ollama on the server's own host is not allowed on this server".to_owned();
        Err(refused("base_url_not_allowed", message).with_hint(format!(
            "A superuser can set pgai_rs.ollama_base_url to '{LOCAL_OLLAMA}', or add that to \
             pgai_rs.allowed_base_urls."
        )))
    }

    fn not_a_url(&self, error: crate::server_url::ServerUrlError) -> Failure {
        let hint = error.hint("https://host/v1");
        let hint = match self.provider.default_server_name() {
            Some(default) => format!("{hint} Without it, {default} is asked."),
            None => hint,
        };
        invalid_base_url(&format!("{} {error}", self.argument), &hint)
    }
}

fn refused(code: &'static str, message: String) -> Failure {
    Failure::new(Step::Embedding, code, message, Retry::After(ADMINISTRATOR))
}

/// A URL that its author may not have asked, given in the argument of this name.
pub(super) fn base_url_not_allowed(argument: &str) -> Failure {
    refused("base_url_not_allowed", format!("this {argument} is not allowed on this server"))
        .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_base_urls.")
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::super::resolve::check;
    use super::*;

    pub(super) fn settings(names: &[&str], urls: &[&str]) -> Settings {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        Settings { api_key_names: owned(names), allowed_base_urls: owned(urls), ..Settings::default() }
    }

    pub(super) fn code(embedding: Value, author: Author, settings: &Settings) -> Option<&'static str> {
        code_with(embedding, author, None, settings)
    }

    pub(super) fn code_with(
        embedding: Value,
        author: Author,
        key: Option<&ApiKey>,
        settings: &Settings,
    ) -> Option<&'static str> {
        let embedding: Embedding = serde_json::from_value(embedding).unwrap();
        check(&embedding, author, key, settings).err().map(|failure| {
            let ways_out = ["pgai_rs.", "https://", "ai.set_secret"];
            assert!(failure.hint.is_some_and(|hint| ways_out.iter().any(|way| hint.contains(way))));
            failure.code
        })
    }

    pub(super) fn openai(key: Option<&str>, base_url: Option<&str>) -> Value {
        json!({"implementation": "openai", "model": "m", "dimensions": 3, "api_key_name": key, "base_url": base_url})
    }

    #[test]
    fn an_ollama_on_this_host_is_the_administrators_to_name() {
        let ollama = |base_url: Option<&str>, author, ours: &Settings| {
            let config =
                json!({"implementation": "ollama", "model": "m", "dimensions": 3, "base_url": base_url});
            code(config, author, ours)
        };
        let none = settings(&[], &[]);
        let listed = settings(&[], &["http://localhost:11434"]);
        let named = Settings { ollama_base_url: Some(LOCAL_OLLAMA.into()), ..settings(&[], &[]) };
        let elsewhere = Settings { ollama_base_url: Some("http://ollama".into()), ..settings(&[], &[]) };

        for url in [None, Some(LOCAL_OLLAMA)] {
            assert_eq!(ollama(url, Author::Other, &none), Some("base_url_not_allowed"));
            assert_eq!(ollama(url, Author::Superuser, &none), None);
            assert_eq!(ollama(url, Author::Other, &listed), None);
            assert_eq!(ollama(url, Author::Other, &named), None);
        }
        assert_eq!(ollama(None, Author::Other, &elsewhere), None);
        assert_eq!(ollama(Some(LOCAL_OLLAMA), Author::Other, &elsewhere), Some("base_url_not_allowed"));
    }

    #[test]
    fn what_a_base_url_may_be_is_asked_before_it_is() {
        let ours = settings(&[], &["http://h"]);
        let other = |url| code(openai(None, Some(url)), Author::Other, &ours);
        assert_eq!(other("http://h/v1"), None);
        assert_eq!(other("http://other/v1"), Some("base_url_not_allowed"));
        for author in [Author::Other, Author::Superuser] {
            let url = "http://user:SECRET@h/v1";
            assert_eq!(code(openai(None, Some(url)), author, &ours), Some("invalid_base_url"));
            let embedding: Embedding = serde_json::from_value(openai(None, Some(url))).unwrap();
            assert!(!format!("{:?}", check(&embedding, author, None, &ours)).contains("SECRET"));
        }
    }

    #[test]
    fn a_hint_tells_who_is_asked_without_a_base_url() {
        let hint = |implementation: &str| {
            let config =
                json!({"implementation": implementation, "model": "m", "dimensions": 3, "base_url": "h"});
            let embedding: Embedding = serde_json::from_value(config).unwrap();
            check(&embedding, Author::Superuser, None, &settings(&[], &[])).unwrap_err().hint.unwrap()
        };
        assert!(hint("openai").ends_with("Without it, that of pgai_rs.openai_base_url is asked."));
        assert!(hint("ollama").ends_with("Without it, that of pgai_rs.ollama_base_url is asked."));
        assert!(hint("voyageai").ends_with("Without it, the server of Voyage AI is asked."));
    }

    #[test]
    fn a_host_that_only_its_author_chose_leads_to_the_internet() {
        let reach = |allowed: &[&str], url: &str, author| {
            let ours = settings(&[], allowed);
            let embedding = serde_json::from_value(openai(None, Some(url))).unwrap();
            let declaration =
                EndpointDeclaration::of_embedding(&embedding, Provider::OpenAi, Some(url), author, None);
            declaration.permit(&ours).map(|permission| permission.reach)
        };
        assert_eq!(reach(&["https://"], "https://10.0.0.1/v1", Author::Other), Ok(Reach::Public));
        assert_eq!(
            reach(&["https://", "https://10.0.0.1"], "https://10.0.0.1/v1", Author::Other),
            Ok(Reach::Named)
        );
        assert_eq!(reach(&["https://"], "https://api.openai.com/v1", Author::Other), Ok(Reach::Named));
        assert_eq!(reach(&[], "http://10.0.0.1/v1", Author::Superuser), Ok(Reach::Named));
    }
}
