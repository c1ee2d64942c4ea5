//! Growing pauses between one attempt and the next.

use std::time::Duration;

/// Longest pause, however many attempts have failed.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after the `attempt`th failure, counted from 1: `first`, doubled each time, capped at
/// a minute, of which a random half is taken off, lest all who failed together return together.
pub(crate) fn backoff(first: Duration, attempt: u32) -> Duration {
    Backoff::new(first, LONGEST).after(attempt.saturating_sub(1)).grow()
}

/// A pause that grows from failure to failure.
///
/// ```
/// use std::time::Duration;
/// use pgai_rs_pipeline::backoff::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
/// assert!(backoff.grow() <= Duration::from_secs(1));
/// assert!(backoff.grow() > Duration::from_millis(999));
/// assert!(backoff.grow() <= Duration::from_secs(3));
/// assert_eq!(backoff.times(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    times: u32,
}

impl Backoff {
    /// A pause that is `first` at first, doubles each time, and is never more than `longest`. A random
    /// half is taken off each, lest all who failed together return together.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Backoff { first, longest, times: 0 }
    }

    /// The same after so many failures.
    pub const fn after(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Counts a failure; returns for how long to pause.
    pub fn grow(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.times.min(20)).min(self.longest);
        self.times = self.times.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Returns the number of failures that were counted.
    pub fn times(&self) -> u32 {
        self.times
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.times = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_up_to_the_longest_and_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        for full in [1, 2, 4, 5, 5] {
            let (pause, full) = (backoff.grow(), Duration::from_secs(full));
            assert!(pause >= full / 2 && pause <= full, "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.grow() <= Duration::from_secs(1));
    }

    #[test]
    fn doubles_up_to_a_minute() {
        let first = Duration::from_millis(100);
        for (attempt, full) in [(1, 100), (2, 200), (3, 400), (30, 60_000), (u32::MAX, 60_000)] {
            let pause = backoff(first, attempt);
            let full = Duration::from_millis(full);
            assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
        }
    }
}
