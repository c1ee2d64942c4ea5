//! The order in which requests leave: as fast as the provider's limits let them, by turns of their owners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::pace::Pace;
use super::rate_limit::RateLimits;
use crate::embed::limits::ceiling::Ceiling;
use crate::embed::limits::pack::Limits;
use crate::embed::limits::stride::Stride;
use crate::fair::FairSemaphore;
use crate::quota::Owner;

/// Longest time that requests wait in memory for a provider that takes none; then their documents are
/// given back to the queue until it is ready.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The limits of one account and model, shared by all who ask for it.
#[derive(Debug)]
pub(in crate::embed) struct Limiter {
    pace: Mutex<Pace>,
    ceiling: Mutex<Ceiling>,
    stride: Mutex<Stride>,
    /// Whoever has it is the next.
    turn: Arc<FairSemaphore>,
    /// Something was learned.
    news: Notify,
}

/// A request that may leave; it counts as under way until this is dropped.
#[derive(Debug)]
pub(in crate::embed) struct RequestPermit<'a> {
    limiter: &'a Limiter,
    tokens: usize,
    since: Instant,
    early: bool,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter {
            pace: Mutex::default(),
            ceiling: Mutex::default(),
            stride: Mutex::default(),
            turn: FairSemaphore::new(1, 0),
            news: Notify::new(),
        }
    }
}

impl Limiter {
    /// Waits until a request of so many tokens may leave. Cancel-safe.
    ///
    /// Headers are believed for [`LONGEST_WAIT`] at most: then a request is tried, for they err.
    ///
    /// # Errors
    ///
    /// The time for which the provider wants to be left alone, if that is too long to wait here.
    pub(in crate::embed) async fn admit(
        &self,
        owner: Owner,
        tokens: usize,
    ) -> Result<RequestPermit<'_>, Duration> {
        let _turn = self.turn.acquire(owner, 1).await;
        let latest = Instant::now() + LONGEST_WAIT;

        loop {
            let now = Instant::now();
            // The lock is held in this block only: nothing waits under it.
            let wait = {
                let mut pace = self.pace();
                let wait = pace.wait(tokens, now);
                let pause = pace.pause(now);

                if pause > LONGEST_WAIT || (!pause.is_zero() && pace.refusing(now) > LONGEST_WAIT) {
                    return Err(pause);
                }
                if wait.is_zero() || (pause.is_zero() && now >= latest) {
                    let early = !wait.is_zero() && pace.is_early(tokens, now);
                    pace.sent(tokens);
                    return Ok(RequestPermit { limiter: self, tokens, since: now, early });
                }

                wait.min(if pause.is_zero() { latest - now } else { wait })
            };

            // Whatever comes first; the next look decides.
            let _ = timeout_at(now + wait, self.news.notified()).await;
        }
    }

    /// A vectorizer is new or was altered: the provider is tried at once, unless it is ready soon anyway.
    pub(in crate::embed) fn reconsider(&self) {
        self.pace().forget_pause(LONGEST_WAIT, Instant::now());
        self.news.notify_one();
    }

    /// Takes in what the headers say of an answer to a request that left at `sent`.
    pub(in crate::embed) fn learn(&self, headers: &HeaderMap, sent: Instant) {
        let limits = RateLimits::read(headers, SystemTime::now());
        self.pace().told(&limits, sent, Instant::now());
        self.news.notify_one();
    }

    /// The most that a request may hold, as far as the provider has said it.
    pub(in crate::embed) fn limits(&self) -> Limits {
        let tokens = self.pace().most_tokens();
        let told = Limits { tokens: tokens.unwrap_or(usize::MAX), ..Limits::NONE };
        told.and(self.ceiling().limits(Instant::now()))
    }

    /// Returns the most that a request may hold whose answer is to come in good time.
    pub(in crate::embed) fn in_good_time(&self) -> Limits {
        Limits { tokens: self.stride().tokens(), ..Limits::NONE }
    }

    /// A request of so many tokens was answered after `took`; more than `timeout` it may not take.
    pub(in crate::embed) fn answered(&self, tokens: usize, took: Duration, timeout: Duration) {
        self.stride().answered(tokens, took, timeout);
    }

    /// A request of so many tokens was not answered in time.
    pub(in crate::embed) fn took_too_long(&self, tokens: usize) {
        self.stride().took_too_long(tokens);
    }

    /// A request was refused that held more.
    pub(in crate::embed) fn take_no_more(&self, limits: Limits) {
        self.ceiling().learn(limits, Instant::now());
    }

    /// The refusal was not for the number of inputs.
    pub(in crate::embed) fn forget_inputs(&self) {
        self.ceiling().forget_inputs();
    }

    /// Locks the ceiling; it is as good as any other after a panic, too.
    fn ceiling(&self) -> MutexGuard<'_, Ceiling> {
        self.ceiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the stride; it is as good as any other after a panic, too.
    fn stride(&self) -> MutexGuard<'_, Stride> {
        self.stride.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic while the lock was held leaves a state that is as good as any other.
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestPermit<'_> {
    /// The provider answered.
    pub(in crate::embed) fn succeeded(self) {
        self.limiter.pace().succeeded(self.since, self.early);
    }

    /// The provider asks for fewer requests: everybody pauses.
    pub(in crate::embed) fn throttled(self, pause: Option<Duration>) {
        self.limiter.pace().throttled(self.since, pause, Instant::now());
    }
}

impl Drop for RequestPermit<'_> {
    fn drop(&mut self) {
        self.limiter.pace().ended(self.tokens);
        self.limiter.news.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn requests_leave_by_turns_of_their_owners() {
        let limiter = Limiter::default();
        let (many, few) = (Owner::of(1), Owner::of(2));
        let throttled = limiter.admit(many, 1).await.unwrap();
        throttled.throttled(Some(Duration::from_millis(1)));

        // Many of one owner's requests wait before the other's first.
        let left = Mutex::new(Vec::new());
        let request = |owner| {
            let (limiter, left) = (&limiter, &left);
            async move {
                let permit = limiter.admit(owner, 1).await.unwrap();
                left.lock().unwrap().push(owner);
                permit.succeeded();
            }
        };
        let mut waiting: Vec<_> = (0..20).map(|_| request(many).boxed_local()).collect();
        for request in &mut waiting {
            assert!(request.as_mut().now_or_never().is_none());
        }
        waiting.push(request(few).boxed_local());
        join_all(waiting).await;

        let place = left.lock().unwrap().iter().position(|owner| *owner == few);
        assert!(place.is_some_and(|place| place <= 2), "{place:?}");
    }
}
