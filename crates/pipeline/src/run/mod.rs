//! The stages joined: bounded, concurrent, streaming.

mod queue;
mod signals;

use std::io;
use std::time::Duration;

pub use self::queue::Queue;
pub use self::signals::current_thread_runtime;
use crate::document::Ticket;
use crate::settings::Settings;

/// What to do after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// There is more to do now: call [`Runner::turn`] again without waiting.
    pub more: bool,
    /// Call again after this time at the latest, even if nothing woke the caller.
    pub retry_in: Option<Duration>,
}

/// Takes documents through the stages, on threads of its own.
pub struct Runner {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Runner {
    /// Starts the threads, none of which takes a signal. `wake` is called on one of them whenever
    /// a document has finished and [`Runner::turn`] has not been called since; it must not block.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread or an epoll instance.
    pub fn start(
        settings: Settings,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Runner> {
        let _ = (settings, wake);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = signals::build(
            builder
                .worker_threads(2)
                .enable_all()
                .thread_name("pgai_rs net"),
        )?;
        Ok(Runner {
            runtime: Some(runtime),
        })
    }

    /// Replaces the settings for the documents that are claimed from now on.
    pub fn configure(&mut self, settings: Settings) {
        let _ = settings;
    }

    /// One turn, on the caller's thread: hands over what has finished, then claims for every
    /// vectorizer that has room.
    ///
    /// # Errors
    ///
    /// The queue's. Nothing is lost by it: what could not be handed over is kept, and offered
    /// again when `turn` is called again, which the caller does after a pause of its choice.
    pub fn turn<Q: Queue>(&mut self, queue: &mut Q) -> Result<Turn, Q::Error> {
        let _ = queue;
        Ok(Turn::default())
    }

    /// How many documents are claimed and not settled.
    pub fn in_flight(&self) -> usize {
        0
    }

    /// The tickets that are claimed and not settled, so that their leases can be prolonged.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        std::iter::empty()
    }

    /// Gives up all documents of a vectorizer (dropped, disabled): neither completed nor failed.
    pub fn forget(&mut self, vectorizer_id: i32) {
        let _ = vectorizer_id;
    }

    /// Gives up all documents: neither completed nor failed.
    pub fn forget_all(&mut self) {}
}

impl Drop for Runner {
    /// Returns at once, whatever the network does.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
