//! Asking a model for vectors.
//!
//! * `resolve`: from a vectorizer's config and the operator's defaults to a model that can be asked
//! * `model`, `endpoint`: a provider's model, and where and with what it is asked
//! * `error`: why a request got no vectors
//! * `litellm`, `dimensions`, `input_type`: what of a model is known, or refused, before it is asked
//! * `egress`: which servers may be asked, and which of them get a key
//! * `database_key`: what a key that is set for a database may be called, and for which server it may be
//! * `provider`: how each provider is asked and answers, a file each
//! * `http`, `body`, `optional`, `network_error`: one request, one answer, one error, the same for all
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
mod endpoint;
mod error;
mod google;
mod group;
mod health;
mod http;
mod identity;
mod inner_error;
mod input_type;
mod inputs;
mod limiter;
mod litellm;
mod model;
mod most;
mod network_error;
mod normalize;
pub mod offline;
mod optional;
mod pace;
mod pack;
mod provider;
mod query;
mod rate_limit;
mod refusal;
mod resolve;
mod search;
mod truncate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::batcher::Group;
pub use self::database_key::server_of_database_key;
pub use self::egress::is_listed;
pub use self::error::EmbedError;
pub use self::group::Groups;
pub use self::http::client;
pub(crate) use self::http::client_with;
pub use self::litellm::api_key_name;
pub use self::most::Most;
pub use self::provider::ollama_url;
pub use self::query::{embed_query, embed_texts, embed_tokens};
pub use self::resolve::{aws_access, check, permit, provider_prefix};
pub(crate) use self::truncate::truncate;

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
    fn request_bytes(&self, inputs: &[Arc<str>]) -> u64;
}
