//! Pauses that grow while users' locks are in the way.

use std::time::{Duration, Instant};

use pgai_rs_pipeline::backoff::Backoff;

/// The first pause, doubled each time. Each try takes up to the session's lock_timeout besides, in
/// which nobody else's work goes on.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// Tries that fail for one or two minutes.
const MOST: u32 = 16;

/// How often locks were in the way, and when to try again.
#[derive(Debug)]
pub struct Patience {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { backoff: Backoff::new(FIRST, LONGEST), until: None }
    }
}

impl Patience {
    /// How long not to try yet.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then_some(left)
    }

    /// A lock was in the way: for how long not to try.
    pub fn grow(&mut self) -> Duration {
        let pause = self.backoff.grow();
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// Whether it has been tried often enough.
    pub fn is_over(&self) -> bool {
        self.backoff.times() >= MOST
    }

    /// No lock was in the way.
    pub fn renew(&mut self) {
        *self = Patience::default();
    }
}
