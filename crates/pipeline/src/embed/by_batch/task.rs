//! A step of a batch's way, on the runtime's threads: what comes of it is taken by whoever keeps the batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::answers::BatchAnswer;
use super::file::BatchFile;
use super::room::Place;
use super::server::BatchServer;
use super::state::Created;
use crate::failure::{Failure, Retry, Step};

/// The number of events that wait for whoever takes them.
const EVENTS_AHEAD: usize = 2;

/// A batch that is to be given up.
pub enum ToCancel {
    /// The provider's id of it.
    Known(String),
    /// The tag under which it may have been made.
    Tagged(String),
}

/// The result of a step, or a part of it.
#[derive(Debug)]
pub enum BatchEvent {
    /// The file was uploaded: its id.
    Uploaded(String),
    /// There is a batch, in this state.
    Is(Created),
    /// Answers; more may follow.
    Answers(Vec<BatchAnswer>),
    /// All answers have been handed over.
    Fetched,
    /// The step has failed.
    Failed(Failure),
}

/// The threads on which steps run, and the way to say that something has come of one.
#[derive(Clone)]
pub struct BatchNetwork {
    /// The runtime.
    pub handle: Handle,
    /// Called on one of its threads; must not block.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// The longest time for a step. A server that sends a few bytes a minute would otherwise have rows wait for weeks.
const LONGEST_STEP: Duration = Duration::from_secs(2 * 3600);

/// A step under way; dropping it ends it.
pub struct BatchTask {
    events: mpsc::Receiver<BatchEvent>,
    abort: AbortHandle,
    /// The room that it takes, if that is much.
    _place: Option<Place>,
}

impl Drop for BatchTask {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// The way of events to whoever takes them.
#[derive(Clone)]
struct Events {
    sender: mpsc::Sender<BatchEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Events {
    async fn send(&self, event: BatchEvent) -> bool {
        let is_sent = self.sender.send(event).await.is_ok();
        (self.wake)();
        is_sent
    }

    async fn end(&self, result: Result<BatchEvent, Failure>) {
        self.send(result.unwrap_or_else(BatchEvent::Failed)).await;
    }
}

impl BatchTask {
    /// Uploads a file.
    pub fn upload(
        network: &BatchNetwork,
        server: Arc<BatchServer>,
        file: BatchFile,
        place: Place,
    ) -> BatchTask {
        BatchTask::start(network, Some(place), async move |events: Events| {
            events.end(server.upload(file).await.map(BatchEvent::Uploaded)).await;
        })
    }

    /// Makes a batch of a file. One that may have been made before is looked for by its tag.
    pub fn create(
        network: &BatchNetwork,
        server: Arc<BatchServer>,
        file: String,
        tag: String,
        may_exist: bool,
    ) -> BatchTask {
        BatchTask::start(network, None, async move |events: Events| {
            let found = match may_exist {
                true => server.find(&tag).await,
                false => Ok(None),
            };
            let created = match found {
                Ok(Some(found)) => Ok(found),
                Ok(None) => server.create(&file, &tag).await,
                Err(failure) => Err(failure),
            };
            events.end(created.map(BatchEvent::Is)).await;
        })
    }

    /// Asks how a batch is.
    pub fn look(network: &BatchNetwork, server: Arc<BatchServer>, id: String) -> BatchTask {
        BatchTask::start(network, None, async move |events: Events| {
            events.end(server.look(&id).await.map(BatchEvent::Is)).await;
        })
    }

    /// Fetches the answers of a batch of so many inputs.
    pub fn fetch(
        network: &BatchNetwork,
        server: Arc<BatchServer>,
        files: Vec<String>,
        inputs: i32,
        place: Place,
    ) -> BatchTask {
        BatchTask::start(network, Some(place), async move |events: Events| {
            let (sender, mut pages) = mpsc::channel(EVENTS_AHEAD);
            let fetched = server.fetch(&files, inputs, sender);
            let handed = async {
                while let Some(page) = pages.recv().await {
                    if !events.send(BatchEvent::Answers(page)).await {
                        break;
                    }
                }
            };
            let (result, ()) = tokio::join!(fetched, handed);
            events.end(result.map(|()| BatchEvent::Fetched)).await;
        })
    }

    /// Gives a batch up if there is one, and deletes its files. Nobody waits for that, and what fails of it is left to the provider,
    /// which deletes files by itself later.
    pub fn tidy(
        network: &BatchNetwork,
        server: Arc<BatchServer>,
        batch: Option<ToCancel>,
        files: Vec<String>,
    ) {
        network.handle.spawn(async move {
            let id = match batch {
                Some(ToCancel::Known(id)) => Some(id),
                Some(ToCancel::Tagged(tag)) => server.find(&tag).await.ok().flatten().map(|found| found.id),
                None => None,
            };
            if let Some(id) = id {
                let _ = server.cancel(&id).await;
            }
            for file in files {
                let _ = server.delete(&file).await;
            }
        });
    }

    fn start<F: Future<Output = ()> + Send + 'static>(
        network: &BatchNetwork,
        place: Option<Place>,
        step: impl FnOnce(Events) -> F,
    ) -> BatchTask {
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
        let events = Events { sender, wake: Arc::clone(&network.wake) };
        let step = step(events.clone());
        let in_time = async move {
            if timeout(LONGEST_STEP, step).await.is_err() {
                events.end(Err(endless())).await;
            }
        };
        BatchTask { events: receiver, abort: network.handle.spawn(in_time).abort_handle(), _place: place }
    }

    /// Returns whether something has come of it that was not taken.
    pub fn has_next(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns what has come of it, if something has. After an end it is not to be called again.
    pub fn try_next(&mut self) -> Option<BatchEvent> {
        match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(BatchEvent::Failed(interrupted())),
        }
    }
}

/// The failure of a step whose task has panicked.
fn interrupted() -> Failure {
    let message = "a request to the batch API was abandoned (a bug in pgai_rs)";
    Failure::new(Step::Embedding, "internal_error", message, Retry::Backoff)
}

fn endless() -> Failure {
    let message =
        format!("a request to the batch API took more than {} hours", LONGEST_STEP.as_secs() / 3600);
    Failure::new(Step::Embedding, "batch_too_slow", message, Retry::Backoff)
}
