//! The time at which the worker has to look at its queue again, if it is not woken earlier.

use std::time::Duration;

/// The pause before a vectorizer is looked at again that another transaction was changing.
const UNTIL_CHANGED: Duration = Duration::from_millis(100);

/// The time of the worker's next look at its queue.
#[derive(Debug, Default)]
pub struct NextLook {
    due: Option<Duration>,
}

impl NextLook {
    /// Begins a turn, in which the time is found anew.
    pub fn begin(&mut self) {
        self.due = None;
    }

    /// Makes the worker look again after `left` at the latest.
    pub fn within(&mut self, left: Duration) {
        self.due = self.due.into_iter().chain([left]).min();
    }

    /// Makes the worker look again soon, because a vectorizer was skipped that another transaction was changing.
    pub fn again(&mut self) {
        self.within(UNTIL_CHANGED);
    }

    /// Returns the time until a row will be due; `None` if none is expected.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }
}
