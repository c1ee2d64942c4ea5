//! The cost of a batch.

use pgai_rs_pipeline::usage::{Usage, most_tokens};

use crate::catalog::batch::{Batch, State};

/// The bill for a batch.
#[derive(Debug, Clone, Copy)]
pub enum Bill {
    /// It has cost nothing: nobody has begun with it.
    Nothing,
    /// It has cost what its answers say.
    AsSaid,
    /// It is not known how much of it was done.
    AsEstimated,
}

impl Bill {
    /// Returns the bill for a batch in this state of which nothing more is heard. One that is being made may have been made.
    pub fn unheard(state: State) -> Bill {
        match state {
            State::Creating | State::Submitted => Bill::AsEstimated,
            State::Collecting | State::Ready | State::Uploaded | State::Done => Bill::Nothing,
        }
    }

    /// Returns whether it is not known how much of the batch was done: it may be going on.
    pub fn is_unknown(self) -> bool {
        matches!(self, Bill::AsEstimated)
    }

    /// Returns what is counted for a batch, of whose answers some say what is billed, and so many do not.
    pub fn usage(self, batch: &Batch, billed: u64, unsaid: u64) -> Usage {
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let (inputs, bytes, tokens) =
            (number(batch.inputs.into()), number(batch.bytes), number(batch.tokens));
        let estimated_tokens = match self {
            Bill::Nothing => return Usage::default(),
            Bill::AsSaid => tokens.saturating_mul(unsaid).checked_div(inputs).unwrap_or_default(),
            Bill::AsEstimated => tokens,
        };
        // A server may say any number, and budgets of others would be used up by it.
        let billed = billed.min(most_tokens(inputs, bytes));
        let said = if matches!(self, Bill::AsSaid) { billed } else { 0 };
        Usage {
            requests: inputs,
            inputs,
            bytes,
            documents: 0,
            tokens: said.saturating_add(estimated_tokens),
            estimated_tokens,
            billed_bytes: if estimated_tokens == 0 { bytes } else { 0 },
        }
    }
}
