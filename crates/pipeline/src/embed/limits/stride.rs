//! The size of a request that a server answers in good time, as its answers have shown.
//!
//! A model on a CPU may take a minute for what a provider answers in a second. Nothing comes of a request that takes longer
//! than one may, and it would be sent again as it was; so requests begin small, and grow where the answers are quick.

use std::time::Duration;

/// The estimated tokens of the first requests: some twenty chunks, which a model on one core answers in seconds.
const FIRST: usize = 4_096;
/// The smallest limit, about a chunk.
const LEAST: usize = 256;

/// The factor by which the limit grows after a quick answer, and the divisor after none.
const STEP: usize = 4;

/// Parts of the longest time for a request: an answer within one of so many is quick, one that takes longer than one of so many
/// is slow, and the limit is then chosen for one of so many.
const QUICK: u32 = 30;
const SLOW: u32 = 4;
const WANTED: u32 = 8;

/// A limit on the estimated tokens of a request, which follows the time of the answers.
#[derive(Debug)]
pub(in crate::embed) struct Stride(usize);

impl Default for Stride {
    fn default() -> Self {
        Stride(FIRST)
    }
}

impl Stride {
    /// Returns the largest number of estimated tokens.
    pub(in crate::embed) fn tokens(&self) -> usize {
        self.0
    }

    /// Takes in the time of an answer to a request of so many tokens, of which the longest is `timeout`. A request that was
    /// much smaller than the limit says nothing: it may have waited for others.
    pub(in crate::embed) fn answered(&mut self, tokens: usize, took: Duration, timeout: Duration) {
        if tokens.saturating_mul(2) < self.0 {
            return;
        }
        if took <= timeout / QUICK {
            self.0 = self.0.max(tokens.saturating_mul(STEP));
        } else if took > timeout / SLOW {
            let part = (timeout / WANTED).as_secs_f64() / took.as_secs_f64();
            self.0 = self.0.min((tokens as f64 * part) as usize).max(LEAST);
        }
    }

    /// Takes in that a request of so many tokens was not answered in time.
    pub(in crate::embed) fn took_too_long(&mut self, tokens: usize) {
        self.0 = self.0.min(tokens / STEP).max(LEAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns the limit after full requests that took so many seconds each.
    fn after(seconds: &[u64]) -> usize {
        let mut stride = Stride::default();
        for &seconds in seconds {
            stride.answered(stride.tokens(), Duration::from_secs(seconds), MINUTE);
        }
        stride.tokens()
    }

    #[test]
    fn requests_grow_where_answers_are_quick_and_shrink_where_they_are_slow() {
        assert_eq!(after(&[]), FIRST);
        assert_eq!(after(&[1, 2]), 16 * FIRST);
        assert_eq!(after(&[3, 15]), FIRST);
        assert_eq!(after(&[30]), FIRST / 4);
        assert_eq!(after(&[59; 20]), LEAST);
        assert_eq!(after(&[59, 59, 59, 1]), 4 * after(&[59, 59, 59]));
    }

    #[test]
    fn one_that_is_not_answered_is_followed_by_smaller_ones() {
        let mut stride = Stride::default();
        stride.took_too_long(FIRST);
        assert_eq!(stride.tokens(), FIRST / 4);
        // What was sent with it tells the same.
        stride.took_too_long(FIRST);
        assert_eq!(stride.tokens(), FIRST / 4);
        stride.took_too_long(10);
        assert_eq!(stride.tokens(), LEAST);
    }

    #[test]
    fn a_request_far_below_the_limit_says_nothing() {
        let mut stride = Stride::default();
        stride.answered(FIRST / 4, MINUTE, MINUTE);
        stride.answered(1, Duration::ZERO, MINUTE);
        assert_eq!(stride.tokens(), FIRST);
    }
}
