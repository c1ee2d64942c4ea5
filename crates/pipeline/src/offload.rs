//! Work that takes processor time, kept off the network's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, Retry, Step};
use crate::fair::FairSemaphore;
use crate::quota::Owner;

/// Less work than on so many bytes stays on the network's threads: it takes a millisecond, and a change of
/// threads is not free either.
pub(crate) const SMALL: usize = 64 << 10;

/// Threads that compute for one owner at a time. Not a matter of memory but of leaving threads to programs that parse,
/// which share the runtime's pool.
const SLOTS: u64 = 4;
/// Threads for an owner for whom none computes.
const SPARE_SLOTS: u64 = 1;

/// Bounds how many threads compute at a time, and shares them among the owners of the work.
#[derive(Debug, Clone)]
pub(crate) struct Offload {
    slots: Arc<FairSemaphore>,
}

/// The runtime is being shut down, and nobody waits for the result.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Stopped {
    /// The failure of a document, for form's sake.
    pub(crate) fn failure(self, step: Step) -> Failure {
        Failure::new(step, "internal_error", "the worker is being stopped", Retry::Backoff)
    }
}

/// Tells the work, when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Offload {
    /// Lets some threads compute.
    pub(crate) fn new() -> Self {
        Self::with_slots(SLOTS + SPARE_SLOTS, SPARE_SLOTS)
    }

    /// Lets so many threads compute, some of which are only for an owner for whom none computes.
    pub(crate) fn with_slots(slots: u64, spare: u64) -> Self {
        Offload { slots: FairSemaphore::new(slots, spare) }
    }

    /// Does an owner's work, which takes as much processor time as looking at so many bytes. It has a slot until
    /// it ends, whether somebody waits for it or not, and is told when nobody does. Panics as `work` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        owner: Owner,
        size: usize,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if size < SMALL {
            return Ok(work(&AtomicBool::new(false)));
        }

        let slot = self.slots.acquire(owner, 1).await;
        let stop = Arc::new(AtomicBool::new(false));
        let _stop_on_drop = StopOnDrop(Arc::clone(&stop));
        let working = move || {
            let _slot = slot;
            work(&stop)
        };

        match tokio::task::spawn_blocking(working).await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Stopped),
            },
        }
    }
}

#[cfg(test)]
impl Offload {
    /// Returns whether an owner's work would have a slot now.
    pub(crate) fn has_slot_for(&self, owner: Owner) -> bool {
        self.slots.try_acquire(owner, 1).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    #[tokio::test]
    async fn one_owners_work_leaves_a_thread_to_others() {
        let offload = Offload::new();
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let hard: Vec<_> = (0..100)
            .map(|_| {
                let (offload, ended) = (offload.clone(), Arc::clone(&ended));
                let work = move |_: &AtomicBool| ended.lock().unwrap().recv().is_err();
                tokio::spawn(async move { offload.run(A, SMALL, work).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(offload.run(B, SMALL, |_| 7).await.unwrap(), 7);

        drop(end);
        for hard in hard {
            hard.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_told_and_has_its_slot_until_it_ends() {
        let offload = Offload::with_slots(1, 0);
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = mpsc::channel();
        let (heard, hears) = mpsc::channel();
        let work = move |stop: &AtomicBool| {
            let _ = begin.send(());
            let _ = ended.recv();
            let _ = heard.send(stop.load(Ordering::Relaxed));
        };
        let task = tokio::spawn({
            let offload = offload.clone();
            async move { offload.run(A, SMALL, work).await }
        });
        begun.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());

        assert!(!offload.has_slot_for(B));
        end.send(()).unwrap();
        assert!(hears.recv().unwrap(), "it was not told");
        drop(offload.slots.acquire(B, 1).await);
    }
}
