//! The rules by which a group packs, paces and retries.

use std::time::Duration;

use crate::embed::limits::pack::Limits;
use crate::settings::Settings;

/// A group's rules for packing, pacing and retrying.
#[derive(Debug, Clone)]
pub(in crate::embed) struct GroupPolicy {
    /// The most that a request may hold.
    pub(super) limits: Limits,
    /// The largest number of requests under way.
    pub(super) concurrency: usize,
    /// The time that an input waits for company, counted from the last arrival.
    pub(super) linger: Duration,
    /// The longest time for one request.
    pub(super) timeout: Duration,
    /// The number of times that a failed request is repeated.
    pub(super) retries: u32,
    /// The pause before the first repetition.
    pub(super) first_backoff: Duration,
}

impl GroupPolicy {
    /// Takes the settings' values, within the provider's limits; `concurrency` is the vectorizer's, if
    /// it has one.
    pub(in crate::embed) fn new(settings: &Settings, provider: Limits, concurrency: Option<usize>) -> Self {
        GroupPolicy {
            limits: Limits::of(settings).and(provider),
            concurrency: concurrency.unwrap_or(settings.embedding_concurrency).max(1),
            linger: settings.embedding_linger,
            timeout: settings.embedding_timeout,
            retries: settings.embedding_retries,
            first_backoff: settings.embedding_backoff,
        }
    }
}
