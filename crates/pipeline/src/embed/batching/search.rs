//! The search for the inputs of a request that a provider can't take, by dividing the request.
//!
//! An input is at fault only if the provider takes another that it was sent later. Where none of the
//! request's own was taken, a harmless one is sent to see: if that fails as well, no input is at fault.

use tokio::time::Instant;

use super::batch::Batch;
use crate::embed::error::EmbedError;
use crate::failure::Failure;

/// A request is divided by so many at a time: neighbours get their vectors within
/// a few round trips, for few requests more.
pub(in crate::embed) const PARTS: usize = 8;
/// The number of failures without an answer after which it is doubtful that the inputs are at fault.
const DOUBTFUL_FAILURES: u32 = PARTS as u32;
/// Factor by which there may be more of them once the provider has shown that it answers.
const DOUBT_GROWTH: u32 = 4;

/// The state of a search for the inputs that a provider can't take.
pub(in crate::embed) struct Search {
    /// Parts that have not been asked for in their present form, the next at the end.
    parts: Vec<Batch>,
    /// Inputs that failed on their own.
    suspects: Vec<Suspect>,
    /// Failures since the provider last answered.
    failures: u32,
    /// The number of failures from which on it is doubtful that the inputs are at fault.
    doubtful: u32,
    /// `true` if an input was refused on its own, and others were taken.
    refused_alone: bool,
}

/// An input that failed on its own.
struct Suspect {
    input: Batch,
    error: EmbedError,
    sent: Instant,
}

impl Search {
    /// Begins with the parts of a request if an input was refused. If the provider failed, it may just
    /// be down, and that is to be seen first.
    pub(in crate::embed) fn new(batch: Batch, error: EmbedError, sent: Instant) -> Self {
        let refused = matches!(error, EmbedError::InputRefused(_) | EmbedError::TooMany(..));
        let mut search = Search {
            parts: Vec::new(),
            suspects: Vec::new(),
            failures: 0,
            doubtful: DOUBTFUL_FAILURES,
            refused_alone: false,
        };

        search.failed(batch, error, sent);
        search.failures = if refused { 0 } else { search.doubtful };
        search
    }

    /// Returns whether the provider is to be asked for something harmless before the search goes on, if
    /// the requests still under way bring no answer.
    pub(in crate::embed) fn is_in_doubt(&self) -> bool {
        self.failures >= self.doubtful || (self.parts.is_empty() && !self.suspects.is_empty())
    }

    /// The next part to ask for, of what is wanted still.
    pub(in crate::embed) fn next(&mut self) -> Option<Batch> {
        loop {
            let part = self.parts.pop()?.without_abandoned();
            if part.len() > 0 {
                return Some(part);
            }
        }
    }

    /// Returns whether all inputs have been answered.
    pub(in crate::embed) fn is_over(&self) -> bool {
        self.parts.is_empty() && self.suspects.is_empty()
    }

    /// A part of the request, sent at that time, got its vectors: what failed before is to blame.
    pub(in crate::embed) fn succeeded(&mut self, sent: Instant) {
        self.failures = 0;
        for suspect in self.suspects.extract_if(.., |suspect| suspect.sent <= sent) {
            self.refused_alone |= matches!(suspect.error, EmbedError::InputRefused(_));
            suspect.input.fail(&suspect.error.of_input());
        }
    }

    /// The provider takes something harmless, sent at that time. If it was down until then, what failed
    /// gets another chance.
    pub(in crate::embed) fn reassured(&mut self, sent: Instant, was_up: bool) {
        self.doubtful = self.doubtful.saturating_mul(DOUBT_GROWTH);
        if was_up {
            return self.succeeded(sent);
        }
        self.failures = 0;
        self.parts.extend(self.suspects.drain(..).map(|suspect| suspect.input));
    }

    /// Returns whether an input was refused on its own, and others were taken.
    pub(in crate::embed) fn has_refused_alone(&self) -> bool {
        self.refused_alone
    }

    /// A part did not get its vectors: smaller ones are next, and one of a single input is suspect.
    pub(in crate::embed) fn failed(&mut self, mut part: Batch, error: EmbedError, sent: Instant) {
        self.failures = self.failures.saturating_add(1);
        if part.len() <= 1 {
            return self.suspects.push(Suspect { input: part, error, sent });
        }

        let size = part.len().div_ceil(PARTS).max(1);
        while part.len() > size {
            self.parts.push(part.split_off(part.len() - size));
        }
        self.parts.push(part);
    }

    /// The provider takes nothing now: no input is to blame, and going on makes no sense.
    pub(in crate::embed) fn give_up(&mut self, failure: &Failure) {
        let suspects = self.suspects.drain(..).map(|suspect| suspect.input);
        for part in self.parts.drain(..).chain(suspects) {
            part.fail(failure);
        }
    }
}
