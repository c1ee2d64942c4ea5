//! Asking a model for vectors.
//!
//! The way from a config to a model that can be asked:
//!
//! * `resolve`: what a vectorizer's author declared, with the operator's defaults
//! * `litellm`: LiteLLM's names and options
//! * `egress`, `database_key`: which servers may be asked, and which of them get a key
//! * `model`, `endpoint`: a provider's model, and where and with what it is asked
//! * `name`: its name, by which usage is counted
//!
//! Asking it:
//!
//! * `provider`: how each provider is asked and answers, a file each
//! * `identity`: as whom, where that is more than a key in a header
//! * `request`: one request, one answer, one error, the same for all
//! * `http`: an embedder that sends them
//! * `limits`, `pacing`: how much fits into a request, and when the next may leave
//! * `batching`: inputs of all documents, packed, paced and retried, one [`Group`] a provider
//! * `truncate`: inputs cut to what a model reads
//! * `error`: why a request got no vectors
//!
//! For others than the runner:
//!
//! * [`by_batch`]: a provider's batch API, for whoever can wait for a day
//! * `price`: what inputs come to before they are sent
//! * `query`: vectors for somebody who waits for them
//! * [`rerank`]: the relevance of texts to a question, for somebody who waits for it
//! * [`offline`]: how answers are read, for tests without the network

mod batching;
pub mod by_batch;
mod database_key;
mod egress;
mod endpoint;
mod error;
mod http;
mod identity;
mod limits;
mod litellm;
mod model;
mod name;
pub mod offline;
mod pacing;
mod price;
mod provider;
mod query;
mod request;
pub mod rerank;
mod resolve;
mod truncate;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::batching::arrivals::{Arrivals, Expected};
pub use self::batching::batcher::{Answers, Group};
pub use self::batching::group::Groups;
pub use self::by_batch::BatchServer;
pub use self::database_key::server_of_database_key;
pub use self::egress::is_listed;
pub use self::error::EmbedError;
pub use self::http::client;
pub(crate) use self::http::client_with;
pub use self::limits::most::Most;
pub use self::limits::pack::estimated_tokens;
pub use self::litellm::api_key_name;
pub use self::price::{RequestLimits, cl100k_tokens};
pub use self::provider::ollama_url;
pub use self::query::{embed_query, embed_texts, embed_tokens};
pub use self::resolve::{aws_access, check, model_name, permit, provider_prefix};
pub use self::truncate::is_counted_in_cl100k;
pub(crate) use self::truncate::truncate;

use crate::usage::Bill;

/// One vector an input, in the inputs' order.
pub type Vectors = Vec<Vec<f32>>;

/// A model behind a protocol: turns texts into vectors, one request at a time.
///
/// It neither packs, nor paces, nor retries: the [`Group`] does, the same for all providers.
pub trait Embedder: Send + Sync + 'static {
    /// Asks for one vector an input. The answer has been checked for count, order and length of
    /// the vectors; a number that the provider could not tell is NaN. Cancel-safe. What is sent is on the bill.
    fn embed<'a>(
        &'a self,
        inputs: &'a [Arc<str>],
        bill: &'a Bill,
    ) -> Pin<Box<dyn Future<Output = Result<Vectors, EmbedError>> + Send + 'a>>;

    /// Bytes that such a request and its answer are expected to take.
    fn request_bytes(&self, inputs: &[Arc<str>]) -> u64;
}
