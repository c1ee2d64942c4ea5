//! The inputs of one request, and those who wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::embed::Vectors;
use crate::embed::error::EmbedError;
use crate::embed::limits::pack::{Limits, Load, estimated_tokens};
use crate::embed::request::check::is_finite;
use crate::failure::Failure;
use crate::usage::{Bill, Meter, Size, Usage};

/// An input's vector, or why it gets none.
pub(in crate::embed) type Answer = Result<Vec<f32>, Failure>;

/// The sender to the one who waits for an input's vector.
pub(in crate::embed) type Reply = oneshot::Sender<Answer>;

/// The inputs of a request, each with those who wait for it.
#[derive(Default)]
pub(in crate::embed) struct Batch {
    /// The inputs, in the order in which they are sent.
    pub inputs: Vec<Arc<str>>,
    /// The receivers of each input's vector, in the order of the inputs.
    receivers: Vec<Receivers>,
}

/// Those who wait for an input's vector, and the one who pays for it.
struct Receivers {
    replies: Vec<Reply>,
    /// Counts for whoever came first.
    meter: Meter,
}

/// An input that every model takes.
const HARMLESS: &str = "ok";

impl Batch {
    /// An input that nobody waits for, to see whether the provider answers.
    pub(in crate::embed) fn probe(meter: Meter) -> Batch {
        Batch { inputs: vec![HARMLESS.into()], receivers: vec![Receivers { replies: Vec::new(), meter }] }
    }

    /// Adds an input that `meter` counts; returns its place.
    pub(in crate::embed) fn push(&mut self, input: Arc<str>, reply: Reply, meter: Meter) -> usize {
        self.inputs.push(input);
        self.receivers.push(Receivers { replies: vec![reply], meter });
        self.inputs.len() - 1
    }

    /// Returns the meter of the first input, which counts what concerns the batch as a whole.
    pub(in crate::embed) fn meter(&self) -> Meter {
        self.receivers.first().map(|first| first.meter.clone()).unwrap_or_default()
    }

    /// Charges those who pay for the inputs with what was asked for the batch. Requests are counted once, for the first of
    /// them.
    pub(in crate::embed) fn charge(&self, bill: &Bill) {
        let all_tokens = self.tokens() as u64;
        self.meter().add(Usage { requests: bill.requests(), ..Usage::default() });

        let mut inputs = self.inputs.iter();
        let mut before = 0;
        for alike in self.receivers.chunk_by(|one, next| one.meter == next.meter) {
            let mut part = Size { inputs: alike.len() as u64, ..Size::default() };
            for input in inputs.by_ref().take(alike.len()) {
                part.bytes += input.len() as u64;
                part.tokens += estimated_tokens(input) as u64;
            }
            if let Some(first) = alike.first() {
                first.meter.add(bill.part(part, before, all_tokens));
            }
            before += part.tokens;
        }
    }

    /// Adds somebody who waits for an input that is there already.
    pub(in crate::embed) fn join(&mut self, place: usize, reply: Reply) {
        if let Some(receivers) = self.receivers.get_mut(place) {
            receivers.replies.push(reply);
        }
    }

    /// Returns the number of inputs.
    pub(in crate::embed) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether those who waited for it are gone: what it asks for may not be allowed any more.
    pub(in crate::embed) fn is_abandoned(&self) -> bool {
        let mut replies = self.receivers.iter().flat_map(|receivers| &receivers.replies).peekable();
        replies.peek().is_some() && replies.all(Reply::is_closed)
    }

    /// Returns the estimated tokens of all inputs together.
    pub(in crate::embed) fn tokens(&self) -> usize {
        self.inputs.iter().map(|input| estimated_tokens(input)).sum()
    }

    /// Takes the inputs from this place on.
    pub(in crate::embed) fn split_off(&mut self, at: usize) -> Batch {
        Batch { inputs: self.inputs.split_off(at), receivers: self.receivers.split_off(at) }
    }

    /// Takes so many inputs from the front.
    pub(in crate::embed) fn split_front(&mut self, inputs: usize) -> Batch {
        let rest = self.split_off(inputs.min(self.len()));
        std::mem::replace(self, rest)
    }

    /// Takes as many inputs from the front as a request holds.
    pub(in crate::embed) fn cut(&mut self, limits: Limits) -> Batch {
        let mut load = Load::new(limits);
        let fitting = self.inputs.iter().take_while(|input| load.take(estimated_tokens(input))).count();
        self.split_front(fitting)
    }

    /// Puts inputs back at the front.
    pub(in crate::embed) fn prepend(&mut self, mut front: Batch) {
        front.append(std::mem::take(self));
        *self = front;
    }

    /// Puts inputs back at the end.
    pub(in crate::embed) fn append(&mut self, mut end: Batch) {
        self.inputs.append(&mut end.inputs);
        self.receivers.append(&mut end.receivers);
    }

    /// Leaves out what nobody waits for any more: its document was forgotten, or has failed.
    pub(in crate::embed) fn without_abandoned(self) -> Batch {
        let wanted = |receivers: &Receivers| receivers.replies.iter().any(|reply| !reply.is_closed());
        let (inputs, receivers) =
            self.inputs.into_iter().zip(self.receivers).filter(|(_, receivers)| wanted(receivers)).unzip();
        Batch { inputs, receivers }
    }

    /// Gives each input its vector.
    pub(in crate::embed) fn deliver(self, vectors: Vectors) {
        for (Receivers { replies, .. }, vector) in self.receivers.into_iter().zip(vectors) {
            // One input that makes the model answer NaN is that input's matter only.
            let answer = if is_finite(&vector) {
                Ok(vector)
            } else {
                Err(EmbedError::BadResponse("a vector contains a number that is not finite".to_owned())
                    .of_input())
            };
            send_all(replies, answer);
        }
    }

    /// Gives each input the same failure.
    pub(in crate::embed) fn fail(self, failure: &Failure) {
        for Receivers { replies, .. } in self.receivers {
            send_all(replies, Err(failure.clone()));
        }
    }
}

/// Answers all who wait for an input; whoever no longer does is skipped.
fn send_all(mut replies: Vec<Reply>, answer: Result<Vec<f32>, Failure>) {
    let last = replies.pop();
    for reply in replies {
        let _ = reply.send(answer.clone());
    }
    if let Some(reply) = last {
        let _ = reply.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::{Counted, Ledger, ModelName};

    #[test]
    fn each_vectorizer_is_charged_with_its_inputs_and_all_with_the_whole() {
        let ledger = Arc::new(Ledger::default());
        let meter = |id: i32| {
            let model = ModelName { model: "m".into(), server: String::new() };
            Meter::new(
                &ledger,
                Counted {
                    vectorizer: id.to_string(),
                    id,
                    name: "v".into(),
                    owner: 1,
                    model,
                    by_batch: false,
                },
            )
        };
        let (one, two) = (meter(1), meter(2));
        let mut batch = Batch::default();
        for (text, meter) in [("12345678", &one), ("1234", &two), ("1234", &one)] {
            batch.push(text.into(), oneshot::channel().0, meter.clone());
        }

        let bill = Bill::default();
        let size = Size { inputs: 3, bytes: 16, tokens: 4, most_tokens: 100 };
        bill.sent(size);
        bill.said(size, 100);
        batch.charge(&bill);
        let mut counted: Vec<_> =
            ledger.take().into_iter().map(|(name, _, usage)| (name.id, usage)).collect();
        counted.sort_by_key(|(id, _)| *id);
        let usage = |requests, inputs, bytes, tokens| Usage {
            requests,
            inputs,
            bytes,
            tokens,
            billed_bytes: bytes,
            ..Usage::default()
        };
        assert_eq!(counted, [(1, usage(1, 2, 12, 75)), (2, usage(0, 1, 4, 25))]);
    }
}
