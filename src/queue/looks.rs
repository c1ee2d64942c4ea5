//! The times at which the worker looks at a vectorizer's queue.
//!
//! The result of a look holds until somebody changes the queue: sessions, which tell of it with their commits, or this
//! worker. So the next look is due with the first of a change, a row that becomes due, and the poll.
//!
//! Where changes come so fast that each would have a look of its own, they gather first for [`GATHER`]. That is tried where two
//! looks lie no further apart, and kept up as long as several rows are found together: whoever waits for each row before
//! writing the next gains nothing by it.

use std::time::{Duration, Instant};

/// The time for which changes gather.
const GATHER: Duration = Duration::from_millis(20);

/// The smallest and the largest number of looks before gathering is tried again, after it was in vain.
const TRIED_AFTER: (u32, u32) = (8, 1024);

/// The time of the next look at a queue.
#[derive(Debug)]
pub struct Looks {
    /// The time of the last look, and of the one before it.
    last: [Option<Instant>; 2],
    /// The time until which nothing is expected, unless the queue changes; `None` if that is not known.
    quiet_until: Option<Instant>,
    /// The time until which changes gather.
    gathers_until: Option<Instant>,
    /// True if a session has told of a change since the last look.
    has_changed: bool,
    /// True if nothing was left after the last look.
    was_all: bool,
    /// The number of looks before gathering is tried again, and that of the next time that it is in vain.
    tried_in: u32,
    tried_after: u32,
}

impl Default for Looks {
    /// Nothing is known: a look is due.
    fn default() -> Self {
        let tried_after = TRIED_AFTER.0;
        Looks {
            last: [None; 2],
            quiet_until: None,
            gathers_until: None,
            has_changed: false,
            was_all: false,
            tried_in: 0,
            tried_after,
        }
    }
}

impl Looks {
    /// Takes in that a session has changed the queue.
    pub fn changed(&mut self) {
        self.has_changed = true;
        self.quiet_until = None;
    }

    /// Takes in that the worker itself may have made rows due.
    pub fn forget(&mut self) {
        self.quiet_until = None;
    }

    /// Returns whether there is something to be found, because a session has told of it.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Returns whether nothing was left after the last look, so that there is no more now than what has changed since.
    pub fn was_all(&self) -> bool {
        self.was_all
    }

    /// Returns the time until the next look, or until changes have gathered of which nobody tells meanwhile; `None` if a look
    /// is due.
    pub fn due_in(&self, now: Instant) -> Option<Duration> {
        let left = |until: Option<Instant>| {
            Some(until?.saturating_duration_since(now)).filter(|left| !left.is_zero())
        };
        left(self.gathers_until).or_else(|| left(self.quiet_until))
    }

    /// Returns whether changes gather now, so that none is waited for.
    pub fn is_gathering(&self, now: Instant) -> bool {
        self.gathers_until.is_some_and(|until| until > now)
    }

    /// Takes in that there is nothing before `due`.
    pub fn found_none(&mut self, now: Instant, due: Duration) {
        self.looked(now, true);
        self.quiet_until = now.checked_add(due);
    }

    /// Takes in that there was something, which is to be claimed.
    pub fn found_some(&mut self) {
        self.quiet_until = None;
    }

    /// Takes in that so many rows were claimed. If these were all that are due, the next one is in `next`.
    pub fn claimed(&mut self, now: Instant, rows: usize, next: Option<Duration>) {
        let gathered = self.gathers_until.is_some();
        self.looked(now, next.is_some());
        self.quiet_until = next.and_then(|next| now.checked_add(next));
        if next.is_none() {
            return;
        }

        match (gathered, rows) {
            (true, 0 | 1) => {
                self.tried_in = self.tried_after;
                self.tried_after = self.tried_after.saturating_mul(2).min(TRIED_AFTER.1);
            }
            (true, _) => {
                self.tried_after = TRIED_AFTER.0;
                self.gathers_until = now.checked_add(GATHER);
            }
            (false, _) if self.tried_in > 0 => self.tried_in -= 1,
            (false, _) if self.follow_closely() => self.gathers_until = now.checked_add(GATHER),
            (false, _) => {}
        }
    }

    fn looked(&mut self, now: Instant, was_all: bool) {
        self.was_all = was_all;
        self.last = [Some(now), self.last[0]];
        self.gathers_until = None;
        self.has_changed = false;
    }

    /// Returns whether the last two looks were not further apart than changes would gather.
    fn follow_closely(&self) -> bool {
        let [Some(last), Some(before)] = self.last else { return false };
        last.saturating_duration_since(before) <= GATHER
    }
}
