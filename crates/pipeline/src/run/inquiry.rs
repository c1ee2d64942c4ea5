//! The questions of documents under way to whoever keeps the queue: which of their inputs a batch has brought vectors of.
//!
//! A document asks once before it is sent to the model. Only if its row may go by batch, and its inputs are in none yet, it asks
//! a second time, with what was set aside of the budgets, that they be collected for one. The answer to that, and to whoever
//! waits for a batch already, is the time until which the row waits: it comes again when the batch is over, and asks anew.

use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::job::Wake;
use super::prepared::Prepared;
use crate::budget::Reserved;
use crate::document::{Digest, Ticket, digest};
use crate::failure::{Failure, Retry, Scope, Step};

/// The pause after which a document asks again whose question nobody could answer.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// A question about the inputs of a document.
#[derive(Debug)]
pub struct Inquiry {
    /// The work that it belongs to.
    pub ticket: Ticket,
    /// The texts that are to be sent.
    pub inputs: Arc<[Arc<str>]>,
    /// Their digests, in the same order.
    pub digests: Arc<[Digest]>,
    /// The amounts that are set aside for them, if they are to be collected for a batch.
    pub collect: Option<Vec<Reserved>>,
    reply: oneshot::Sender<Found>,
}

/// The answer to an [`Inquiry`].
#[derive(Debug)]
pub enum Found {
    /// The vector of each input that has one. The others go the ordinary way, unless the row `may_wait`: then it may ask that
    /// they be collected for a batch.
    Vectors {
        /// In the order of the inputs; `None` for those that have none.
        vectors: Vec<Option<Vec<f32>>>,
        /// True if the others may be collected.
        may_wait: bool,
    },
    /// The inputs are in a batch: the row waits until this time at the latest, in microseconds since 1970.
    Waits(i64),
}

impl Inquiry {
    /// Answers the question. Of a document that was given up meanwhile nobody hears it.
    pub fn answer(self, found: Found) {
        let _ = self.reply.send(found);
    }
}

/// The part of a question that stays when it is asked again.
struct Question {
    ticket: Ticket,
    inputs: Arc<[Arc<str>]>,
    digests: Arc<[Digest]>,
}

/// The way of questions to the thread that owns the queue.
pub(super) struct Inquiries {
    sender: mpsc::Sender<(i32, Inquiry)>,
    wake: Arc<Wake>,
}

impl Inquiries {
    /// Returns the way to whoever receives, and is woken by this.
    pub(super) fn new(sender: mpsc::Sender<(i32, Inquiry)>, wake: Arc<Wake>) -> Arc<Self> {
        Arc::new(Inquiries { sender, wake })
    }

    /// Returns the vector of each input that a batch has brought one of; all that is left goes the ordinary way.
    ///
    /// # Errors
    ///
    /// With [`Retry::Until`] if the row waits for a batch. With what budgets and quotas do not allow, before anything is
    /// collected.
    pub(super) async fn ask(
        &self,
        prepared: &Prepared,
        ticket: Ticket,
        inputs: &[Arc<str>],
        tokens: u64,
    ) -> Result<Vec<Option<Vec<f32>>>, Failure> {
        let digests = inputs.iter().map(|input| digest(input.as_bytes())).collect();
        let question = Question { ticket, inputs: inputs.into(), digests };
        let vectorizer = &prepared.vectorizer;

        let vectors = match self.send(vectorizer.id, &question, None).await? {
            Found::Waits(until) => return Err(waits(until)),
            Found::Vectors { vectors, may_wait: false } => return Ok(vectors),
            Found::Vectors { vectors, may_wait: true } => vectors,
        };
        if vectors.iter().all(Option::is_some) {
            return Ok(vectors);
        }

        let reserved = vectorizer.meter.of_batches().reserve(tokens)?;
        vectorizer.account.spend_tokens(tokens)?;
        let collect = Some(reserved.into_iter().collect());
        match self.send(vectorizer.id, &question, collect).await? {
            Found::Waits(until) => Err(waits(until)),
            Found::Vectors { vectors, .. } => Ok(vectors),
        }
    }

    async fn send(
        &self,
        vectorizer_id: i32,
        question: &Question,
        collect: Option<Vec<Reserved>>,
    ) -> Result<Found, Failure> {
        let (reply, answer) = oneshot::channel();
        let Question { ticket, inputs, digests } = question;
        let (inputs, digests) = (Arc::clone(inputs), Arc::clone(digests));
        let inquiry = Inquiry { ticket: *ticket, inputs, digests, collect, reply };
        // Whoever is gone answers nothing.
        if self.sender.send((vectorizer_id, inquiry)).is_ok() {
            self.wake.call();
        }
        answer.await.map_err(|_| unanswered())
    }
}

/// The failure of a row that has not failed, and waits for a batch.
fn waits(until: i64) -> Failure {
    Failure::new(
        Step::Embedding,
        "waits_for_batch",
        "its inputs wait for the provider's batch",
        Retry::Until(until),
    )
}

/// The failure of a document whose question could not be answered.
fn unanswered() -> Failure {
    let message = "the vectors that a batch has brought could not be looked up";
    Failure::new(Step::Embedding, "batch_not_readable", message, Retry::After(ASK_AGAIN))
        .concerning(Scope::Row)
        .with_hint("See the server log for the reason.")
}
