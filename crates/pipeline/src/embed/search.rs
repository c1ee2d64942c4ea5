//! Which of a request's inputs a provider can't take, found by dividing it.

use super::batch::Batch;
use super::EmbedError;

/// A request is divided by so many at a time: neighbours get their vectors within
/// a few round trips, for few requests more.
const PARTS: usize = 8;
/// After so many inputs were refused one by one and none was taken, it is not the inputs.
const HOPELESS_REFUSALS: u32 = 16;
/// After so many failures in a row the provider is down, whatever it did before.
const HOPELESS_FAILURES: u32 = 40;

/// The state of a search for the inputs that a provider can't take.
pub(super) struct Search {
    first_error: EmbedError,
    /// What has not been asked for in its present form, the next at the end.
    parts: Vec<Batch>,
    successes: u32,
    refused_alone: u32,
    failures_in_a_row: u32,
    /// How many failures in a row, without any success, mean that the provider is down.
    probes: u32,
}

/// What is to be done with a part of a request.
pub(super) enum Next {
    /// To be asked for.
    Ask(Batch),
    /// Not to be asked for any more.
    GiveUp(Batch, EmbedError),
}

impl Search {
    /// Begins with parts if an input was refused. If the provider failed, it may just be down:
    /// then two inputs on their own are asked for first, and only if one of them gets its vector
    /// is it worth while to go on.
    pub(super) fn new(mut batch: Batch, error: EmbedError) -> Self {
        let refused = matches!(error, EmbedError::InputRefused(_));
        let mut search = Search {
            first_error: error,
            parts: Vec::new(),
            successes: 0,
            refused_alone: 0,
            failures_in_a_row: 0,
            probes: if refused { HOPELESS_FAILURES } else { 2 },
        };
        if refused {
            search.divide(batch);
        } else {
            let last = batch.split_off(batch.len() - 1);
            let rest = batch.split_off(1);
            search.parts.extend([rest, last, batch]);
        }
        search
    }

    /// The next part, of what is wanted still.
    pub(super) fn next(&mut self) -> Option<Next> {
        loop {
            let part = self.parts.pop()?.without_abandoned();
            if part.len() > 0 {
                return Some(match self.hopeless() {
                    Some(error) => Next::GiveUp(part, error),
                    None => Next::Ask(part),
                });
            }
        }
    }

    /// How many parts may be asked for at a time: while it is open whether the provider is up, one.
    pub(super) fn at_once(&self) -> usize {
        let open = self.successes == 0 && !matches!(self.first_error, EmbedError::InputRefused(_));
        if open {
            1
        } else {
            PARTS
        }
    }

    /// Whether the provider takes anything at all.
    pub(super) fn has_succeeded(&self) -> bool {
        self.successes > 0
    }

    /// Whether it refuses an input on its own.
    pub(super) fn has_refused_alone(&self) -> bool {
        self.refused_alone > 0
    }

    /// A part got its vectors.
    pub(super) fn succeeded(&mut self) {
        self.successes += 1;
        self.failures_in_a_row = 0;
    }

    /// A part of several inputs did not: smaller ones are next.
    pub(super) fn failed(&mut self, part: Batch) {
        self.failures_in_a_row += 1;
        self.divide(part);
    }

    /// An input alone did not.
    pub(super) fn failed_alone(&mut self, error: &EmbedError) {
        self.failures_in_a_row += 1;
        self.refused_alone += u32::from(matches!(error, EmbedError::InputRefused(_)));
    }

    fn divide(&mut self, mut part: Batch) {
        let size = part.len().div_ceil(PARTS).max(1);
        while part.len() > size {
            self.parts.push(part.split_off(part.len() - size));
        }
        self.parts.push(part);
    }

    /// What the rest fails with, if going on makes no sense.
    fn hopeless(&self) -> Option<EmbedError> {
        if self.successes == 0 && self.refused_alone >= HOPELESS_REFUSALS {
            return Some(EmbedError::refused(
                "request_refused",
                "the embedding provider refuses every input",
                "Check the vectorizer's model, dimensions and base_url against the provider's documentation.",
            ));
        }
        let most = if self.successes == 0 { self.probes } else { HOPELESS_FAILURES };
        let down = self.refused_alone == 0 && self.failures_in_a_row >= most;
        down.then(|| self.first_error.clone())
    }
}
