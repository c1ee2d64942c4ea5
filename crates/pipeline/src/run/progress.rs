//! The progress of a document through the stages.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::failure::Step;

/// The stage that a document is in, for the report of a panic.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

impl Progress {
    const STEPS: [Step; 5] =
        [Step::Loading, Step::Parsing, Step::Chunking, Step::Formatting, Step::Embedding];

    /// Notes that it has come to this stage.
    pub(super) fn set(&self, step: Step) {
        if let Some(at) = Self::STEPS.iter().position(|&known| known == step) {
            self.0.store(at as u8, Ordering::Relaxed);
        }
    }

    /// The stage that was noted last.
    pub(super) fn get(&self) -> Step {
        Self::STEPS.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Step::Loading)
    }
}
