//! The seam between the pipeline and whoever keeps the queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::inquiry::{Found, Inquiry};
use crate::document::{Completed, Document, Failed, Ticket, Vectorizer};

/// The rows that are wanted, by the addresses that they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// Whatever they hold.
    Any,
    /// Those whose address begins like this.
    Of(Arc<str>),
    /// Those whose address begins like none of these.
    Except(Vec<Arc<str>>),
}

impl Addresses {
    /// Returns whether a row with this address is wanted.
    pub fn want(&self, address: &str) -> bool {
        match self {
            Addresses::Any => true,
            Addresses::Of(beginning) => address.starts_with(&**beginning),
            Addresses::Except(beginnings) => !beginnings.iter().any(|b| address.starts_with(&**b)),
        }
    }
}

/// The documents of the rows that were claimed.
#[derive(Debug, Default)]
pub struct ClaimedDocuments {
    /// The documents. None means that there is nothing now.
    pub documents: Vec<Document>,
    /// True if there may be more now that are wanted.
    pub more: bool,
}

/// The queue that work comes from and results go to.
///
/// All methods are called by [`Runner::turn`](super::Runner::turn) on its caller's thread, so
/// that an implementation may live on one thread, as Postgres asks.
///
/// Results are lent, not given: until a method returns `Ok`, the [`Runner`](super::Runner) keeps
/// them and offers them again. An implementation whose method errs has written nothing of what it
/// was lent (it has rolled back).
pub trait Queue {
    /// The error of the queue. Its text becomes the reason of a document that can't be written, so it
    /// must hold no secret.
    type Error: fmt::Display;

    /// Returns the vectorizers that may have work now, in the order in which they shall be served.
    ///
    /// Called once a turn; an implementation that knows that one has no work leaves it out.
    fn vectorizers(&mut self) -> Result<Vec<Arc<Vectorizer>>, Self::Error>;

    /// Claims at most `limit` rows of a vectorizer among those that `addresses` wants, together of at most
    /// `bytes` (see [`Document::size`]); one that is larger alone is claimed alone. What is larger than a
    /// document may be comes as [`Payload::TooLarge`](crate::document::Payload::TooLarge), and what would take more memory than a
    /// document may, with the template's columns, as [`Payload::RowTooLarge`](crate::document::Payload::RowTooLarge).
    ///
    /// The tickets are new: none of them is in flight.
    fn claim(
        &mut self,
        vectorizer: &Arc<Vectorizer>,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<ClaimedDocuments, Self::Error>;

    /// Writes what is done and settles it, all in one transaction. Returns the tickets that can't
    /// be written just now (the row is locked): they are offered again in a later turn.
    ///
    /// On `Err` the documents are offered again in halves, within the same turn, so that one that
    /// can't be written does not take its neighbours along. One that errs alone is offered again in
    /// later turns, and after the third time handed to [`Queue::fail`] with
    /// [`Step::Writing`](crate::failure::Step::Writing), `not_writable` and the error's text. An
    /// error that does not come again is not reported. Of what is [costly](Queue::is_costly), the halves
    /// are offered in later turns, and one that errs alone is not offered again.
    fn complete(
        &mut self,
        vectorizer: &Arc<Vectorizer>,
        done: &[Completed],
    ) -> Result<Vec<Ticket>, Self::Error>;

    /// Settles what failed, all in one transaction: tries again later, or sets it aside. Returns the tickets
    /// that can't be settled just now, as [`Queue::complete`] does. No failure comes with
    /// [`Retry::OnRecovery`](crate::failure::Retry::OnRecovery): the runner knows by then after which time to
    /// look.
    ///
    /// On `Err` the failures are offered again in halves, too; what errs alone is kept and offered
    /// again in later turns. If nothing can be settled, the turn ends with the error.
    fn fail(&mut self, vectorizer: &Arc<Vectorizer>, failed: &[Failed]) -> Result<Vec<Ticket>, Self::Error>;

    /// Answers questions of documents under way, each by [`Inquiry::answer`]. It is asked for vectorizers whose existing rows
    /// go by batch, or that have vectors which a batch has brought. By default there are none.
    ///
    /// On `Err` those that are not answered are tried again later.
    fn inquire(&mut self, _vectorizer: &Arc<Vectorizer>, inquiries: Vec<Inquiry>) -> Result<(), Self::Error> {
        for inquiry in inquiries {
            let vectors = vec![None; inquiry.inputs.len()];
            inquiry.answer(Found::Vectors { vectors, may_wait: false });
        }
        Ok(())
    }

    /// Returns the time until it may be this vectorizer's turn, zero for the next one; `None` if that is now.
    /// Until then it is neither claimed for nor offered anything, and the others are.
    fn waits_its_turn(&self, _vectorizer: &Vectorizer) -> Option<Duration> {
        None
    }

    /// Returns whether a call that erred like this has taken long, so that each part of it may take as
    /// long again.
    fn is_costly(_error: &Self::Error) -> bool
    where
        Self: Sized,
    {
        false
    }
}
