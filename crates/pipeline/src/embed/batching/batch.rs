//! The inputs of one request, and those who wait for them.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::embed::Vectors;
use crate::embed::error::EmbedError;
use crate::embed::limits::pack::{Limits, Load, estimated_tokens};
use crate::embed::request::check::is_finite;
use crate::failure::Failure;

/// An input's vector, or why it gets none.
pub(in crate::embed) type Answer = Result<Vec<f32>, Failure>;

/// The sender to the one who waits for an input's vector.
pub(in crate::embed) type Reply = oneshot::Sender<Answer>;

/// The inputs of a request, each with those who wait for it.
#[derive(Default)]
pub(in crate::embed) struct Batch {
    /// The inputs, in the order in which they are sent.
    pub inputs: Vec<Arc<str>>,
    /// The senders for each input, in the order of the inputs.
    replies: Vec<Vec<Reply>>,
}

/// An input that every model takes.
const HARMLESS: &str = "ok";

impl Batch {
    /// An input that nobody waits for, to see whether the provider answers.
    pub(in crate::embed) fn probe() -> Batch {
        Batch { inputs: vec![HARMLESS.into()], replies: vec![Vec::new()] }
    }

    /// Adds an input; returns its place.
    pub(in crate::embed) fn push(&mut self, input: Arc<str>, reply: Reply) -> usize {
        self.inputs.push(input);
        self.replies.push(vec![reply]);
        self.inputs.len() - 1
    }

    /// Adds somebody who waits for an input that is there already.
    pub(in crate::embed) fn join(&mut self, place: usize, reply: Reply) {
        if let Some(replies) = self.replies.get_mut(place) {
            replies.push(reply);
        }
    }

    /// Returns the number of inputs.
    pub(in crate::embed) fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Returns whether those who waited for it are gone: what it asks for may not be allowed any more.
    pub(in crate::embed) fn is_abandoned(&self) -> bool {
        let mut replies = self.replies.iter().flatten().peekable();
        replies.peek().is_some() && replies.all(Reply::is_closed)
    }

    /// Returns the estimated tokens of all inputs together.
    pub(in crate::embed) fn tokens(&self) -> usize {
        self.inputs.iter().map(|input| estimated_tokens(input)).sum()
    }

    /// Takes the inputs from this place on.
    pub(in crate::embed) fn split_off(&mut self, at: usize) -> Batch {
        Batch { inputs: self.inputs.split_off(at), replies: self.replies.split_off(at) }
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
        self.replies.append(&mut end.replies);
    }

    /// Leaves out what nobody waits for any more: its document was forgotten, or has failed.
    pub(in crate::embed) fn without_abandoned(self) -> Batch {
        let wanted = |replies: &Vec<Reply>| replies.iter().any(|reply| !reply.is_closed());
        let (inputs, replies) =
            self.inputs.into_iter().zip(self.replies).filter(|(_, replies)| wanted(replies)).unzip();
        Batch { inputs, replies }
    }

    /// Gives each input its vector.
    pub(in crate::embed) fn deliver(self, vectors: Vectors) {
        for (replies, vector) in self.replies.into_iter().zip(vectors) {
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
        for replies in self.replies {
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
