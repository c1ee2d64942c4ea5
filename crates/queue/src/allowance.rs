//! A limit on the time that a kind of work may take, for work that anybody can cause at will.

use std::time::{Duration, Instant};

/// The part of the time that passes that may be used: one in so many.
const ONE_IN: u32 = 10;

/// The time that can be saved up, so that what comes seldom is done at once.
const MOST: Duration = Duration::from_secs(1);

/// The time that a kind of work may take: a tenth of the time that passes, of which at most a second is saved up.
#[derive(Debug)]
pub struct Allowance {
    /// The time from which on some is left: earlier, the more is saved up.
    since: Instant,
}

impl Allowance {
    /// Returns one of which a second is left.
    pub fn new(now: Instant) -> Self {
        Allowance { since: now.checked_sub(MOST * ONE_IN).unwrap_or(now) }
    }

    /// Returns the time until some is left, or `None` if some is left now.
    pub fn exhausted_for(&self, now: Instant) -> Option<Duration> {
        let left = self.since.saturating_duration_since(now);
        (left > Duration::ZERO).then_some(left)
    }

    /// Notes that the work took so long. It may take more than is left, which delays the next.
    pub fn took(&mut self, time: Duration, now: Instant) {
        let earliest = Allowance::new(now).since;
        self.since = self.since.max(earliest) + time * ONE_IN;
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance::new(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_was_saved_up_is_used_at_once_and_no_more() {
        let now = Instant::now() + ms(3_600_000);
        let mut allowance = Allowance::new(now);
        allowance.took(ms(900), now);
        assert_eq!(allowance.exhausted_for(now), None);
        allowance.took(ms(300), now);
        assert_eq!(allowance.exhausted_for(now), Some(ms(2_000)));
    }

    #[test]
    fn it_takes_a_tenth_of_the_time_in_the_long_run() {
        let begin = Instant::now() + ms(3_600_000);
        let (mut now, mut used, mut allowance) = (begin, ms(0), Allowance::new(begin));
        while now < begin + ms(600_000) {
            if allowance.exhausted_for(now).is_none() {
                now += ms(4);
                used += ms(4);
                allowance.took(ms(4), now);
            }
            now += ms(1);
        }
        assert!(used > ms(60_000) && used < ms(62_000), "{used:?}");
    }

    #[test]
    fn no_more_than_a_second_is_saved_up() {
        let begin = Instant::now() + ms(3_600_000);
        let mut allowance = Allowance::new(begin);
        let later = begin + ms(3_600_000);
        allowance.took(ms(1_001), later);
        assert_eq!(allowance.exhausted_for(later), Some(ms(10)));
    }
}
