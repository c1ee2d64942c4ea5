//! Parsing as a stage of its own, which is waited for.

use super::{Input, Parsed, parse};
use crate::config::Parsing;
use crate::failure::{Failure, Step};
use crate::offload::Offload;
use crate::quota::Owner;

/// The parsers, and the slots that they work in.
#[derive(Debug)]
pub(crate) struct Parsers {
    offload: Offload,
}

impl Parsers {
    /// Parsers that work in these slots, together with whoever has them, too.
    pub(crate) fn new(slots: &Offload) -> Self {
        Parsers { offload: slots.clone() }
    }

    /// Turns a document into text, as [`parse`] does, off the network's threads if it is large.
    pub(crate) async fn parse(
        &self,
        owner: Owner,
        parsing: Parsing,
        input: Input,
    ) -> Result<Parsed, Failure> {
        let parsed = self.offload.run(owner, input.size(), move |_| parse(parsing, input)).await;
        Ok(parsed.map_err(|stopped| stopped.failure(Step::Parsing))??)
    }
}
