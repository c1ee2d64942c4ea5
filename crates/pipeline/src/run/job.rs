//! The way of a result from the runtime's threads to the thread that owns the queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use super::memory::Hold;
use crate::document::{Chunk, Provenance, TextToKeep};
use crate::failure::{Failure, Retry, Step};

/// Names a claimed document within its runner, for ever: tickets may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct JobId(pub u64);

/// The result of a document that went all the way.
#[derive(Debug)]
pub(super) struct Processed {
    /// All chunks of the row, in order.
    pub chunks: Vec<Chunk>,
    /// The provenance of the chunks.
    pub provenance: Option<Provenance>,
    /// The places of the chunks in the document as JSON; `None` leaves what the store has.
    pub citations: Option<Vec<String>>,
    /// The text to keep.
    pub text: TextToKeep,
}

/// The end of a document's way.
#[derive(Debug)]
pub(super) struct JobOutcome {
    /// The document's number.
    pub job: JobId,
    /// The vectorizer that it was claimed for.
    pub vectorizer_id: i32,
    /// Its chunks, or the reason why it has none.
    pub result: Result<Processed, Failure>,
    /// The memory that its result holds; none if it failed.
    pub reservation: Option<Hold>,
}

/// Calls the runner's owner, once between two turns.
pub(super) struct Wake {
    called: AtomicBool,
    call: Box<dyn Fn() + Send + Sync>,
}

impl Wake {
    /// Calls the owner by this.
    pub(super) fn new(call: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Wake { called: AtomicBool::new(false), call: Box::new(call) })
    }

    /// Calls the owner, unless that was done since it came last.
    pub(super) fn call(&self) {
        if !self.called.swap(true, Ordering::AcqRel) {
            (self.call)();
        }
    }

    /// The owner has come, and will see all that was sent before.
    pub(super) fn heard(&self) {
        self.called.store(false, Ordering::Release);
    }
}

/// The report of a document's end, which is still to be made.
///
/// Whatever happens to the document, there is one report: a job that is dropped without having
/// reported, because it panicked or was cancelled, reports that.
pub(super) struct Report {
    job: JobId,
    vectorizer_id: i32,
    outcomes: Option<mpsc::Sender<JobOutcome>>,
    wake: Arc<Wake>,
}

impl Report {
    /// The report of a document that begins now.
    pub(super) fn new(
        job: JobId,
        vectorizer_id: i32,
        outcomes: mpsc::Sender<JobOutcome>,
        wake: Arc<Wake>,
    ) -> Self {
        Report { job, vectorizer_id, outcomes: Some(outcomes), wake }
    }

    /// Reports how the document ended.
    pub(super) fn send(mut self, result: Result<Processed, Failure>, reservation: Hold) {
        let reservation = result.is_ok().then_some(reservation);
        self.report(result, reservation);
    }

    fn report(&mut self, result: Result<Processed, Failure>, reservation: Option<Hold>) {
        if let Some(outcomes) = self.outcomes.take() {
            let outcome =
                JobOutcome { job: self.job, vectorizer_id: self.vectorizer_id, result, reservation };
            // Nobody listens any more when the runner is gone.
            if outcomes.send(outcome).is_ok() {
                self.wake.call();
            }
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.report(Err(internal_error(Step::Loading)), None);
    }
}

/// The failure of a document of which a stage has panicked. What the panic said may hold a part of the
/// document, so it is not repeated.
pub(super) fn internal_error(step: Step) -> Failure {
    Failure::new(step, "internal_error", "a bug in pgai_rs stopped the document", Retry::Backoff)
        .with_hint("See the server log for the place, and please report it.")
}
