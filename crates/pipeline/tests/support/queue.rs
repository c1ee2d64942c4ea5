//! A queue in memory that insists on its rules.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{
    Chunk, Completed, Document, Failed, Payload, Provenance, TextToKeep, Ticket, Vectorizer,
};
use pgai_rs_pipeline::failure::{Failure, Retry};
use pgai_rs_pipeline::run::{Addresses, ClaimedDocuments, Queue, Runner, Turn};
use pgai_rs_pipeline::settings::Settings;

/// Whoever waits longer waits for ever: a limit for tests that hang, not a measurement.
const FOR_EVER: Duration = Duration::from_secs(300);

/// The error of what is costly.
const TOO_LONG: &str = "took too long";

#[derive(Default)]
pub struct MemoryQueue {
    pub vectorizers: Vec<Arc<Vectorizer>>,
    pub pending: HashMap<i32, VecDeque<Document>>,
    /// Tickets that are claimed and not settled.
    pub claimed: HashSet<Ticket>,
    pub completed: HashMap<Ticket, Vec<Chunk>>,
    /// The provenances that are to be remembered of the completed.
    pub provenances: HashMap<Ticket, Option<Provenance>>,
    /// The texts that are to be kept of the completed.
    pub texts: HashMap<Ticket, TextToKeep>,
    pub failed: HashMap<Ticket, Failure>,
    /// Tickets whose rows are locked.
    pub locked: HashSet<Ticket>,
    /// Tickets with which `complete` errs.
    pub poison: HashSet<Ticket>,
    /// More documents than these take `complete` too long, if it is not zero.
    pub too_many: usize,
    /// Tickets that take it too long alone.
    pub slow: HashSet<Ticket>,
    /// Vectorizers whose turn it is not.
    pub others_first: HashSet<i32>,
    /// `fail` errs.
    pub broken: bool,
    /// `true` if a failure without a try being spent comes back when it is due, as in Postgres.
    pub brings_back: bool,
    /// The documents that would come back, and when those that have failed are due again.
    again: HashMap<Ticket, (Arc<Vectorizer>, Payload)>,
    later: HashMap<Ticket, Instant>,
    /// How often each ticket was claimed.
    pub claims: HashMap<Ticket, usize>,
    /// The vectorizers whose rows were claimed, in that order.
    pub claimed_for: Vec<i32>,
    /// How often each was given back without a try.
    pub given_back: HashMap<Ticket, usize>,
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

    /// In how long a row that waits for its time will be due, as Postgres's queue tells the worker.
    fn next_due(&self) -> Option<Duration> {
        let due = self.pending.values().flatten().filter_map(|document| self.later.get(&document.ticket));
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero()).min()
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

    fn claim(
        &mut self,
        vectorizer: &Arc<Vectorizer>,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<ClaimedDocuments, String> {
        assert!(limit > 0 && bytes > 0);
        self.claimed_for.push(vectorizer.id);
        let pending = self.pending.entry(vectorizer.id).or_default();
        let mut taken = 0;
        let fits = |document: &&Document| {
            taken += document.size();
            taken <= bytes
        };
        let wanted = |document: &Document| match &document.payload {
            Payload::Text(address) => addresses.want(address),
            _ => matches!(addresses, Addresses::Any),
        };
        let (mut due, others): (VecDeque<_>, _) = pending.drain(..).partition(|document| {
            let later = self.later.get(&document.ticket);
            wanted(document) && later.is_none_or(|due| *due <= Instant::now())
        });
        let count = due.iter().take(limit).take_while(fits).count().max(1);
        let documents: Vec<_> = due.drain(..count.min(due.len())).collect();
        due.extend(others);
        *pending = due;
        for document in &documents {
            assert!(self.claimed.insert(document.ticket));
            *self.claims.entry(document.ticket).or_default() += 1;
            let again = (Arc::clone(&document.vectorizer), document.payload.clone());
            self.again.insert(document.ticket, again);
        }
        Ok(ClaimedDocuments { documents, more: true })
    }

    fn complete(&mut self, _: &Arc<Vectorizer>, done: &[Completed]) -> Result<Vec<Ticket>, String> {
        assert!(!done.is_empty());
        self.offers.push(done.len());
        let is_slow = done.iter().any(|completed| self.slow.contains(&completed.ticket));
        if is_slow || (self.too_many > 0 && done.len() > self.too_many) {
            return Err(TOO_LONG.to_owned());
        }
        if let Some(completed) = done.iter().find(|completed| self.poison.contains(&completed.ticket)) {
            return Err(format!("can't write {}", completed.ticket.0));
        }
        let mut given_back = Vec::new();
        for completed in done {
            if self.locked.contains(&completed.ticket) {
                given_back.push(completed.ticket);
            } else {
                self.settle(completed.ticket);
                self.provenances.insert(completed.ticket, completed.provenance.clone());
                self.texts.insert(completed.ticket, completed.text.clone());
                self.completed.insert(completed.ticket, completed.chunks.clone());
            }
        }
        Ok(given_back)
    }

    fn fail(&mut self, _: &Arc<Vectorizer>, failed: &[Failed]) -> Result<Vec<Ticket>, String> {
        assert!(!failed.is_empty());
        if self.broken {
            return Err("the queue is broken".into());
        }
        for failed in failed {
            self.settle(failed.ticket);
            let pause = match failed.failure.retry {
                Retry::OnRecovery => panic!("the runner does not say when to look again: {failed:?}"),
                Retry::After(pause) if self.brings_back => pause,
                _ => {
                    self.failed.insert(failed.ticket, failed.failure.clone());
                    continue;
                }
            };
            let (vectorizer, payload) = self.again.remove(&failed.ticket).unwrap();
            *self.given_back.entry(failed.ticket).or_default() += 1;
            self.later.insert(failed.ticket, Instant::now() + pause);
            self.push(Document { payload, ..super::row(&vectorizer, failed.ticket.0, "") });
        }
        Ok(Vec::new())
    }

    fn waits_its_turn(&self, vectorizer: &Vectorizer) -> Option<Duration> {
        self.others_first.contains(&vectorizer.id).then_some(Duration::ZERO)
    }

    fn is_costly(error: &String) -> bool {
        error == TOO_LONG
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
                "still {} claimed, {} completed, failed: {:?}",
                queue.claimed.len(),
                queue.completed.len(),
                queue.failed
            );
            self.wait(turn, queue.next_due());
        }
    }

    /// Takes turns until so many documents are settled.
    pub fn settle(&mut self, queue: &mut MemoryQueue, count: usize) -> Turn {
        self.until(queue, |queue| queue.settled() >= count)
    }

    fn wait(&self, turn: Turn, next_due: Option<Duration>) {
        if !turn.more {
            let wait = turn.retry_in.into_iter().chain(next_due).min();
            let _ = self.woken.recv_timeout(wait.unwrap_or(FOR_EVER).min(FOR_EVER));
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
