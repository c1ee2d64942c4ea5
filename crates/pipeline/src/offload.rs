//! Work that takes processor time, kept off the network's threads.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::failure::{Failure, Retry, Step};

/// Work on less than this stays on the network's threads: it takes a millisecond, and a change of
/// threads is not free either.
pub(crate) const SMALL: usize = 64 << 10;

/// Bounds how many threads compute at a time. Not a matter of memory but of leaving threads to name
/// look-ups, which share the runtime's pool.
#[derive(Debug, Clone)]
pub(crate) struct Offload {
    slots: Arc<Semaphore>,
}

/// The runtime is being shut down, and nobody waits for the result.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Stopped {
    /// The failure of a document, for form's sake.
    pub(crate) fn failure(self, step: Step) -> Failure {
        Failure::new(step, "internal_error", "the worker is shutting down", Retry::Backoff)
    }
}

impl Offload {
    /// Lets so many threads compute.
    pub(crate) fn new(slots: usize) -> Self {
        Offload { slots: Arc::new(Semaphore::new(slots)) }
    }

    /// Does what takes processor time in proportion to `size` bytes. Panics as `work` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if size < SMALL {
            return Ok(work());
        }

        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Stopped),
            },
        }
    }
}
