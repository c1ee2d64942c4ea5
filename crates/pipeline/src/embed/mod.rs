//! Asking a model for vectors.
//!
//! * `model`: a model as it is asked: a vectorizer's config with the operator's defaults
//! * `litellm`, `dimensions`, `input_type`: what of a model is known, or refused, before it is asked
//! * `egress`: which servers may be asked, and which of them get a key
//! * `database_key`: what a key that is set for a database may be called, and for which server it may be
//! * `provider`: how each provider is asked and answers, a file each
//! * `http`, `body`: one request, one answer, one error, the same for all
//! * `identity`, `aws`, `google`: as whom a provider is asked, where that is more than a key in a header
//! * `connections`: how many connections there may be at a time
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
mod connections;
mod database_key;
mod dimensions;
mod egress;
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
pub use self::database_key::server_of_database_key;
pub use self::egress::is_listed;
pub use self::group::Groups;
pub use self::http::client;
pub(crate) use self::http::client_with;
pub use self::model::{aws_access, check, permit, provider_prefix};
pub use self::most::Most;
pub use self::provider::ollama_url;
pub use self::query::{embed_query, embed_texts, embed_tokens};
pub(crate) use self::truncate::truncate;
use crate::failure::{Failure, Retry, Scope, Step};

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

/// Most numbers of a vector: pgvector's limit for its type `vector`.
pub(crate) const MOST_DIMENSIONS: usize = 16_000;

/// How long a vectorizer rests whose provider wants a person to act.
pub(crate) const ADMINISTRATOR: Duration = Duration::from_secs(60);

/// A provider that wants to be left alone for longer is asked nevertheless: clocks err.
pub(crate) const LONGEST_THROTTLE: Duration = Duration::from_secs(600);

impl EmbedError {
    /// A refusal that concerns all inputs and lasts until somebody acts.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>, hint: &str) -> Self {
        EmbedError::Refused(
            Failure::new(Step::Embedding, code, message, Retry::After(ADMINISTRATOR))
                .concerning(Scope::Provider)
                .with_hint(hint),
        )
    }

    /// What a document is given back with when nothing more is tried for it, and it is not known that
    /// its own inputs are to blame.
    pub(crate) fn into_failure(self) -> Failure {
        let (code, message, retry, hint) = match self {
            EmbedError::Refused(failure) => return failure,
            EmbedError::InputRefused(_) | EmbedError::TooMany(..) => return self.of_input(),
            EmbedError::Throttled(pause) => (
                "throttled",
                "the embedding provider asks for fewer requests".to_owned(),
                Retry::After(pause.unwrap_or(Duration::from_secs(10)).min(LONGEST_THROTTLE)),
                "Nothing has to be done. A higher limit of the provider's account makes it faster.",
            ),
            EmbedError::Unreachable(why) => (
                "provider_unavailable",
                format!("the embedding provider can't be reached: {why}"),
                Retry::OnRecovery,
                "Check the vectorizer's base_url, and the way there from the Postgres server.",
            ),
            EmbedError::Unavailable(why) => (
                "provider_unavailable",
                format!("the embedding provider failed: {why}"),
                Retry::OnRecovery,
                "Look at the provider's log or status page. The vectorizer goes on by itself when it is back.",
            ),
            EmbedError::BadResponse(why) => (
                "bad_response",
                format!("the embedding provider's answer is wrong: {why}"),
                Retry::OnRecovery,
                "Check that base_url leads to a server for embeddings; its log may tell more.",
            ),
        };
        Failure::new(Step::Embedding, code, message, retry).concerning(Scope::Provider).with_hint(hint)
    }

    /// What a document is given back with whose own input is to blame: the provider takes others.
    pub(crate) fn of_input(self) -> Failure {
        match self {
            EmbedError::InputRefused(why) | EmbedError::TooMany(_, why) => {
                let message = format!("the embedding provider refused the input: {why}");
                Failure::new(Step::Embedding, "input_refused", message, Retry::Never)
                    .with_hint("Change the row's text, or make chunks that the model's context has room for.")
            }
            EmbedError::Unavailable(_) => {
                let failure = self.into_failure().of_row();
                Failure { code: "provider_failed_on_input", ..failure }.with_hint(
                    "The provider answers for other inputs. Its log may tell what it does not like about this one.",
                )
            }
            EmbedError::BadResponse(_) => self.into_failure().of_row(),
            EmbedError::Refused(_) | EmbedError::Throttled(_) | EmbedError::Unreachable(_) => {
                self.into_failure()
            }
        }
    }
}
