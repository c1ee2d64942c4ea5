//! LiteLLM's names: `provider/model`, and the options that go with it.

use serde_json::{Map, Value};

use super::error::invalid;
use super::provider::{OptionShape, Provider};
use crate::config::Embedding;
use crate::failure::Failure;

/// Options of all providers, beside their own.
const COMMON: [(&str, OptionShape); 2] =
    [("api_base", OptionShape::Text), ("dimensions", OptionShape::Number)];

/// The provider and the name that it knows the model by. A model without a prefix is OpenAI's.
///
/// # Errors
///
/// `invalid_embedding` for a prefix that is not known.
pub(super) fn split(model: &str) -> Result<(Provider, &str), Failure> {
    let Some((prefix, name)) = model.split_once('/') else { return Ok((Provider::OpenAi, model)) };

    match Provider::ALL.into_iter().find(|provider| provider.profile().prefix == prefix) {
        Some(provider) => Ok((provider, name)),
        None => {
            let known: Vec<String> =
                Provider::ALL.iter().map(|known| format!("{}/", known.profile().prefix)).collect();
            Err(invalid(
                format!("unknown provider {prefix:?} in the model {model:?}"),
                format!(
                    "The known providers are {}. A model without a prefix is OpenAI's.",
                    known.join(", ")
                ),
            ))
        }
    }
}

/// The model's name without a prefix that is known.
pub(super) fn bare(model: &str) -> &str {
    split(model).map_or(model, |(_, name)| name)
}

/// Name under which the server finds the key of a vectorizer's provider: the declared one, or that which the
/// provider's usually has.
pub fn api_key_name(embedding: &Embedding) -> Option<&str> {
    if let Some(declared) = embedding.declared_api_key_name() {
        return Some(declared);
    }
    match embedding {
        Embedding::Litellm { model, .. } => usual_api_key_name(model),
        Embedding::Openai { .. } | Embedding::Ollama { .. } | Embedding::Voyageai { .. } => None,
    }
}

/// The key's name where none is declared.
fn usual_api_key_name(model: &str) -> Option<&'static str> {
    split(model).ok().and_then(|(provider, _)| provider.profile().api_key_name)
}

/// The base URL, and what is sent along, of a vectorizer's `extra_options`.
///
/// # Errors
///
/// `invalid_embedding` for an option that the provider does not have, or not in this shape.
pub(super) fn options(
    provider: Provider,
    dimensions: u32,
    given: &Option<Map<String, Value>>,
) -> Result<(Option<String>, Map<String, Value>), Failure> {
    let mut base_url = None;
    let mut parameters = Map::new();
    for (name, value) in given.iter().flatten().filter(|(_, value)| !value.is_null()) {
        if name == "api_key" {
            return Err(invalid(
                "extra_options must not contain an API key",
                "Specify the key's name with api_key_name; the server looks it up.",
            ));
        }

        require_known(provider, name, value)?;
        match (name.as_str(), value) {
            ("api_base", Value::String(url)) => base_url = Some(url.clone()),
            ("dimensions", value) if value.as_u64() == Some(dimensions.into()) => {}
            ("dimensions", _) => {
                return Err(invalid(
                    format!("dimensions in extra_options differ from the vectorizer's {dimensions}"),
                    "Omit dimensions from extra_options; the argument is used.",
                ));
            }
            (name, value) => {
                parameters.insert(name.to_owned(), value.clone());
            }
        }
    }

    Ok((base_url, parameters))
}

fn require_known(provider: Provider, name: &str, value: &Value) -> Result<(), Failure> {
    let profile = provider.profile();
    let known = || COMMON.iter().chain(profile.options);
    let Some((_, shape)) = known().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = known().map(|(known, _)| *known).collect();
        return Err(invalid(
            format!("{} does not support the option {name:?} in extra_options", profile.name),
            format!("It has {}.", known.join(", ")),
        ));
    };

    let (fits, expected) = match shape {
        OptionShape::Text => (value.is_string(), "a string"),
        OptionShape::Flag => (value.is_boolean(), "true or false"),
        OptionShape::Number => (value.is_number(), "a number"),
        OptionShape::Object => (value.is_object(), "an object"),
    };

    if fits {
        return Ok(());
    }
    let message = format!("{name:?} in extra_options must be {expected}");
    Err(invalid(message, "Write it as JSON, such as {\"api_base\": \"https://host/v1\"}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(provider: Provider, given: Value) -> Failure {
        options(provider, 3, &given.as_object().cloned()).unwrap_err()
    }

    #[test]
    fn a_prefix_names_the_provider() {
        assert_eq!(split("text-embedding-3-small").unwrap(), (Provider::OpenAi, "text-embedding-3-small"));
        assert_eq!(split("openai/BAAI/bge-m3").unwrap(), (Provider::OpenAi, "BAAI/bge-m3"));
        assert_eq!(split("huggingface/BAAI/bge-m3").unwrap(), (Provider::HuggingFace, "BAAI/bge-m3"));
        assert_eq!(bare("mistral/mistral-embed"), "mistral-embed");
        assert_eq!(usual_api_key_name("gemini/gemini-embedding-001"), Some("GEMINI_API_KEY"));
    }

    #[test]
    fn an_unknown_prefix_is_told_the_known_ones() {
        let failure = split("acme/embed").unwrap_err();
        assert_eq!(failure.message, "unknown provider \"acme\" in the model \"acme/embed\"");
        let hint = failure.hint.unwrap();
        for provider in Provider::ALL {
            assert!(hint.contains(&format!("{}/", provider.profile().prefix)), "{hint}");
        }
    }

    #[test]
    fn options_are_the_providers() {
        let given =
            serde_json::json!({"api_base": "http://h", "dimensions": 3, "truncate": "END", "user": null});
        let (base_url, parameters) = options(Provider::Cohere, 3, &given.as_object().cloned()).unwrap();
        assert_eq!(base_url.as_deref(), Some("http://h"));
        assert_eq!(Value::Object(parameters), serde_json::json!({"truncate": "END"}));
    }

    #[test]
    fn what_a_provider_does_not_know_is_refused() {
        let unknown = failure(Provider::Cohere, serde_json::json!({"temperature": 1}));
        assert_eq!(unknown.message, "Cohere does not support the option \"temperature\" in extra_options");
        assert_eq!(unknown.hint.unwrap(), "It has api_base, dimensions, input_type, truncate.");
        assert_eq!(
            failure(Provider::Azure, serde_json::json!({"api_version": 2024})).message,
            "\"api_version\" in extra_options must be a string"
        );
        assert_eq!(
            failure(Provider::OpenAi, serde_json::json!({"api_base": 1})).message,
            "\"api_base\" in extra_options must be a string"
        );
        assert!(
            failure(Provider::OpenAi, serde_json::json!({"dimensions": 4}))
                .message
                .contains("dimensions in extra_options differ")
        );
        let key = failure(Provider::OpenAi, serde_json::json!({"api_key": "sk-secret"}));
        assert!(!format!("{key:?}").contains("sk-secret"));
    }
}
