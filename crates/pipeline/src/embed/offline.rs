//! Reading a provider's answers without the network, for those who try it with whatever may come.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::Vectors;
use super::http::{self, Expected};
use super::pacing::pace::Pace;
use super::pacing::rate_limit::RateLimits;
use super::provider::Protocol;
use super::request::input_type::Purpose;
use super::request::refusal::ProviderRefusal;
use super::resolve::resolve;
use crate::config::{Author, Embedding};
use crate::failure::Failure;
use crate::settings::Settings;

/// The vectors of an answer with the status 200 to so many inputs. A number that the provider could not
/// tell is NaN.
///
/// # Errors
///
/// Those of the embedding step.
pub fn read_answer(embedding: &Embedding, inputs: usize, body: &[u8]) -> Result<Vectors, Failure> {
    let dimensions = embedding.answered_dimensions() as usize;
    let shortened_to = embedding.shortened_from().map(|_| embedding.dimensions() as usize);
    let expected = Expected { inputs, dimensions, shortened_to, proven: false };
    http::parse(&*protocol(embedding)?, body, expected).vectors.map_err(|error| error.into_failure())
}

/// Reads an answer with a status other than success.
///
/// # Errors
///
/// Always: `invalid_embedding`, or the refusal.
pub fn read_refusal(embedding: &Embedding, status: u16, body: &[u8]) -> Result<(), Failure> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let refusal = ProviderRefusal::read(status, &HeaderMap::new(), body);
    Err(protocol(embedding)?.error(refusal, None, &[]).into_failure())
}

/// Returns the time that the next request waits after an answer with these headers.
pub fn read_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Duration {
    let readable = headers.into_iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });

    let mut pace = Pace::default();
    let now = Instant::now();
    pace.told(&RateLimits::read(&readable.collect(), SystemTime::now()), now, now);
    pace.wait(1, now)
}

fn protocol(embedding: &Embedding) -> Result<Arc<dyn Protocol>, Failure> {
    Ok(resolve(embedding, Author::Superuser, None, &Settings::default(), Purpose::Document)?.protocol())
}
