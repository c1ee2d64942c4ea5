//! The stages joined: bounded, concurrent, streaming.

use std::sync::Arc;

use crate::document::{Completed, Document, Failed, Ticket, Vectorizer};

/// Where work comes from and results go: the seam between the pipeline and whoever keeps the queue.
///
/// All methods are called by [`Runner::turn`](Runner::turn) on its caller's thread, so that an
/// implementation may live on one thread, as Postgres asks.
pub trait Queue {
    /// What can go wrong with the queue itself; it ends the turn.
    type Error;

    /// The vectorizers that may have work now.
    fn vectorizers(&mut self) -> Result<Vec<Arc<Vectorizer>>, Self::Error>;

    /// Claims at most `limit` rows of a vectorizer.
    fn claim(&mut self, vectorizer: &Arc<Vectorizer>, limit: usize) -> Result<Vec<Document>, Self::Error>;

    /// Writes what is done and settles it. What can't be written just now (its row is locked) is
    /// given back, and is offered again in a later turn.
    fn complete(&mut self, vectorizer: &Arc<Vectorizer>, done: Vec<Completed>)
        -> Result<Vec<Completed>, Self::Error>;

    /// Settles what failed: tries again later, or sets it aside.
    fn fail(&mut self, vectorizer: &Arc<Vectorizer>, failed: Vec<Failed>) -> Result<(), Self::Error>;
}
