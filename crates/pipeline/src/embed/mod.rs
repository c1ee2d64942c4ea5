//! Asking a model for vectors.
//!
//! * `model`: a model as it is asked: a vectorizer's config with the operator's defaults
//! * `litellm`, `dimensions`, `input_type`: what of a model is known, or refused, before it is asked
//! * `provider`: how each provider is asked and answers, a file each
//! * `http`, `body`: one request, one answer, one error, the same for all
//! * `identity`, `aws`, `google`: as whom a provider is asked, where that is more than a key in a header
//! * `normalize`: vectors that are cut short, brought to the length 1
//! * `answer`, `check`, `refusal`, `inner_error`: whether an answer is what was asked for, and what a refusal means
//! * `inputs`, `pack`, `truncate`: what goes into a request
//! * `rate_limit`, `pace`, `limiter`: what a provider says is left, and when the next request may leave
//! * `most`, `bracket`, `ceiling`: how much a server takes in a request, as it says or shows
//! * `batch`: the inputs of one request, and those who wait for them
//! * `batcher`: inputs of all documents, packed, paced and retried, one [`Group`] a provider
//! * [`offline`]: how answers are read, for tests without the network
//! * `search`: which input of a request a provider can't take
//! * `group`: which inputs may share a request

mod answer;
mod aws;
mod batch;
mod batcher;
mod body;
mod bracket;
mod ceiling;
mod check;
mod dimensions;
mod google;
mod group;
mod health;
mod http;
mod identity;
mod inner_error;
mod input_type;
mod inputs;
mod limiter;
pub(crate) mod litellm;
mod model;
mod most;
mod normalize;
pub mod offline;
mod pace;
mod pack;
mod provider;
mod query;
mod rate_limit;
mod refusal;
mod search;
mod truncate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::batcher::Group;
pub use self::group::Groups;
pub use self::http::client;
pub use self::model::{aws_access, check};
pub use self::most::Most;
pub use self::provider::ollama_url;
pub use self::query::{embed_query, embed_texts, embed_tokens};
pub(crate) use self::truncate::truncate;
use crate::document::{Failure, Retry, Step};

/// One vector an input, in the inputs' order.
pub type Vectors = Vec<Vec<f32>>;

/// A model behind a wire: turns texts into vectors, one request at a time.
///
/// It neither packs, nor paces, nor retries: the [`Group`] does, the same for all providers.
pub trait Embedder: Send + Sync + 'static {
    /// Asks for one vector an input. The answer has been checked for count, order and length of
    /// the vectors; a number that the provider could not tell is NaN. Cancel-safe.
    fn embed<'a>(
        &'a self,
        inputs: &'a [Arc<str>],
    ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>>;

    /// Bytes that such a request and its answer are expected to take.
    fn weight(&self, inputs: &[Arc<str>]) -> u64;
}

/// Why a request got no vectors, as far as it matters for what to do next.
///
/// None of the texts holds a secret or a part of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedError {
    /// Too many requests or tokens: wait, for as long as the provider says if it does.
    Throttled(Option<Duration>),
    /// No connection came about: nobody has read the inputs.
    Unreachable(String),
    /// The provider failed, broke off or took too long: it may have been the inputs' doing.
    Unavailable(String),
    /// The answer is not what was asked for.
    BadResponse(String),
    /// The provider refuses one of these inputs, or their number.
    InputRefused(String),
    /// The provider takes fewer inputs in a request, or smaller ones, and says so.
    TooMany(Most, String),
    /// The provider refuses whatever this vectorizer asks, until somebody mends it.
    Refused(Failure),
}

/// How long a vectorizer rests whose provider wants a person to act.
pub(crate) const ADMINISTRATOR: Duration = Duration::from_secs(60);

/// A provider that wants to be left alone for longer is asked nevertheless: clocks err.
pub(crate) const LONGEST_THROTTLE: Duration = Duration::from_secs(600);

impl EmbedError {
    /// A refusal that concerns all inputs and lasts until somebody acts.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>, hint: &str) -> Self {
        EmbedError::Refused(
            Failure::new(Step::Embedding, code, message, Retry::After(ADMINISTRATOR)).with_hint(hint),
        )
    }

    /// What a document is given back with when nothing more is tried for it.
    pub(crate) fn into_failure(self) -> Failure {
        let (code, message, retry, hint) = match self {
            EmbedError::Refused(failure) => return failure,
            EmbedError::Throttled(pause) => (
                "throttled",
                "the embedding provider asks for fewer requests".to_owned(),
                Retry::After(pause.unwrap_or(Duration::from_secs(10)).min(LONGEST_THROTTLE)),
                "Nothing has to be done. A higher limit of the provider's account makes it faster.",
            ),
            EmbedError::Unreachable(why) => (
                "provider_unavailable",
                format!("the embedding provider can't be reached: {why}"),
                Retry::Backoff,
                "Check the vectorizer's base_url, and the way there from the Postgres server.",
            ),
            EmbedError::Unavailable(why) => (
                "provider_unavailable",
                format!("the embedding provider failed: {why}"),
                Retry::Backoff,
                "Look at the provider's log or status page. ai.retry_failed(...) brings back what was set aside.",
            ),
            EmbedError::BadResponse(why) => (
                "bad_response",
                format!("the embedding provider's answer is wrong: {why}"),
                Retry::Backoff,
                "Check that base_url leads to a server for embeddings; its log may tell more.",
            ),
            EmbedError::InputRefused(why) | EmbedError::TooMany(_, why) => (
                "input_refused",
                format!("the embedding provider refused the input: {why}"),
                Retry::Never,
                "Change the row's text, or make chunks that the model's context has room for.",
            ),
        };
        Failure::new(Step::Embedding, code, message, retry).with_hint(hint)
    }
}
