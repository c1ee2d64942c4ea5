//! Pauses that grow while users' locks are in the way.

use std::time::{Duration, Instant};

use pgai_rs_pipeline::backoff::Backoff;

/// The first pause, doubled each time. Each attempt also takes up to the session's lock_timeout, during which
/// the worker does nothing else.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// The number of attempts before a step is given up, which takes one to two minutes.
const MOST: u32 = 16;

/// A pause between attempts that met a lock.
#[derive(Debug)]
pub struct LockBackoff {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Default for LockBackoff {
    fn default() -> Self {
        LockBackoff { backoff: Backoff::new(FIRST, LONGEST), until: None }
    }
}

impl LockBackoff {
    /// Returns the time that is left of the pause, or `None` if there is none.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then_some(left)
    }

    /// Begins a longer pause because a lock was in the way, and returns its length.
    pub fn grow(&mut self) -> Duration {
        let pause = self.backoff.grow();
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// Returns whether all attempts are used up.
    pub fn is_over(&self) -> bool {
        self.backoff.times() >= MOST
    }

    /// Ends the pause and forgets the attempts, because no lock was in the way.
    pub fn renew(&mut self) {
        *self = LockBackoff::default();
    }
}
