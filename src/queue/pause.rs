//! Growing pauses after errors that concern a whole vectorizer.

use std::time::{Duration, Instant};

use pgai_rs_pipeline::backoff::Backoff;

/// A growing pause after errors that concern a whole vectorizer.
#[derive(Clone)]
pub struct Pause {
    until: Option<Instant>,
    backoff: Backoff,
}

impl Default for Pause {
    fn default() -> Self {
        Pause { until: None, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) }
    }
}

impl Pause {
    /// Returns a pause that grows from one second to ten minutes, for statements whose every attempt costs
    /// the others time.
    pub fn of_overrun() -> Self {
        Pause { until: None, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(600)) }
    }

    /// Returns the pause with its current rest ended; the next rest is as long as if it had run its time.
    pub fn over(&self) -> Self {
        Pause { until: None, backoff: self.backoff.clone() }
    }

    /// Begins a rest, longer than the last.
    pub fn begin(&mut self) {
        self.until = Some(Instant::now() + self.backoff.grow());
    }

    /// Returns whether a rest was begun since the pause was made.
    pub fn has_grown(&self) -> bool {
        self.backoff.times() > 0
    }

    /// Returns the time that is left of the current rest, or `None` if there is none.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then_some(left)
    }
}
