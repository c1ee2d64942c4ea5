//! Asking a model for the relevance of texts to a question.
//!
//! It goes the way of embeddings: the same servers may be asked, with the same keys, limits and patience.
//!
//! * `resolve`: the server that a config means, and whether it may be asked
//! * `wire`: requests and answers of each protocol
//! * `client`: one request and its answer
//! * [`error`]: the reasons why there is no answer

mod client;
pub mod error;
mod resolve;
mod wire;

use std::sync::Arc;

use self::client::Client;
use self::error::RerankError;
use self::resolve::resolve;
use super::endpoint::Endpoint;
use super::limits::pack::{Limits, estimated_tokens};
use super::name::{Address, name_of};
use super::query::{clients, in_requests, with_retries};
use crate::config::{Author, Reranking};
use crate::failure::Failure;
use crate::secret::ApiKey;
use crate::settings::Settings;
use crate::usage::{Bill, ModelName};

/// Returns the relevance of each text to a question, in the order of the texts; more is better. Providers give numbers from 0
/// to 1, other servers any finite ones.
///
/// Texts that are longer than the model reads are cut by the provider. Runs on any runtime, starts no tasks that outlive it,
/// and stops when dropped; the bill has what was sent by then.
///
/// # Errors
///
/// [`RerankError::Down`] if asking again later may help, else [`RerankError::Refused`].
pub async fn relevance(
    reranking: &Reranking,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
    question: &str,
    texts: &[String],
    bill: &Bill,
) -> Result<Vec<f64>, RerankError> {
    let server = resolve(reranking, author, api_key, settings).map_err(RerankError::Refused)?;
    let client = clients().and_then(|clients| Client::new(&clients, server, settings.embedding_timeout));
    let client = client.map_err(RerankError::Refused)?;

    let texts: Vec<Arc<str>> = texts.iter().map(|text| text.as_str().into()).collect();
    let limits = client.limits().and(Limits::of(settings));
    let ask = async |request: &[Arc<str>]| {
        with_retries(settings, async || client.ask(question, request, bill).await).await
    };
    in_requests(&texts, limits, estimated_tokens(question), ask).await.map_err(RerankError::of)
}

/// Errors unless a config can be asked by, with this key if there is one, as far as that is known without asking.
///
/// # Errors
///
/// `invalid_rerank`: an incomplete config. And what its author may not do: `invalid_base_url`, `base_url_not_allowed`,
/// `api_key_name_not_allowed`, `api_key_not_for_server`.
pub fn check(
    reranking: &Reranking,
    author: Author,
    key: Option<&ApiKey>,
    settings: &Settings,
) -> Result<(), Failure> {
    resolve(reranking, author, key.cloned(), settings).map(drop)
}

/// Returns the name of the model that a config means.
///
/// # Errors
///
/// Fails as [`check`] does.
pub fn model_name(
    reranking: &Reranking,
    author: Author,
    key: Option<&ApiKey>,
    settings: &Settings,
) -> Result<ModelName, Failure> {
    let server = resolve(reranking, author, key.cloned(), settings)?;
    let Endpoint { model, base_url, .. } = &server.endpoint;
    // Without one, it is the provider's own.
    let address = match &reranking.base_url {
        Some(url) => Address::Declared(url),
        None => Address::Default(base_url),
    };
    Ok(name_of(self::resolve::provider(server.protocol), model, address))
}

/// Estimates the tokens that are spent on asking about these texts: a model reads the question with each of them.
pub fn tokens(question: &str, texts: &[impl AsRef<str>]) -> u64 {
    let of_question = estimated_tokens(question);
    texts.iter().map(|text| (estimated_tokens(text.as_ref()) + of_question) as u64).sum()
}
