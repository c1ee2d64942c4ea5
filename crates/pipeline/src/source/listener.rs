//! Events of a bucket as they come: SQS, long polled.
//!
//! A message is deleted only after [`Listener::settle`]; whatever fails before makes SQS deliver it
//! again, and set it aside in the end if its redrive policy says so.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::complaints::Complaints;
use super::event;
use super::failure;
use super::inquiry::ask_all;
use super::network::Task;
use super::sqs::{Message, SqsQueue};
use super::{ListingScope, Malformed, Network, ObjectAnswer};
use crate::backoff::backoff;
use crate::config::S3Access;
use crate::failure::Failure;
use crate::message::truncate_message;

/// First pause after an error; doubled each time, up to a minute.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest time between two requests to a queue that brings nothing which can be settled. SQS waits for messages
/// by itself; a server that does not would be asked as fast as the network goes.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);

/// The largest number of objects whose metadata is asked for at a time: each may have 32 KB of it.
pub const MOST_WITH_METADATA: usize = 100;

/// The most bytes of a message's id that are told. Those of SQS have 36.
const LONGEST_ID: usize = 100;

/// News from a queue that is listened to.
#[derive(Debug)]
pub enum Heard {
    /// The queue answers, for the first time or again.
    Ready,
    /// Something happened to these objects, which S3 was asked about.
    Batch(EventBatch),
    /// A message with this id can't be understood. It is left to the queue's redrive policy.
    Malformed(String, Malformed),
    /// The queue does not answer. It is asked again.
    Failed(Failure),
}

/// Objects that something happened to, as they are now.
#[derive(Debug)]
pub struct EventBatch {
    /// One a key.
    pub answers: Vec<ObjectAnswer>,
    /// The number of messages that spoke of them.
    pub messages: u64,
}

/// A queue that is listened to; dropping it ends that.
pub struct Listener {
    heard: mpsc::Receiver<Heard>,
    settled: mpsc::Sender<HashSet<String>>,
    _task: Task,
}

impl Listener {
    /// Begins to listen to the queue at `url`.
    pub fn start(network: &Network, scope: Arc<ListingScope>, access: S3Access, url: String) -> Listener {
        let (sender, heard) = mpsc::channel(1);
        let (settled, settlements) = mpsc::channel(1);
        let ears = Ears { network: network.clone(), scope, access, url, sender, settlements };
        Listener { heard, settled, _task: network.spawn(ears.listen()) }
    }

    /// Returns the news, if there is any. Each batch is to be settled before the next comes.
    pub fn try_next(&mut self) -> Option<Heard> {
        match self.heard.try_recv() {
            Ok(heard) => Some(heard),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Heard::Failed(failure::interrupted("listening to the queue")))
            }
        }
    }

    /// Returns whether the task has ended, which it does by a bug only.
    pub fn is_over(&self) -> bool {
        self.settled.is_closed()
    }

    /// Says that the last batch is committed, except for these keys.
    pub fn settle(&self, except: HashSet<String>) {
        // There is room, for a batch comes only after the one before was settled.
        let _ = self.settled.try_send(except);
    }
}

/// The listener's task.
struct Ears {
    network: Network,
    scope: Arc<ListingScope>,
    access: S3Access,
    url: String,
    sender: mpsc::Sender<Heard>,
    settlements: mpsc::Receiver<HashSet<String>>,
}

/// A message and the keys that it speaks of.
struct Read {
    receipt: String,
    keys: Vec<String>,
}

impl Ears {
    /// Listens until the listener is dropped.
    async fn listen(mut self) {
        let mut complaints = Complaints::default();
        let mut errors = 0;
        loop {
            let Err(failure) = self.rounds(&mut complaints, &mut errors).await else { return };
            errors += 1;
            self.say(Heard::Failed(failure)).await;
            tokio::time::sleep(backoff(PAUSE, errors)).await;
        }
    }

    /// Asks again and again until there is an error, or nobody is interested.
    async fn rounds(&mut self, complaints: &mut Complaints, errors: &mut u32) -> Result<(), Failure> {
        let queue =
            SqsQueue::open(&self.network.clients, self.network.owner, &self.access, &self.url).await?;
        let mut ready = false;

        loop {
            let asked = Instant::now();
            let messages = queue.receive().await?;
            if !std::mem::replace(&mut ready, true) {
                self.say(Heard::Ready).await;
            }

            let read = self.read(messages, complaints).await;
            let Some(except) = self.hand_over(&read).await else { return Ok(()) };
            // A message may be deleted when all of its keys are committed.
            let done = |read: &Read| !read.keys.iter().any(|key| except.contains(key));
            let receipts: Vec<String> =
                read.into_iter().filter(done).map(|read: Read| read.receipt).collect();
            if receipts.is_empty() {
                tokio::time::sleep(SHORTEST_ROUND.saturating_sub(asked.elapsed())).await;
            } else {
                queue.delete(receipts).await?;
            }
            // The whole round has succeeded.
            *errors = 0;
        }
    }

    async fn say(&self, heard: Heard) {
        if self.sender.send(heard).await.is_ok() {
            self.network.wake();
        }
    }

    /// Finds the wanted keys that the messages speak of.
    async fn read(&self, messages: Vec<Message>, complaints: &mut Complaints) -> Vec<Read> {
        let mut read = Vec::new();
        for Message { id, receipt, body } in messages {
            match event::changes(&body) {
                Ok(changes) => {
                    // The queue may have events of other buckets, and of keys that are not wanted.
                    let ours = changes.into_iter().filter(|c| c.bucket == self.scope.prefix().bucket());
                    let keys =
                        ours.filter_map(|c| self.scope.document_of(&c.key).map(str::to_owned)).collect();
                    read.push(Read { receipt, keys });
                }
                Err(why) => {
                    let id = truncate_message(&id, LONGEST_ID);
                    if complaints.is_due(&id, Instant::now()) {
                        self.say(Heard::Malformed(id, why)).await;
                    }
                }
            }
        }
        read
    }

    /// Has what became of these keys committed. Returns those for which that failed; `None` if nobody
    /// is interested any more.
    async fn hand_over(&mut self, read: &[Read]) -> Option<HashSet<String>> {
        let keys: HashSet<String> = read.iter().flat_map(|read| read.keys.iter().cloned()).collect();
        if keys.is_empty() {
            return (!self.sender.is_closed()).then(HashSet::new);
        }

        let keys: Vec<String> = keys.into_iter().collect();
        let at_a_time = if self.scope.metadata().is_empty() { keys.len() } else { MOST_WITH_METADATA };
        let mut messages = read.len() as u64;
        let mut except = HashSet::new();
        for keys in keys.chunks(at_a_time) {
            let answers = ask_all(&self.network, &self.scope, &self.access, keys.to_vec()).await;
            // They are counted once.
            let messages = std::mem::take(&mut messages);
            self.say(Heard::Batch(EventBatch { answers, messages })).await;
            except.extend(self.settlements.recv().await?);
        }
        Some(except)
    }
}
