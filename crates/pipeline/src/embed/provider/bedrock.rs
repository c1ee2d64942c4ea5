//! Amazon Bedrock, `InvokeModel` with the embedding models of Amazon and of Cohere.

use std::sync::Arc;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cohere;
use super::protocol::{OptionShape, Profile, Protocol};
use crate::config::S3Access;
use crate::embed::endpoint::{Endpoint, percent_encoded};
use crate::embed::error::invalid;
use crate::embed::identity::CallerIdentity;
use crate::embed::identity::SigningScope;
use crate::embed::limits::pack::Limits;
use crate::embed::request::answer::{Answered, AnsweredVector, unnumbered};
use crate::embed::request::dimensions::Dimensions;
use crate::embed::request::optional::Optional;
use crate::embed::request::refusal::{ProviderRefusal, RefusalKind};
use crate::embed::request::said::Said;
use crate::failure::Failure;

/// The profile of Bedrock. It is asked with the identities that S3 is asked with; the options' names are
/// LiteLLM's.
pub(super) const PROFILE: Profile = Profile {
    name: "Amazon Bedrock",
    prefix: "bedrock",
    home: None,
    local_url: None,
    api_key_name: None,
    options: &[
        (REGION, OptionShape::Text),
        (ROLE, OptionShape::Text),
        ("input_type", OptionShape::Text),
        ("normalize", OptionShape::Flag),
        ("truncate", OptionShape::Text),
    ],
    input_types: Some(cohere::INPUT_TYPES),
    dimensions,
    protocol: |endpoint| Arc::new(Bedrock::new(endpoint)),
};

/// The name by which `pgai_rs.api_key_names` lists the server's own AWS credentials, wherever they come from.
pub(in crate::embed) const CREDENTIALS: &str = "AWS_ACCESS_KEY_ID";

/// LiteLLM's name of the region.
const REGION: &str = "aws_region_name";
/// LiteLLM's name of a role's ARN.
const ROLE: &str = "aws_role_name";

/// A model's own request and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>
    Titan,
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>
    Cohere,
}

/// The name without the geography of an inference profile, as in `us.cohere.embed-v4:0`.
fn base(name: &str) -> &str {
    match name.split_once('.') {
        Some((first, rest)) if !matches!(first, "amazon" | "cohere") => rest,
        _ => name,
    }
}

fn family(name: &str) -> Option<Family> {
    let name = base(name);
    if name.starts_with("amazon.titan-embed-text-") {
        return Some(Family::Titan);
    }
    name.starts_with("cohere.embed-").then_some(Family::Cohere)
}

/// Refuses a model that we can't ask: on Bedrock each vendor's is asked in another way.
///
/// # Errors
///
/// `invalid_embedding`.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    match family(name) {
        Some(_) => Ok(()),
        None => Err(invalid(
            format!("model {name:?} of Amazon Bedrock is not supported"),
            "Supported are amazon.titan-embed-text-* and cohere.embed-*, also with the geography of an inference \
             profile.",
        )),
    }
}

/// Returns the dimensions, by the pages of [`Family`].
fn dimensions(name: &str) -> Dimensions {
    match base(name) {
        "amazon.titan-embed-text-v1" => Dimensions::Fixed(1536),
        "amazon.titan-embed-text-v2:0" => Dimensions::OneOf(&[256, 512, 1024]),
        "cohere.embed-english-v3" | "cohere.embed-multilingual-v3" => Dimensions::Fixed(1024),
        "cohere.embed-v4:0" => Dimensions::OneOf(&[256, 512, 1024, 1536]),
        _ => Dimensions::Unknown,
    }
}

/// The region that is asked: the vectorizer's, else the server's.
pub(in crate::embed) fn region(parameters: &Map<String, Value>, settings: Option<&str>) -> Option<String> {
    let declared = parameters.get(REGION).and_then(Value::as_str).or(settings).map(str::to_owned);
    declared.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"))
}

/// The value of a variable of the environment, if there is anything in it.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?.trim().to_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// Bedrock's address in a region.
///
/// # Errors
///
/// `invalid_embedding` if there is none, or none that can stand in a host's name.
pub(in crate::embed) fn address(region: Option<&str>) -> Result<String, Failure> {
    let Some(region) = region else {
        return Err(invalid(
            "no region for Amazon Bedrock is specified",
            "Specify aws_region_name in extra_options, or set pgai_rs.aws_region.",
        ));
    };

    if region.is_empty() || !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(invalid(
            format!("{region:?} is not an AWS region"),
            "Specify a region such as eu-west-1.",
        ));
    }

    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Ok(format!("https://bedrock-runtime.{region}.{domain}"))
}

/// The role that a vectorizer's `extra_options` want to be assumed.
pub(in crate::embed) fn role_arn(options: &Map<String, Value>) -> Option<&str> {
    options.get(ROLE).and_then(Value::as_str)
}

/// A model on Bedrock.
struct Bedrock {
    endpoint: Endpoint,
    family: Family,
    scope: SigningScope,
}

impl Bedrock {
    fn new(mut endpoint: Endpoint) -> Self {
        let family = family(&endpoint.model).unwrap_or(Family::Titan);
        let access = S3Access {
            aws_role_arn: role_arn(&endpoint.parameters).map(str::to_owned),
            author: endpoint.author,
            ..S3Access::default()
        };

        let scope = SigningScope {
            service: "bedrock",
            region: region(&endpoint.parameters, endpoint.region.as_deref()).unwrap_or_default(),
            access,
        };

        // The profile's options are those of both families.
        let known: &[&str] = match family {
            Family::Titan => &["normalize"],
            Family::Cohere => &["input_type", "truncate"],
        };
        endpoint.parameters.retain(|name, _| known.contains(&name.as_str()));

        Bedrock { endpoint, family, scope }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanRequest<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanResponse {
    embedding: AnsweredVector,
    #[serde(default)]
    input_text_token_count: Said,
}

#[derive(Serialize)]
struct CohereRequest<'a> {
    texts: &'a [Arc<str>],
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(flatten)]
    parameters: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct CohereResponse {
    embeddings: CohereEmbeddings,
}

#[derive(Deserialize)]
struct CohereEmbeddings {
    float: Vec<AnsweredVector>,
}

impl Protocol for Bedrock {
    fn url(&self) -> String {
        self.endpoint.url(&format!("model/{}/invoke", percent_encoded(&self.endpoint.model)))
    }

    fn write(&self, request: RequestBuilder, inputs: &[Arc<str>], optional: Optional) -> RequestBuilder {
        let dimensions = self.endpoint.wanted_dimensions(optional);
        let parameters = &self.endpoint.parameters;
        match self.family {
            Family::Titan => {
                let input_text = inputs.first().map(|input| &**input).unwrap_or_default();
                request.json(&TitanRequest { input_text, dimensions, parameters })
            }
            Family::Cohere => request.json(&CohereRequest {
                texts: inputs,
                embedding_types: ["float"],
                output_dimension: dimensions,
                parameters,
            }),
        }
    }

    fn read(&self, body: &[u8]) -> serde_json::Result<Answered> {
        match self.family {
            Family::Titan => {
                let response: TitanResponse = serde_json::from_slice(body)?;
                Ok(unnumbered([response.embedding]).with_tokens(response.input_text_token_count.as_u64()))
            }
            Family::Cohere => serde_json::from_slice(body)
                .map(|response: CohereResponse| unnumbered(response.embeddings.float)),
        }
    }

    /// Returns the limits, by the pages of [`Family`]. Neither knows a limit of tokens of all texts
    /// together.
    fn limits(&self) -> Limits {
        let inputs = match self.family {
            Family::Titan => 1,
            Family::Cohere => 96,
        };
        Limits { inputs, tokens: usize::MAX }
    }

    /// Returns whether a model of Cohere's shortens vectors, of which nothing is said. Titan brings its own
    /// to length 1, unless the author wants it otherwise (`normalize`).
    fn leaves_lengths(&self) -> bool {
        self.family == Family::Cohere && self.endpoint.is_shortened()
    }

    /// Tells refusals apart by
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>: an
    /// invalid name of a model is a bad request, too; and 424 and 429 may be the model's own.
    fn kind(&self, refusal: &ProviderRefusal) -> Option<RefusalKind> {
        let of_model = refusal.is_bad_request() && refusal.says("model identifier is invalid");
        of_model.then_some(RefusalKind::NoSuchModel)
    }

    fn hint(&self, kind: RefusalKind) -> Option<String> {
        match kind {
            RefusalKind::KeyRefused => Some(
                "Grant bedrock:InvokeModel on this model to the server's AWS identity or the role in \
                 aws_role_name, and request access to the model in the console of Amazon Bedrock."
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn identity(&self) -> CallerIdentity {
        CallerIdentity::Aws(self.scope.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_asked_as_its_vendor_wants() {
        assert_eq!(family("amazon.titan-embed-text-v2:0"), Some(Family::Titan));
        assert_eq!(family("eu.cohere.embed-v4:0"), Some(Family::Cohere));
        assert_eq!(family("amazon.nova-pro-v1:0"), None);
        assert!(check_name("anthropic.claude-3").is_err());
    }

    #[test]
    fn each_region_has_its_own_address() {
        let address = |region| address(region).map_err(|failure| failure.message);
        assert_eq!(address(Some("eu-west-1")).unwrap(), "https://bedrock-runtime.eu-west-1.amazonaws.com");
        assert_eq!(
            address(Some("cn-north-1")).unwrap(),
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(address(Some("evil.example/")).unwrap_err(), "\"evil.example/\" is not an AWS region");
        assert_eq!(address(None).unwrap_err(), "no region for Amazon Bedrock is specified");
    }
}
