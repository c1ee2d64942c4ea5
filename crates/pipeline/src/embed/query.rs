//! The vector of a single text, for a search.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::check::is_finite;
use super::http::{client_builder, HttpEmbedder};
use super::input_type::Purpose;
use super::model::Model;
use super::{truncate, EmbedError, Embedder};
use crate::backoff::backoff;
use crate::config::Embedding;
use crate::document::{Failure, Retry, Secret, Step};
use crate::s3::Clients;
use crate::settings::Settings;

/// Somebody waits for the answer: a provider that wants a longer pause is reported at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Embeds one text with a vectorizer's embedding config, as its chunks are.
///
/// Where a model tells queries from documents it is a query, unless `input_type` says otherwise: `query`,
/// `document`, or a word of the provider's.
///
/// Runs on any runtime, starts no tasks that outlive it, and stops when dropped.
///
/// # Errors
///
/// Those of the pipeline's embedding step.
pub async fn embed_query(
    embedding: &Embedding,
    api_key: Option<Secret>,
    settings: &Settings,
    text: &str,
    input_type: Option<&str>,
) -> Result<Vec<f32>, Failure> {
    let model = Model::new(embedding, api_key, settings, Purpose::Query(input_type))?;
    let input: [Arc<str>; 1] = [truncate(embedding, text).into()];
    let aws = Arc::new(Clients::new(settings));
    let timeout = settings.embedding_timeout;
    let embedder = HttpEmbedder::new(query_client()?, model, timeout, Arc::default(), &aws)?;
    let mut attempt = 0;
    let vectors = loop {
        let error = match embedder.embed(&input).await {
            Ok(vectors) => break vectors,
            Err(error) => error,
        };
        attempt += 1;
        let pause = match &error {
            EmbedError::Throttled(Some(pause)) => *pause,
            EmbedError::Throttled(None)
            | EmbedError::Unreachable(_)
            | EmbedError::Unavailable(_)
            | EmbedError::BadResponse(_) => backoff(settings.embedding_backoff, attempt),
            EmbedError::InputRefused(_) | EmbedError::Refused(_) => LONGEST_PAUSE * 2,
        };
        if attempt > settings.embedding_retries || pause > LONGEST_PAUSE {
            return Err(error.into_failure());
        }
        tokio::time::sleep(pause).await;
    };
    let vector = vectors.into_iter().next().filter(|vector| is_finite(vector));
    vector.ok_or_else(|| {
        EmbedError::BadResponse("the vector holds a number that is not finite".into()).into_failure()
    })
}

/// One a process, since reading the trust roots takes a while. It keeps no connection: that would
/// belong to a runtime that is gone by the next query.
fn query_client() -> Result<reqwest::Client, Failure> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let client = client_builder().pool_max_idle_per_host(0).build().map_err(|_| {
        Failure::new(Step::Embedding, "no_tls", "TLS can't be set up on this system", Retry::Backoff)
    })?;
    Ok(CLIENT.get_or_init(|| client).clone())
}
