//! A request that was refused for its size: the size is found, remembered, and kept to.

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::super::batch::Batch;
use super::{Provider, may_be_one_inputs_doing, may_pass};
use crate::embed::error::EmbedError;
use crate::embed::limits::bracket::Bracket;
use crate::embed::limits::pack::Limits;

impl Provider {
    /// Sees to it that everybody in a batch is answered that was not taken as a whole.
    pub(in crate::embed) async fn answer_in_parts(&self, batch: Batch, error: EmbedError, sent: Instant) {
        let most = match &error {
            EmbedError::TooMany(most, _) => most.limits(batch.len(), batch.tokens()),
            EmbedError::InputRefused(_) if batch.len() > 1 => None,
            _ => {
                self.divide(batch, error, sent, None).await;
                return;
            }
        };

        if let Some(most) = most {
            self.limiter.take_no_more(most);
            self.ask_in_pieces(batch).await;
            return;
        }
        self.narrow(batch, error, sent).await;
    }

    /// Finds out whether it is the number of inputs that is refused. One batch does so at a time: the others
    /// wait for what it finds.
    async fn narrow(&self, mut rest: Batch, error: EmbedError, sent: Instant) {
        let said = matches!(error, EmbedError::TooMany(..));

        let turn = self.narrowing.lock().await;
        let mut bracket = Bracket::new(rest.len(), said);
        let mut taken = None;

        // Otherwise another batch has found it out while this one waited.
        if rest.len() <= self.limits().inputs {
            while let Some(size) = bracket.next().filter(|&size| size < rest.len()) {
                let part = rest.split_front(size);
                match self.ask(&part, 0).await {
                    (sent, Ok(vectors)) => {
                        bracket.took(size);
                        taken = Some(sent);
                        part.deliver(vectors);
                    }
                    (_, Err(EmbedError::InputRefused(_) | EmbedError::TooMany(..))) if size > 1 => {
                        bracket.refused(size);
                        rest.prepend(part);
                    }
                    (_, Err(_)) => {
                        rest.prepend(part);
                        break;
                    }
                }
            }

            let is_number = bracket.most().is_some() && self.is_refused(&mut rest, bracket.proof()).await;
            let most = Limits { inputs: bracket.taken(), ..Limits::NONE };
            if !is_number {
                let blamed = self.divide(rest, error, sent, taken).await;
                if !blamed && bracket.taken() > 0 {
                    // Each was taken in the end, in smaller requests.
                    self.limiter.take_no_more(most);
                }
                return;
            }
            self.limiter.take_no_more(most);
        }
        drop(turn);

        if self.ask_in_pieces(rest).await && !said {
            self.limiter.forget_inputs();
        }
    }

    /// Asks for so many inputs from the end of a batch alone, and returns whether they are refused, too.
    /// Returns `true` without asking if no number is given, or if there are not so many inputs.
    async fn is_refused(&self, rest: &mut Batch, inputs: Option<usize>) -> bool {
        let Some(inputs) = inputs.filter(|&inputs| inputs <= rest.len()) else { return true };

        let part = rest.split_off(rest.len() - inputs);
        match self.ask(&part, 0).await {
            (_, Ok(vectors)) => {
                part.deliver(vectors);
                false
            }
            (_, Err(_)) => {
                rest.append(part);
                true
            }
        }
    }

    /// Asks for a batch in as many requests as the limits want; returns whether an input was refused.
    pub(in crate::embed) async fn ask_in_pieces(&self, mut rest: Batch) -> bool {
        let mut asked = FuturesUnordered::new();
        let mut refused = Vec::new();
        let mut taken = None;

        loop {
            while rest.len() > 0 {
                // The batch has a slot of its own; others go along in those that are free.
                let slot = self.slots.try_acquire().ok();
                if slot.is_none() && !asked.is_empty() {
                    break;
                }
                let piece = rest.cut(self.limits()).without_abandoned();
                if piece.len() > 0 {
                    asked.push(self.ask_part(piece, slot));
                }
            }

            match asked.next().await {
                Some((piece, (sent, Ok(vectors)))) => {
                    taken = taken.max(Some(sent));
                    piece.deliver(vectors);
                }
                Some((piece, (_, Err(EmbedError::TooMany(most, _))))) if piece.len() > 1 => {
                    let half = Limits { inputs: piece.len() / 2, ..Limits::NONE };
                    self.limiter.take_no_more(most.limits(piece.len(), piece.tokens()).unwrap_or(half));
                    rest.prepend(piece);
                }
                // Its answer did not come in good time.
                Some((piece, (_, Err(error)))) if may_pass(&error) && self.is_too_large(&piece) => {
                    rest.prepend(piece);
                }
                Some((piece, (sent, Err(error)))) if may_be_one_inputs_doing(&error) => {
                    refused.push((piece, error, sent));
                }
                Some((piece, (_, Err(error)))) => piece.fail(&error.into_failure()),
                None => break,
            }
        }

        let mut blamed = false;
        for (piece, error, sent) in refused {
            blamed |= self.divide(piece, error, sent, taken).await;
        }
        blamed
    }
}
