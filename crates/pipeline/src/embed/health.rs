//! What a provider has said about itself lately, shared by all requests to it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::LONGEST_THROTTLE;
use crate::backoff::backoff;
use crate::document::{Failure, Retry};

/// First pause after "too many requests" from a provider that does not say how long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// A provider's health, as its answers tell it.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// No request before this time.
    resume_at: Option<Instant>,
    /// "Too many requests" since the last success.
    throttles: u32,
    /// What every input fails with until this time.
    refusal: Option<(Instant, Failure)>,
}

impl Health {
    /// The provider answered.
    pub(super) fn succeeded(&self) {
        let mut state = self.lock();
        state.throttles = 0;
        state.refusal = None;
    }

    /// The provider asks for fewer requests: everybody pauses.
    pub(super) fn throttled(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        state.throttles = state.throttles.saturating_add(1);
        let pause = pause.unwrap_or_else(|| backoff(FIRST_PAUSE, state.throttles)).min(LONGEST_THROTTLE);
        let until = Instant::now() + pause;
        state.resume_at = Some(state.resume_at.map_or(until, |resume_at| resume_at.max(until)));
    }

    /// The provider refuses whatever is asked.
    pub(super) fn refused(&self, failure: &Failure) {
        if let Retry::After(pause) = failure.retry {
            self.lock().refusal = Some((Instant::now() + pause, failure.clone()));
        }
    }

    /// What every input fails with for now.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let mut state = self.lock();
        let (until, failure) = state.refusal.clone()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            state.refusal = None;
            return None;
        }
        Some(Failure { retry: Retry::After(left), ..failure })
    }

    /// How long there shall be no request.
    pub(super) fn pause(&self) -> Duration {
        let resume_at = self.lock().resume_at;
        resume_at.map_or(Duration::ZERO, |resume_at| resume_at.saturating_duration_since(Instant::now()))
    }

    /// A panic while the lock was held leaves a state that is as good as any other.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
