//! Words for people about batches that are not over.

use std::collections::HashMap;
use std::time::Duration;

use crate::catalog::batch::{Batch, State};
use crate::queue::waiting_for_batch::WaitingForBatches;

/// The sums of a vectorizer's batches that are not over, for people.
#[derive(Debug, Default)]
struct Waiting {
    inputs: i64,
    with_provider: usize,
    since: Option<String>,
    longest: f64,
}

/// Returns for each vectorizer what it waits for, in words, and the time until its provider has promised the last answer.
pub fn waiting(batches: &[Batch]) -> WaitingForBatches {
    let mut all: HashMap<i32, Waiting> = HashMap::new();
    let running = batches.iter().filter(|batch| batch.state != State::Done);
    for (vectorizer, batch) in running.filter_map(|batch| Some((batch.vectorizer?, batch))) {
        let waiting = all.entry(vectorizer).or_default();
        waiting.inputs += i64::from(batch.inputs);
        if let Some(seconds) = batch.submitted {
            waiting.with_provider += 1;
            waiting.longest = waiting.longest.max(86_400.0 - seconds);
            waiting.since = waiting.since.take().or_else(|| batch.submitted_at.clone());
        }
    }
    all.into_iter().map(|(vectorizer, waiting)| (vectorizer, waiting.told())).collect()
}

impl Waiting {
    fn told(self) -> (String, Option<Duration>) {
        let Waiting { inputs, with_provider, since, longest } = self;
        match since {
            None => (format!("{inputs} inputs of existing rows are on their way into a batch"), None),
            Some(since) => {
                let message = format!(
                    "{inputs} inputs of existing rows wait for the provider's batch API: {with_provider} submitted, the \
                     first on {since} UTC, each answered within 24 hours as the provider promises"
                );
                (message, Duration::try_from_secs_f64(longest.max(0.0)).ok())
            }
        }
    }
}
