//! The stages joined: bounded, concurrent, streaming.
//!
//! * `queue`: the seam to whoever keeps the queue
//! * `travel`: one document's way, from row to vectors
//! * `prepared`, `reuse`: what it does on the way
//! * `handover`: results, kept until the queue has taken them
//! * `signals`: threads that take no signals
//!
//! Every ticket that was claimed comes back to the queue exactly once, completed or failed, unless
//! it is forgotten: a document's task ends with a message whatever happens in it, and a result is
//! kept until the queue has taken it.

mod handover;
mod prepared;
mod queue;
mod reuse;
mod signals;
mod travel;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use self::handover::Handover;
use self::prepared::Prepared;
pub use self::queue::Queue;
pub use self::signals::current_thread_runtime;
use self::travel::Stages;
use crate::document::{Chunk, Completed, Document, Failed, Failure, Retry, Step, Ticket, Vectorizer};
use crate::embed::{openai, Groups};
use crate::load::Loaders;
use crate::settings::Settings;

/// Threads that serve the network; parsing and cutting of large documents has its own.
const NETWORK_THREADS: usize = 2;

/// Most rows of one claim, so that its transaction stays short.
const MOST_CLAIMED: usize = 1000;

/// What to do after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// There is more to do now: call [`Runner::turn`] again without waiting.
    pub more: bool,
    /// Call again after this time at the latest, even if nothing woke the caller.
    pub retry_in: Option<Duration>,
}

/// What a document's task says at its end.
struct Finished {
    vectorizer: i32,
    ticket: Ticket,
    result: Result<Vec<Chunk>, Failure>,
}

/// A vectorizer that has documents in flight.
struct Active {
    vectorizer: Arc<Vectorizer>,
    prepared: Result<Arc<Prepared>, Failure>,
    travelling: HashMap<Ticket, AbortHandle>,
    handover: Handover,
}

/// Takes documents through the stages, on threads of its own.
pub struct Runner {
    runtime: Option<Runtime>,
    settings: Arc<Settings>,
    client: reqwest::Client,
    stages: Arc<Stages>,
    active: BTreeMap<i32, Active>,
    outbox: mpsc::Sender<Finished>,
    inbox: mpsc::Receiver<Finished>,
    wake: Arc<Wake>,
}

/// Wakes the caller once between two turns.
struct Wake {
    call: Box<dyn Fn() + Send + Sync>,
    called: AtomicBool,
}

impl Wake {
    fn wake(&self) {
        if !self.called.swap(true, Ordering::AcqRel) {
            (self.call)();
        }
    }
}

impl Runner {
    /// Starts the threads, none of which takes a signal. `wake` is called on one of them whenever
    /// a document has finished and [`Runner::turn`] has not been called since; it must not block.
    ///
    /// # Errors
    ///
    /// When the operating system refuses a thread or an epoll instance, or has no TLS to offer.
    pub fn start(settings: Settings, wake: impl Fn() + Send + Sync + 'static) -> io::Result<Runner> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime =
            signals::build(builder.worker_threads(NETWORK_THREADS).enable_all().thread_name("pgai_rs net"))?;
        let client = openai::client().map_err(io::Error::other)?;
        let settings = Arc::new(settings);
        let stages = stages(&settings, &client, None);
        let (outbox, inbox) = mpsc::channel();
        Ok(Runner {
            runtime: Some(runtime),
            settings,
            client,
            stages,
            active: BTreeMap::new(),
            outbox,
            inbox,
            wake: Arc::new(Wake { call: Box::new(wake), called: AtomicBool::new(false) }),
        })
    }

    /// Replaces the settings for the documents that are claimed from now on.
    pub fn configure(&mut self, settings: Settings) {
        if *self.settings == settings {
            return;
        }
        self.settings = Arc::new(settings);
        self.stages = stages(&self.settings, &self.client, Some(&self.stages));
    }

    /// One turn, on the caller's thread: hands over what has finished, then claims for every
    /// vectorizer that has room.
    ///
    /// # Errors
    ///
    /// The queue's. Nothing is lost by it: what could not be handed over is kept, and offered
    /// again when `turn` is called again, which the caller does after a pause of its choice.
    pub fn turn<Q: Queue>(&mut self, queue: &mut Q) -> Result<Turn, Q::Error> {
        self.wake.called.store(false, Ordering::Release);
        self.collect();
        let mut more = self.hand_over(queue);
        for vectorizer in queue.vectorizers()? {
            more |= self.claim(queue, &vectorizer)?;
        }
        let next = self.active.values().filter_map(|active| active.handover.next_offer()).min();
        let retry_in = next.map(|time| time.saturating_duration_since(Instant::now()));
        Ok(Turn { more, retry_in })
    }

    /// How many documents are claimed and not settled.
    pub fn in_flight(&self) -> usize {
        self.active.values().map(|active| active.travelling.len()).sum()
    }

    /// Gives up all documents of a vectorizer (dropped, disabled): neither completed nor failed.
    pub fn forget(&mut self, vectorizer_id: i32) {
        if let Some(active) = self.active.remove(&vectorizer_id) {
            active.travelling.values().for_each(AbortHandle::abort);
        }
    }

    /// Takes in what the tasks have said.
    fn collect(&mut self) {
        while let Ok(Finished { vectorizer, ticket, result }) = self.inbox.try_recv() {
            let active = self.active.get_mut(&vectorizer);
            // A ticket that is not known was forgotten.
            if let Some(active) = active.filter(|active| active.travelling.contains_key(&ticket)) {
                active.handover.push(match result {
                    Ok(chunks) => Ok(Completed { ticket, chunks }),
                    Err(failure) => Err(Failed { ticket, failure }),
                });
            }
        }
    }

    fn hand_over<Q: Queue>(&mut self, queue: &mut Q) -> bool {
        let mut more = false;
        for active in self.active.values_mut() {
            let (settled, again) = active.handover.offer(queue);
            more |= again;
            for ticket in settled {
                active.travelling.remove(&ticket);
            }
        }
        self.active.retain(|_, active| !active.travelling.is_empty() || !active.handover.is_empty());
        more
    }

    /// Claims as much as there is room for; says whether there may be more to claim now.
    fn claim<Q: Queue>(&mut self, queue: &mut Q, vectorizer: &Arc<Vectorizer>) -> Result<bool, Q::Error> {
        let in_flight = self.active.get(&vectorizer.id).map_or(0, |active| active.travelling.len());
        let room = self.settings.max_documents_in_flight.saturating_sub(in_flight);
        let batch = vectorizer.config.processing.batch_size().map_or(MOST_CLAIMED, |size| size as usize);
        let limit = room.min(batch).min(MOST_CLAIMED);
        if limit == 0 {
            return Ok(false);
        }
        let documents = queue.claim(vectorizer, limit)?;
        let more = !documents.is_empty();
        for document in documents {
            self.set_out(vectorizer, document);
        }
        Ok(more && room > limit)
    }

    /// Starts a document's task.
    fn set_out(&mut self, vectorizer: &Arc<Vectorizer>, document: Document) {
        let Some(runtime) = &self.runtime else { return };
        let active = self.active.entry(vectorizer.id).or_insert_with(|| Active::new(vectorizer));
        if !Arc::ptr_eq(&active.vectorizer, vectorizer) {
            active.vectorizer = Arc::clone(vectorizer);
            active.prepared = Prepared::new(vectorizer).map(Arc::new);
        }
        let (id, ticket) = (vectorizer.id, document.ticket);
        let (stages, prepared) = (Arc::clone(&self.stages), active.prepared.clone());
        let (outbox, wake) = (self.outbox.clone(), Arc::clone(&self.wake));
        let task = runtime.spawn(async move {
            let way = async move { travel::travel(stages, prepared?, document).await };
            let result = AssertUnwindSafe(way).catch_unwind().await.unwrap_or_else(|_| Err(internal_error()));
            // The runner is gone only when the process ends.
            let _ = outbox.send(Finished { vectorizer: id, ticket, result });
            wake.wake();
        });
        active.travelling.insert(ticket, task.abort_handle());
    }
}

impl Active {
    fn new(vectorizer: &Arc<Vectorizer>) -> Self {
        Active {
            vectorizer: Arc::clone(vectorizer),
            prepared: Prepared::new(vectorizer).map(Arc::new),
            travelling: HashMap::new(),
            handover: Handover::new(Arc::clone(vectorizer)),
        }
    }
}

fn stages(settings: &Arc<Settings>, client: &reqwest::Client, previous: Option<&Arc<Stages>>) -> Arc<Stages> {
    let loaders = Loaders::new(settings, previous.map(|stages| &*stages.loaders));
    Arc::new(Stages { loaders: Arc::new(loaders), groups: Groups::new(client.clone(), Arc::clone(settings)) })
}

/// A stage panicked: this document's trouble and nobody else's.
fn internal_error() -> Failure {
    Failure::new(Step::Parsing, "internal_error", "the document made a stage fail in an unforeseen way", Retry::Backoff)
        .with_hint("This is a bug in pgai_rs: please report it, with the document if you can.")
}

impl Drop for Runner {
    /// Returns at once, whatever the network does.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
