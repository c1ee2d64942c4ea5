//! A request that was refused for its size: the size is found, remembered, and kept to.

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::super::batch::Batch;
use super::super::bracket::Bracket;
use super::super::pack::Limits;
use super::super::EmbedError;
use super::{may_be_one_inputs_doing, Provider};

impl Provider {
    /// Sees to it that everybody in a batch is answered that was not taken as a whole.
    pub(super) async fn answer_in_parts(&self, batch: Batch, error: EmbedError) {
        let most = match &error {
            EmbedError::TooMany(most, _) => most.limits(batch.len(), batch.tokens()),
            EmbedError::InputRefused(_) => None,
            _ => {
                self.divide(batch, error, false).await;
                return;
            }
        };
        if let Some(most) = most {
            self.limiter.take_no_more(most);
            self.ask_in_pieces(batch).await;
            return;
        }
        self.narrow(batch, error).await;
    }

    /// Finds out whether it is the number of inputs that is refused. One batch does so at a time: the others
    /// wait for what it finds.
    async fn narrow(&self, mut rest: Batch, error: EmbedError) {
        let said = matches!(error, EmbedError::TooMany(..));
        let turn = self.narrowing.lock().await;
        let mut bracket = Bracket::new(rest.len(), said);
        if rest.len() <= self.limits().inputs {
            while let Some(size) = bracket.next().filter(|&size| size < rest.len()) {
                let part = rest.split_front(size);
                match self.ask(&part, 0).await {
                    Ok(vectors) => {
                        bracket.took(size);
                        part.deliver(vectors);
                    }
                    Err(EmbedError::InputRefused(_) | EmbedError::TooMany(..)) if size > 1 => {
                        bracket.refused(size);
                        rest.prepend(part);
                    }
                    Err(_) => {
                        rest.prepend(part);
                        break;
                    }
                }
            }
            let is_number = bracket.most().is_some() && self.is_refused(&mut rest, bracket.proof()).await;
            let most = Limits { inputs: bracket.taken(), ..Limits::NONE };
            if !is_number {
                let blamed = self.divide(rest, error, bracket.taken() > 0).await;
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

    /// Whether so many inputs from the end of a batch are refused, too.
    async fn is_refused(&self, rest: &mut Batch, inputs: Option<usize>) -> bool {
        let Some(inputs) = inputs.filter(|&inputs| inputs <= rest.len()) else { return true };
        let part = rest.split_off(rest.len() - inputs);
        match self.ask(&part, 0).await {
            Ok(vectors) => {
                part.deliver(vectors);
                false
            }
            Err(_) => {
                rest.append(part);
                true
            }
        }
    }

    /// Asks for a batch in as many requests as the limits want; answers whether an input was refused.
    async fn ask_in_pieces(&self, mut rest: Batch) -> bool {
        let mut asked = FuturesUnordered::new();
        let mut refused = Vec::new();
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
                Some((piece, Ok(vectors))) => piece.deliver(vectors),
                Some((piece, Err(EmbedError::TooMany(most, _)))) if piece.len() > 1 => {
                    let half = Limits { inputs: piece.len() / 2, ..Limits::NONE };
                    self.limiter.take_no_more(most.limits(piece.len(), piece.tokens()).unwrap_or(half));
                    rest.prepend(piece);
                }
                Some((piece, Err(error))) if piece.len() > 1 && may_be_one_inputs_doing(&error) => {
                    refused.push((piece, error));
                }
                Some((piece, Err(error))) => piece.fail(&error.into_failure()),
                None => break,
            }
        }

        let mut blamed = false;
        for (piece, error) in refused {
            blamed |= self.divide(piece, error, true).await;
        }
        blamed
    }
}
