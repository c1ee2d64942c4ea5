//! The condition of vectorizers whose existing rows wait for their provider's batch API.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::conditions::{Condition, Conditions, Stop};

/// The reason for which vectorizers wait, in words, with the time until their provider has promised it, by their ids.
pub type WaitingForBatches = HashMap<i32, (String, Option<Duration>)>;

impl Conditions {
    /// Records which vectorizers wait for batches, with what is said of it and for how long at most, and ends that condition for all
    /// others. `name` returns a vectorizer's name.
    pub fn waiting_for_batches(&mut self, waiting: &WaitingForBatches, name: impl Fn(i32) -> String) {
        for (id, (message, left)) in waiting {
            // What stops its rows is more to the point.
            let known = self.records.get(id).and_then(|record| record.condition.as_ref());
            if known.is_none_or(|known| known.stop == Stop::WaitingForBatch) {
                let is_other = known.is_some_and(|known| known.message != *message);
                self.stop(*id, waiting_for_batch(message, *left));
                self.records.entry(*id).or_default().changed |= is_other;
            }
        }

        self.end(name, |id, stop| stop == Stop::WaitingForBatch && !waiting.contains_key(&id));
    }
}

fn waiting_for_batch(message: &str, left: Option<Duration>) -> Condition {
    let now = SystemTime::now();
    Condition {
        stop: Stop::WaitingForBatch,
        code: "waiting_for_batch".to_owned(),
        message: message.to_owned(),
        hint: Some(
            "SELECT * FROM ai.vectorizer_batches shows the batches. Rows that change meanwhile go the ordinary way."
                .to_owned(),
        ),
        since: now,
        until: left.and_then(|left| now.checked_add(left)),
    }
}
