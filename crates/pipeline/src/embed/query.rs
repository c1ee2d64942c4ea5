//! Vectors for somebody who waits for them: of a search's text, or of texts that are given.

use std::sync::Arc;
use std::time::Duration;

use super::Vectors;
use super::error::EmbedError;
use super::http::HttpEmbedder;
use super::limits::pack::{Limits, Load, estimated_tokens};
use super::model::Model;
use super::request::check::is_finite;
use super::request::input_type::Purpose;
use super::request::inputs::Inputs;
use super::resolve::resolve;
use super::truncate::truncate;
use super::truncate::truncate_tokens;
use crate::backoff::backoff;
use crate::config::{Author, Embedding};
use crate::exhausted::{self, is_out_of_descriptors};
use crate::failure::{Failure, Retry, Step};
use crate::network::{HttpClients, query_clients};
use crate::s3::Clients;
use crate::secret::ApiKey;
use crate::settings::Settings;
use crate::usage::Bill;

/// Somebody waits for the answer: a provider that wants a longer pause is reported at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Embeds one text with a vectorizer's embedding config, as its chunks are.
///
/// Where a model tells queries from documents it is a query, unless `input_type` says otherwise: `query`,
/// `document`, or a word of the provider's.
///
/// Runs on any runtime, starts no tasks that outlive it, and stops when dropped; the bill has what was sent by then.
///
/// # Errors
///
/// The failures of the pipeline's embedding step.
pub async fn embed_query(
    embedding: &Embedding,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
    text: &str,
    input_type: Option<&str>,
    bill: &Bill,
) -> Result<Vec<f32>, Failure> {
    let model = resolve(embedding, author, api_key, settings, Purpose::Query(input_type))?;
    let embedder = embedder(model, settings)?;

    let input = [truncate(embedding, text).into()];
    only(ask_with_retries(&embedder, Inputs::Texts(&input), settings, bill).await)
}

/// Embeds texts as an embedding config says, one vector a text in their order, in as many requests as
/// the provider's limits ask for. A model whose `dimensions` are 0 may answer any.
///
/// Runs as [`embed_query`] does.
///
/// # Errors
///
/// The failures of the pipeline's embedding step.
pub async fn embed_texts(
    embedding: &Embedding,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, Failure> {
    let embedder = embedder(resolve(embedding, author, api_key, settings, Purpose::Document)?, settings)?;
    let inputs: Vec<Arc<str>> = texts.iter().map(|text| truncate(embedding, text).into()).collect();

    let limits = embedder.limits().and(Limits::of(settings));
    // They are of no vectorizer, for which they could be counted.
    let bill = Bill::default();
    let ask = async |request: &[Arc<str>]| {
        ask_with_retries(&embedder, Inputs::Texts(request), settings, &bill).await
    };
    in_requests(&inputs, limits, 0, ask).await.map_err(EmbedError::into_failure)
}

/// Asks for something of each input in as many requests as the limits ask for, and returns the answers in the order of the
/// inputs. Beside its own tokens, an input counts for `more`.
pub(super) async fn in_requests<T>(
    inputs: &[Arc<str>],
    mut limits: Limits,
    more: usize,
    mut ask: impl AsyncFnMut(&[Arc<str>]) -> Result<Vec<T>, EmbedError>,
) -> Result<Vec<T>, EmbedError> {
    let tokens_of = |input: &str| estimated_tokens(input) + more;
    let mut answers = Vec::with_capacity(inputs.len());
    let mut rest = inputs;
    while !rest.is_empty() {
        let mut load = Load::new(limits);
        let fitting = rest.iter().take_while(|input| load.take(tokens_of(input))).count();
        let (request, others) = rest.split_at(fitting);

        match ask(request).await {
            Ok(answered) => {
                answers.extend(answered);
                rest = others;
            }
            // The limit is remembered, and the rest is cut anew.
            Err(EmbedError::TooMany(most, _)) if request.len() > 1 => {
                let tokens = request.iter().map(|input| tokens_of(input)).sum();
                let half = Limits { inputs: request.len() / 2, ..Limits::NONE };
                limits = limits.and(most.limits(request.len(), tokens).unwrap_or(half));
            }
            Err(error) => return Err(error),
        }
    }

    Ok(answers)
}

/// Embeds one text that is given as the numbers of its tokens, which only OpenAI's protocol takes. What
/// the model does not read is cut off, as from a text.
///
/// Runs as [`embed_query`] does.
///
/// # Errors
///
/// The failures of the pipeline's embedding step; `invalid_embedding` if the provider takes texts only.
pub async fn embed_tokens(
    embedding: &Embedding,
    author: Author,
    api_key: Option<ApiKey>,
    settings: &Settings,
    tokens: &[u32],
) -> Result<Vec<f32>, Failure> {
    let embedder = embedder(resolve(embedding, author, api_key, settings, Purpose::Document)?, settings)?;
    let input = Inputs::Tokens(truncate_tokens(embedding, tokens));
    only(ask_with_retries(&embedder, input, settings, &Bill::default()).await)
}

/// The vector of an answer to one input.
fn only(vectors: Result<Vectors, EmbedError>) -> Result<Vec<f32>, Failure> {
    let vector = vectors.and_then(|vectors| vectors.into_iter().next().ok_or_else(not_finite));
    vector.map_err(EmbedError::into_failure)
}

fn embedder(model: Model, settings: &Settings) -> Result<HttpEmbedder, Failure> {
    let aws = Arc::new(Clients::new(settings));
    HttpEmbedder::new(&clients()?, model, settings.embedding_timeout, Arc::default(), &aws)
}

/// Returns the clients for somebody who waits.
pub(super) fn clients() -> Result<HttpClients, Failure> {
    query_clients().map_err(|error| match is_out_of_descriptors(&error) {
        true => exhausted::failure(Step::Embedding),
        false => {
            Failure::new(Step::Embedding, "no_tls", "could not set up TLS on this system", Retry::Backoff)
        }
    })
}

/// Asks for vectors with [`with_retries`].
async fn ask_with_retries(
    embedder: &HttpEmbedder,
    inputs: Inputs<'_>,
    settings: &Settings,
    bill: &Bill,
) -> Result<Vectors, EmbedError> {
    let vectors = with_retries(settings, async || embedder.ask(inputs, bill).await).await?;
    match vectors.iter().all(|vector| is_finite(vector)) {
        true => Ok(vectors),
        false => Err(not_finite()),
    }
}

/// Asks, and asks again as long as somebody who waits would.
pub(super) async fn with_retries<T>(
    settings: &Settings,
    mut ask: impl AsyncFnMut() -> Result<T, EmbedError>,
) -> Result<T, EmbedError> {
    let mut attempt = 0;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };

        attempt += 1;
        let pause = match &error {
            EmbedError::Throttled(Some(pause)) => *pause,
            EmbedError::Throttled(None)
            | EmbedError::Unreachable(_)
            | EmbedError::Unavailable(_)
            | EmbedError::BadResponse(_) => backoff(settings.embedding_backoff, attempt),
            // Asking again would change nothing.
            EmbedError::InputRefused(_) | EmbedError::TooMany(..) | EmbedError::Refused(_) => {
                LONGEST_PAUSE * 2
            }
        };

        if attempt > settings.embedding_retries || pause > LONGEST_PAUSE {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

fn not_finite() -> EmbedError {
    EmbedError::BadResponse("a vector contains a number that is not finite".into())
}
