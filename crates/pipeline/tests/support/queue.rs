//! A queue in memory that insists on its rules.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{self, Receiver};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{Chunk, Completed, Document, Failed, Failure, Origin, Ticket, Vectorizer};
use pgai_rs_pipeline::run::{Queue, Runner, Turn};
use pgai_rs_pipeline::settings::Settings;

/// Whoever waits longer waits for ever: a limit for tests that hang, not a measurement.
const FOR_EVER: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct MemoryQueue {
    pub vectorizers: Vec<Arc<Vectorizer>>,
    pub pending: HashMap<i32, VecDeque<Document>>,
    /// What is claimed and not settled.
    pub claimed: HashSet<Ticket>,
    pub completed: HashMap<Ticket, Vec<Chunk>>,
    /// What is to be remembered of the completed.
    pub origins: HashMap<Ticket, Option<Origin>>,
    pub failed: HashMap<Ticket, Failure>,
    /// Tickets whose rows are locked.
    pub locked: HashSet<Ticket>,
    /// Tickets with which `complete` errs.
    pub poison: HashSet<Ticket>,
    /// `fail` errs.
    pub broken: bool,
    /// Sizes of what `complete` was offered.
    pub offers: Vec<usize>,
}

impl MemoryQueue {
    pub fn new(vectorizers: impl IntoIterator<Item = Arc<Vectorizer>>) -> Self {
        MemoryQueue { vectorizers: vectorizers.into_iter().collect(), ..MemoryQueue::default() }
    }

    pub fn push(&mut self, document: Document) {
        self.pending.entry(document.vectorizer.id).or_default().push_back(document);
    }

    pub fn settled(&self) -> usize {
        self.completed.len() + self.failed.len()
    }

    fn settle(&mut self, ticket: Ticket) {
        assert!(self.claimed.remove(&ticket), "{ticket:?} was not claimed, or settled before");
    }
}

impl Queue for MemoryQueue {
    type Error = String;

    fn vectorizers(&mut self) -> Result<Vec<Arc<Vectorizer>>, String> {
        Ok(self.vectorizers.clone())
    }

    fn claim(&mut self, vectorizer: &Arc<Vectorizer>, limit: usize) -> Result<Vec<Document>, String> {
        assert!(limit > 0);
        let pending = self.pending.entry(vectorizer.id).or_default();
        let documents: Vec<_> = pending.drain(..limit.min(pending.len())).collect();
        for document in &documents {
            assert!(self.claimed.insert(document.ticket));
        }
        Ok(documents)
    }

    fn complete(&mut self, _: &Arc<Vectorizer>, done: &[Completed]) -> Result<Vec<Ticket>, String> {
        assert!(!done.is_empty());
        self.offers.push(done.len());
        if let Some(completed) = done.iter().find(|completed| self.poison.contains(&completed.ticket)) {
            return Err(format!("can't write {}", completed.ticket.0));
        }
        let mut given_back = Vec::new();
        for completed in done {
            if self.locked.contains(&completed.ticket) {
                given_back.push(completed.ticket);
            } else {
                self.settle(completed.ticket);
                self.origins.insert(completed.ticket, completed.origin.clone());
                self.completed.insert(completed.ticket, completed.chunks.clone());
            }
        }
        Ok(given_back)
    }

    fn fail(&mut self, _: &Arc<Vectorizer>, failed: &[Failed]) -> Result<(), String> {
        assert!(!failed.is_empty());
        if self.broken {
            return Err("the queue is broken".into());
        }
        for failed in failed {
            self.settle(failed.ticket);
            self.failed.insert(failed.ticket, failed.failure.clone());
        }
        Ok(())
    }
}

/// A runner and the wake-ups that it sends.
pub struct Driver {
    pub runner: Runner,
    woken: Receiver<()>,
}

impl Driver {
    pub fn start(settings: Settings) -> Self {
        let (wake, woken) = mpsc::channel();
        let runner = Runner::start(settings, move || {
            let _ = wake.send(());
        });
        Driver { runner: runner.unwrap(), woken }
    }

    /// Takes turns, as a worker does, until the queue is in a state. Answers the last turn.
    pub fn until(&mut self, queue: &mut MemoryQueue, reached: impl Fn(&MemoryQueue) -> bool) -> Turn {
        let begin = Instant::now();
        loop {
            let turn = self.runner.turn(queue).unwrap();
            if reached(queue) {
                return turn;
            }
            assert!(
                begin.elapsed() < FOR_EVER,
                "still {} claimed, failed: {:?}",
                queue.claimed.len(),
                queue.failed
            );
            self.wait(turn);
        }
    }

    /// Takes turns until so many documents are settled.
    pub fn settle(&mut self, queue: &mut MemoryQueue, count: usize) -> Turn {
        self.until(queue, |queue| queue.settled() >= count)
    }

    fn wait(&self, turn: Turn) {
        if !turn.more {
            let _ = self.woken.recv_timeout(turn.retry_in.unwrap_or(FOR_EVER).min(FOR_EVER));
        }
    }
}

/// Settings whose pauses suit tests.
pub fn settings() -> Settings {
    Settings {
        embedding_linger: Duration::from_millis(50),
        embedding_backoff: Duration::from_millis(1),
        embedding_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}
