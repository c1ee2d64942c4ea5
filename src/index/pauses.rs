//! The pauses between checks of a vectorizer whose index was found not to be due.
//!
//! A check costs some milliseconds, and where rows come one by one its result hardly ever changes from one to the next.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::backoff::Backoff;

/// The first and the longest pause. An index that becomes due is built that much later.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));

/// A pause, and the length of the next one.
struct Pause {
    backoff: Backoff,
    until: Instant,
}

/// Pauses by the ids of vectorizers.
#[derive(Default)]
pub struct Pauses(HashMap<i32, Pause>);

impl Pauses {
    /// Returns the time that is left of a vectorizer's pause; `None` if it may be checked.
    pub fn left(&self, id: i32) -> Option<Duration> {
        let left = self.0.get(&id)?.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Begins a pause, longer than the one before.
    pub fn begin(&mut self, id: i32) {
        let now = Instant::now();
        let pause = self.0.entry(id).or_insert(Pause { backoff: BACKOFF, until: now });
        pause.until = now + pause.backoff.grow();
    }

    /// Forgets the pauses of a vectorizer, whose index may be due soon.
    pub fn end(&mut self, id: i32) {
        self.0.remove(&id);
    }
}
