//! How long to wait before trying again.

use std::time::Duration;

/// Longest pause, however many attempts have failed.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after the `attempt`th failure, counted from 1: `first`, doubled each time, capped at
/// a minute, of which a random half is taken off, lest all who failed together return together.
pub(crate) fn backoff(first: Duration, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let full = first.saturating_mul(1 << doublings).min(LONGEST);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

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
