//! The result of processing a row, with the claim on it.

use pgai_rs_pipeline::document::Completed;

use crate::work::Claimed;

/// A document with the claim under which it was processed.
pub struct Outcome<'a> {
    /// The result of processing.
    pub done: &'a Completed,
    /// The claim.
    pub claim: Claimed,
}

/// Documents after an attempt to write them.
pub struct Attempt<'a, 'b> {
    /// Documents that were written.
    pub written: Vec<&'a Outcome<'b>>,
    /// Documents of which a chunk that was to be kept was deleted since the claim: they are retried.
    pub conflicted: Vec<&'a Outcome<'b>>,
}
