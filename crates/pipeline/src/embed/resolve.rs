//! Resolving what a vectorizer's author declared, and the operator set, to a model that can be asked.

use serde_json::{Map, Value};

use super::egress::EndpointDeclaration;
use super::endpoint::{Endpoint, LocalServer};
use super::error::{invalid, invalid_base_url};
use super::litellm;
use super::model::Model;
use super::name::{Address, name_of};
use super::provider::{
    LOCAL_OLLAMA, Provider, bedrock_address, bedrock_region, bedrock_role_arn, vertex_address,
};
use super::request::dimensions::MOST_DIMENSIONS;
use super::request::input_type::Purpose;
use crate::config::{Author, Embedding, S3Access};
use crate::failure::Failure;
use crate::network::SocketAddress;
use crate::secret::ApiKey;
use crate::server_url::ServerUrl;
use crate::settings::Settings;
use crate::usage::ModelName;

/// The largest number of bytes of the name of a model that is declared. The longest that providers have are ARNs of Amazon Bedrock, of
/// about 120; usage is counted by the name ([`ModelName`]).
const LONGEST_NAME: usize = 200;

/// Finds the model that a vectorizer's provider is asked for with this purpose.
///
/// # Errors
///
/// `invalid_embedding`, if the config can't work with any server, and what the administrator does not allow.
pub(super) fn resolve(
    embedding: &Embedding,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
    purpose: Purpose<'_>,
) -> Result<Model, Failure> {
    let Declared { provider, name, base_url, mut parameters } = Declared::read(embedding)?;
    let profile = provider.profile();
    provider.check_name(name)?;
    check_shortening(embedding)?;

    if let Some(types) = &profile.input_types {
        let declared = parameters.remove(types.option);
        let declared = declared.as_ref().and_then(Value::as_str);
        if let Some(chosen) = types.choose(profile.name, declared, purpose)? {
            parameters.insert(types.option.to_owned(), chosen.into());
        }
    }

    let server = base_url.as_deref();
    let key = api_key.as_ref();
    let declaration = EndpointDeclaration::of_embedding(embedding, provider, server, author, key);
    let permission = declaration.permit(settings)?;

    let base_url = match base_url {
        Some(base_url) => base_url,
        None => default_base_url(provider, &parameters, settings)?,
    };
    let socket = local_server(provider, &base_url)?;

    // A key that may not go there is left out, but for one that the caller brings along.
    let api_key = api_key.filter(|key| permission.with_key || key.is_callers());
    let api_key = api_key.map(ApiKey::trimmed).filter(|key| !key.expose().is_empty());

    let endpoint = Endpoint {
        at_home: ServerUrl::parse(&base_url).is_ok_and(|url| provider.is_home(&url)),
        base_url,
        socket,
        model: name.to_owned(),
        dimensions: embedding.answered_dimensions(),
        shortened_to: embedding.shortened_from().map(|_| embedding.dimensions()),
        known_dimensions: (profile.dimensions)(name),
        author,
        region: settings.s3.region.clone(),
        reach: permission.reach,
        api_key,
        parameters,
    };
    Ok(Model { provider, endpoint })
}

/// Errors (`invalid_embedding`) if vectors are to be shortened to more numbers than they have, or to none, or have more than any
/// model makes.
fn check_shortening(embedding: &Embedding) -> Result<(), Failure> {
    match embedding.shortened_from() {
        Some(own) if own as usize > MOST_DIMENSIONS => Err(invalid(
            format!(
                "vectors of {own} dimensions cannot be shortened, but those of at most {MOST_DIMENSIONS}"
            ),
            "Specify the model with the number of dimensions that it has.",
        )),
        Some(own) if !(1..own).contains(&embedding.dimensions()) => Err(invalid(
            format!("vectors of {own} dimensions cannot be shortened to {}", embedding.dimensions()),
            "Specify fewer dimensions than the model's own, or the model without ai.embedding_shortened().",
        )),
        _ => Ok(()),
    }
}

/// Errors unless a model can be asked as it is declared, with this key if there is one, as far as that is
/// known without asking.
///
/// # Errors
///
/// `invalid_embedding`: an unknown provider or option, dimensions that the model does not have. And what its
/// author may not do: `invalid_base_url`, `base_url_not_allowed`, `api_key_name_not_allowed`,
/// `api_key_not_for_server`.
pub fn check(
    embedding: &Embedding,
    author: Author,
    key: Option<&ApiKey>,
    settings: &Settings,
) -> Result<(), Failure> {
    check_length(Declared::read(embedding)?.name)?;
    resolve(embedding, author, key.cloned(), settings, Purpose::Document)?.check_dimensions()
}

/// Errors (`invalid_embedding`) if a model's name is longer than one that is declared may be.
fn check_length(name: &str) -> Result<(), Failure> {
    match name.len() {
        0..=LONGEST_NAME => Ok(()),
        length => Err(invalid(
            format!("the name of the model has {length} bytes, but may have {LONGEST_NAME} at most"),
            "Specify the name by which its provider knows it.",
        )),
    }
}

/// Errors unless the administrator still allows what a vectorizer's author declared.
///
/// # Errors
///
/// The errors of [`check`] that are about the author. What can't work is the business of whoever asks.
pub fn permit(
    embedding: &Embedding,
    author: Author,
    key: Option<&ApiKey>,
    settings: &Settings,
) -> Result<(), Failure> {
    let Ok(Declared { provider, base_url, .. }) = Declared::read(embedding) else { return Ok(()) };
    let server = base_url.as_deref();
    let declaration = EndpointDeclaration::of_embedding(embedding, provider, server, author, key);
    declaration.permit(settings).map(drop)
}

/// Returns the name of the model that a vectorizer's provider is asked for, whether it may be asked or not.
///
/// # Errors
///
/// `invalid_embedding`, if the config can't work with any server.
pub fn model_name(embedding: &Embedding, settings: &Settings) -> Result<ModelName, Failure> {
    let Declared { provider, name, base_url, parameters } = Declared::read(embedding)?;
    provider.check_name(name)?;
    if let Some(url) = &base_url {
        return Ok(name_of(provider, name, Address::Declared(url)));
    }
    let url = default_base_url(provider, &parameters, settings)?;
    Ok(name_of(provider, name, Address::Default(&url)))
}

/// The identity that a provider is asked with, if it is one of AWS'; the operator decides who may use it.
pub fn aws_access(embedding: &Embedding, author: Author) -> Option<S3Access> {
    let Embedding::Litellm { model, extra_options, .. } = embedding else { return None };
    let (provider, _) = litellm::split(model).ok()?;
    let aws_role_arn = extra_options.as_ref().and_then(bedrock_role_arn).map(str::to_owned);
    (provider == Provider::Bedrock).then(|| S3Access { aws_role_arn, author, ..S3Access::default() })
}

/// The prefix by which LiteLLM's names call the provider that is asked; none if it is not known.
///
/// ```
/// use pgai_rs_pipeline::config::Embedding;
/// use pgai_rs_pipeline::embed::provider_prefix;
///
/// let asked = |config| provider_prefix(&serde_json::from_value::<Embedding>(config).unwrap());
/// let litellm = |model: &str| {
///     asked(serde_json::json!({"implementation": "litellm", "model": model, "dimensions": 3}))
/// };
/// assert_eq!(litellm("cohere/embed-v4.0"), Some("cohere"));
/// assert_eq!(litellm("text-embedding-3-small"), Some("openai"));
/// assert_eq!(litellm("nobodys/model"), None);
/// ```
pub fn provider_prefix(embedding: &Embedding) -> Option<&'static str> {
    Declared::read(embedding).ok().map(|declared| declared.provider.profile().prefix)
}

/// The author's declaration of a model, whichever builder it was made by.
struct Declared<'a> {
    provider: Provider,
    name: &'a str,
    base_url: Option<String>,
    parameters: Map<String, Value>,
}

impl<'a> Declared<'a> {
    fn read(embedding: &'a Embedding) -> Result<Self, Failure> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let (provider, name, base_url, parameters) = match embedding {
            Embedding::Openai { model, user, base_url, .. } => {
                (Provider::OpenAi, model, base_url, set([("user", text(user))]))
            }
            Embedding::Ollama { model, base_url, options, keep_alive, .. } => {
                let options = options.clone().map(Value::Object);
                let parameters = set([("options", options), ("keep_alive", text(keep_alive))]);
                (Provider::Ollama, model, base_url, parameters)
            }
            Embedding::Voyageai { model, input_type, base_url, .. } => {
                (Provider::Voyage, model, base_url, set([("input_type", text(input_type))]))
            }
            Embedding::Litellm { model, extra_options, .. } => {
                let (provider, name) = litellm::split(model)?;
                let (base_url, parameters) =
                    litellm::options(provider, embedding.answered_dimensions(), extra_options)?;
                return Ok(Declared { provider, name, base_url, parameters });
            }
        };

        Ok(Declared { provider, name, base_url: base_url.clone(), parameters })
    }
}

/// The parameters that are set.
fn set<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Returns the server whose Unix socket an address names; `None` if it is another kind of address.
///
/// # Errors
///
/// `invalid_base_url` for a path that can't be one, and for a provider that nobody runs on a host of their own.
pub(super) fn local_server(provider: Provider, address: &str) -> Result<Option<LocalServer>, Failure> {
    const HINT: &str = "Write it as unix:/run/pgai/model.sock.";
    if !SocketAddress::is_meant(address) {
        return Ok(None);
    }

    let Some(url) = provider.profile().local_url else {
        let name = provider.profile().name;
        return Err(invalid_base_url(
            &format!("{name} cannot be asked over a Unix socket"),
            "Specify a URL.",
        ));
    };
    let address = SocketAddress::parse(address)
        .map_err(|error| invalid_base_url(&format!("the address of a Unix socket {error}"), HINT))?;
    Ok(Some(LocalServer { address, url }))
}

fn default_base_url(
    provider: Provider,
    parameters: &Map<String, Value>,
    settings: &Settings,
) -> Result<String, Failure> {
    match provider {
        Provider::OpenAi => Ok(settings.openai_base_url.clone()),
        Provider::Ollama => Ok(settings.ollama_base_url.clone().unwrap_or_else(|| LOCAL_OLLAMA.to_owned())),
        Provider::Bedrock => {
            bedrock_address(bedrock_region(parameters, settings.s3.region.as_deref()).as_deref())
        }
        Provider::Vertex => vertex_address(parameters),
        other => match other.profile().home {
            Some(home) => Ok(home.to_owned()),
            None => Err(invalid(
                format!("no address for {} is specified", other.profile().name),
                "Specify its URL as api_base in extra_options.",
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai(model: &str, dimensions: u32, base_url: Option<&str>) -> Embedding {
        serde_json::from_value(serde_json::json!({
            "implementation": "openai", "model": model, "dimensions": dimensions, "base_url": base_url,
        }))
        .unwrap()
    }

    fn objection(embedding: &Embedding) -> Option<String> {
        check(embedding, Author::Superuser, None, &Settings::default()).err().map(|failure| failure.message)
    }

    #[test]
    fn dimensions_that_a_model_has_not_are_refused_before_it_is_asked() {
        assert_eq!(
            objection(&openai("text-embedding-ada-002", 768, None)).unwrap(),
            "dimensions must be 1536 for text-embedding-ada-002"
        );
        assert_eq!(objection(&openai("text-embedding-3-small", 1536, None)), None);
        assert!(objection(&openai("text-embedding-3-small", 1537, None)).is_some());
    }

    #[test]
    fn a_name_longer_than_any_models_is_refused_where_it_is_declared() {
        assert_eq!(objection(&openai(&"m".repeat(200), 3, Some("http://localhost/v1"))), None);
        let refused = objection(&openai(&"m".repeat(201), 3, None)).unwrap();
        assert_eq!(refused, "the name of the model has 201 bytes, but may have 200 at most");
    }

    #[test]
    fn another_server_may_have_another_model_of_that_name() {
        assert_eq!(objection(&openai("text-embedding-ada-002", 384, Some("http://localhost/v1"))), None);
    }
}
