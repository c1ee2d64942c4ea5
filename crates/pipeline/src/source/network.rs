//! The network and the threads that the tasks of a source use.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::quota::Owner;
use crate::s3::Clients;

/// Threads to run on, S3's clients, and a way to say that there is something to fetch.
#[derive(Clone)]
pub struct Network {
    handle: Handle,
    /// The clients that S3 is asked through.
    pub(super) clients: Arc<Clients>,
    /// The largest number of requests of one task at a time.
    pub(super) concurrency: usize,
    /// The owner of the source, whose part of the requests they are.
    pub(super) owner: Owner,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Network {
    /// `concurrency`: most requests of one task at a time. `wake` is called on the runtime's threads
    /// whenever a handle has something new; it must not block.
    pub fn new(
        handle: Handle,
        clients: Arc<Clients>,
        concurrency: usize,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Network { handle, clients, concurrency: concurrency.max(1), owner: Owner::default(), wake }
    }

    /// Returns the same network for an owner's source. Without one the requests are those of superusers.
    pub fn of(&self, owner: Owner) -> Self {
        Network { owner, ..self.clone() }
    }

    /// Says that there is something new.
    pub(super) fn wake(&self) {
        (self.wake)();
    }

    /// Runs a task whose end, of whatever kind, is said, too.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Task {
        let end = WakeAtEnd(Arc::clone(&self.wake));
        let task = self.handle.spawn(async move {
            let _end = end;
            task.await;
        });
        Task(task.abort_handle())
    }
}

/// A task that ends when this is dropped.
pub(super) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct WakeAtEnd(Arc<dyn Fn() + Send + Sync>);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}
