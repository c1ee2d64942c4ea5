//! A lane: the state of one vectorizer, as the queue's thread knows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::finished::{Claim, Finished, bytes, take_due};
use super::job::{JobId, Processed};
use super::memory::{DocumentMemory, Hold, LaneMemory};
use super::offer::{Disposition, offer};
use super::prepared::Prepared;
use super::queue::{Addresses, Queue};
use super::rest::Rests;
use crate::backoff::backoff;
use crate::document::{Chunk, Completed, Failed, Ticket, Vectorizer};
use crate::failure::{Failure, Retry, Scope, Step};

/// The largest number of documents of one transaction.
const WRITE_DOCUMENTS: usize = 1024;
/// A transaction that takes longer than this has too many documents, for others wait for its end meanwhile.
const LONG_WRITE: Duration = Duration::from_secs(1);
/// The number of times that a document which errs alone is offered before it counts as a failure.
const WRITE_ATTEMPTS: u32 = 3;
/// First pause before a document is offered again.
const OFFER_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before a document is offered again whose row is locked.
const LONGEST_OFFER_PAUSE: Duration = Duration::from_secs(10);
/// Shortest pause before rows of other stores than those that rest are looked for again, after none was
/// found; and how many times longer it is than the look took, for that may have gone past all the others.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
const LOOK_SHARE: u32 = 20;

/// A vectorizer's documents: those under way and those to be settled.
pub(super) struct Lane {
    /// The vectorizer as it is now: what is claimed follows it.
    pub prepared: Arc<Prepared>,
    /// Its share of the memory for documents.
    pub memory: LaneMemory,
    running: HashMap<JobId, Running>,
    done: Vec<Finished<Completed>>,
    failed: Vec<Finished<Failed>>,
    rests: Rests,
    /// The time before which no rows are looked for of stores other than those that rest.
    next_look: Option<Instant>,
    /// The largest number of documents of one transaction, for now.
    write_documents: usize,
    /// The time of its turn, if others come first.
    turn: Option<Instant>,
    /// The number of the turn in which something of it was offered last.
    pub offered: u64,
}

/// A document that is under way.
struct Running {
    ticket: Ticket,
    /// The beginning of its document's address, if it has one.
    store: Option<Arc<str>>,
    prepared: Arc<Prepared>,
    abort: AbortHandle,
}

impl Lane {
    /// The lane of a vectorizer that has no documents under way.
    pub(super) fn new(vectorizer: &Arc<Vectorizer>, memory: &DocumentMemory) -> Self {
        Lane {
            prepared: Prepared::new(vectorizer),
            memory: LaneMemory::new(memory, vectorizer.account.owner()),
            running: HashMap::new(),
            done: Vec::new(),
            failed: Vec::new(),
            rests: Rests::default(),
            next_look: None,
            write_documents: WRITE_DOCUMENTS,
            turn: None,
            offered: 0,
        }
    }

    /// The vectorizer was altered: what is claimed from now on follows its new config, which may
    /// well have mended what made it rest.
    pub(super) fn changed(&mut self, vectorizer: &Arc<Vectorizer>) {
        self.prepared = Prepared::new(vectorizer);
        self.rests = Rests::default();
        self.next_look = None;
    }

    /// Documents that are claimed and not settled.
    pub(super) fn in_flight(&self) -> usize {
        self.running.len() + self.done.len() + self.failed.len()
    }

    /// The tickets of documents that are claimed and not settled.
    pub(super) fn tickets(&self) -> impl Iterator<Item = Ticket> + '_ {
        let running = self.running.values().map(|running| running.ticket);
        let done = self.done.iter().map(|finished| finished.item.ticket);
        running.chain(done).chain(self.failed.iter().map(|finished| finished.item.ticket))
    }

    /// Returns whether nothing is lost when the lane is dropped.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight() == 0 && self.rests.is_empty()
    }

    /// Takes in a document that is under way now.
    pub(super) fn started(
        &mut self,
        job: JobId,
        ticket: Ticket,
        store: Option<Arc<str>>,
        abort: AbortHandle,
    ) {
        self.running.insert(job, Running { ticket, store, prepared: Arc::clone(&self.prepared), abort });
    }

    /// Takes a result in; one that was forgotten is dropped.
    pub(super) fn finished(
        &mut self,
        job: JobId,
        result: Result<Processed, Failure>,
        reservation: Option<Hold>,
    ) {
        let Some(Running { ticket, store, prepared, .. }) = self.running.remove(&job) else { return };

        let now = Instant::now();
        match result {
            Ok(Processed { chunks, provenance, citations, text }) => {
                // A model that was not asked has not shown that it answers.
                let asked = chunks.iter().any(|chunk| matches!(chunk, Chunk::New { .. }));
                let step = if asked { Step::Embedding } else { Step::Formatting };
                self.rests.passed(step, store.as_ref(), now);

                let item = Completed { ticket, chunks, provenance, citations, text };
                self.done.push(Finished { item, claim: Claim::new(prepared, reservation) });
            }
            Err(failure) => {
                let failure = self.learn(failure, store.as_ref(), now);
                self.failed.push(Finished {
                    item: Failed { ticket, failure },
                    claim: Claim::new(prepared, reservation),
                });
            }
        }
    }

    /// Takes in what a failure says of more than its row; returns it as the queue is to settle it.
    fn learn(&mut self, failure: Failure, store: Option<&Arc<str>>, now: Instant) -> Failure {
        match (failure.step, failure.scope) {
            // It may not even have been asked for.
            (Step::Loading, _) => {}
            (Step::Embedding, Scope::Row) if !matches!(failure.retry, Retry::After(_) | Retry::Until(_)) => {
                self.rests.passed(Step::Embedding, store, now);
            }
            _ => self.rests.passed(Step::Loading, store, now),
        }
        self.rests.note(failure, store, now)
    }

    /// Stops what is under way.
    pub(super) fn abort(&self) {
        for running in self.running.values() {
            running.abort.abort();
        }
    }

    /// Returns the time that the vectorizer still rests.
    pub(super) fn resting(&self, now: Instant) -> Option<Duration> {
        self.rests.left(now)
    }

    /// Returns the failure that the vectorizer, or a store of its documents, waits for, and the time
    /// until which it waits.
    pub(super) fn waits_for(&self) -> Option<(&Failure, Instant)> {
        self.rests.reason()
    }

    /// Returns the time at which to look at the lane again because of what it waits for.
    pub(super) fn next_probe(&self, now: Instant) -> Option<Instant> {
        self.rests.next(now).into_iter().chain(self.next_look.filter(|next| *next > now)).min()
    }

    /// Returns the number of documents that may be claimed. After a rest it is one, to see whether it
    /// works again.
    pub(super) fn room(&self, most: usize) -> usize {
        let room = most.saturating_sub(self.in_flight());
        if self.rests.is_whole() {
            return room.min(1_usize.saturating_sub(self.running.len()));
        }
        room
    }

    /// The rows that may be claimed now, and how many at most: one of each store whose rest is over, and
    /// those of all stores that are not in trouble.
    pub(super) fn wanted(&self, most: usize, now: Instant) -> Vec<(Addresses, usize)> {
        let room = self.room(most);
        if room == 0 || self.resting(now).is_some() {
            return Vec::new();
        }

        let stores = self.rests.stores();
        if stores.is_empty() {
            return vec![(Addresses::Any, room)];
        }

        // A store whose rest is over is tried with a single row.
        let due = self.rests.due_stores(now).into_iter().filter(|store| !self.is_tried(store));
        let mut wanted: Vec<_> = due.map(|store| (Addresses::Of(store), 1)).collect();

        if self.next_look.is_none_or(|next| next <= now) {
            wanted.push((Addresses::Except(stores), room));
        }
        wanted
    }

    /// Returns whether a document of this store is under way.
    fn is_tried(&self, store: &Arc<str>) -> bool {
        self.running.values().any(|running| running.store.as_ref() == Some(store))
    }

    /// Takes in how long a claim took, and whether it found rows.
    pub(super) fn claimed(&mut self, addresses: &Addresses, found: bool, took: Duration) {
        let now = Instant::now();
        match addresses {
            Addresses::Of(store) if !found => self.rests.found_none(store, now),
            Addresses::Except(_) => {
                self.next_look = (!found).then(|| now + LOOK_PAUSE.max(took * LOOK_SHARE));
            }
            Addresses::Any => self.next_look = None,
            Addresses::Of(_) => {}
        }
    }

    /// Returns the time at which a result is to be offered next.
    pub(super) fn next_offer(&self) -> Option<Instant> {
        let done = self.done.iter().map(|finished| finished.claim.due);
        let next = done.chain(self.failed.iter().map(|finished| finished.claim.due)).min();
        next.map(|next| self.turn.map_or(next, |turn| turn.max(next)))
    }

    /// Returns whether something can be offered now.
    pub(super) fn has_offer(&self, now: Instant) -> bool {
        let done = self.done.iter().map(|finished| finished.claim.due);
        done.chain(self.failed.iter().map(|finished| finished.claim.due)).any(|due| due <= now)
    }

    /// Lets others come first until then.
    pub(super) fn wait_for_turn(&mut self, until: Option<Instant>) {
        self.turn = until;
    }

    /// Offers one batch of what is done and one of what has failed.
    ///
    /// # Errors
    ///
    /// If the queue can't even take failures. What has not been settled is kept in any case.
    pub(super) fn settle<Q: Queue>(&mut self, queue: &mut Q) -> Result<(), Q::Error> {
        self.settle_done(queue);
        self.settle_failed(queue)
    }

    /// Offers what is done. An error here is not the turn's: it may be one document's, and becomes its
    /// failure when it persists.
    fn settle_done<Q: Queue>(&mut self, queue: &mut Q) {
        let weigh = |completed: &Completed| (completed.chunks.len(), bytes(completed));
        let (items, claims) = take_due(&mut self.done, self.write_documents, weigh);
        let Some(vectorizer) = claims.first().map(|claim| Arc::clone(&claim.prepared.vectorizer)) else {
            return;
        };

        let mut slowest = Duration::ZERO;
        let write = |part: &[Completed]| {
            let began = Instant::now();
            let written = queue.complete(&vectorizer, part);
            slowest = slowest.max(began.elapsed());
            written
        };

        let (dispositions, _) = offer(&items, write, Q::is_costly);
        let writable = dispositions.contains(&Disposition::Settled);
        self.learn_size(&dispositions, slowest);
        if writable {
            self.rests.passed(Step::Writing, None, Instant::now());
        }

        for ((item, mut claim), disposition) in items.into_iter().zip(claims).zip(dispositions) {
            match disposition {
                Disposition::Settled => continue,
                Disposition::Released => {
                    claim.released = claim.released.saturating_add(1);
                    claim.due = pause(claim.released);
                }
                Disposition::Erred(_) if claim.erred + 1 < WRITE_ATTEMPTS => {
                    claim.erred += 1;
                    claim.due = pause(claim.erred);
                }
                Disposition::TooLong(2.., _) => claim.due = pause(1),
                Disposition::Erred(why) | Disposition::TooLong(_, why) => {
                    // Others that were offered with it were written.
                    let failure = not_writable(&why);
                    let failure = if writable { failure.of_row() } else { failure };
                    let failure = self.rests.note(failure, None, Instant::now());
                    let item = Failed { ticket: item.ticket, failure };
                    self.failed.push(Finished { item, claim: Claim::new(claim.prepared, None) });
                    continue;
                }
                Disposition::Untouched => claim.due = pause(1),
            }

            self.done.push(Finished { item, claim });
        }
    }

    /// Makes transactions smaller that take long, and larger again that do not.
    fn learn_size(&mut self, dispositions: &[Disposition], slowest: Duration) {
        let too_long = dispositions.iter().find_map(|disposition| match disposition {
            Disposition::TooLong(count, _) => Some(*count),
            _ => None,
        });

        let documents = match too_long {
            Some(count) => count / 2,
            None if slowest > LONG_WRITE => dispositions.len().min(self.write_documents) / 2,
            None if slowest > LONG_WRITE / 4 => self.write_documents,
            None => self.write_documents.saturating_mul(2),
        };

        self.write_documents = documents.clamp(1, WRITE_DOCUMENTS);
    }

    /// Offers what has failed.
    fn settle_failed<Q: Queue>(&mut self, queue: &mut Q) -> Result<(), Q::Error> {
        let (items, claims) = take_due(&mut self.failed, WRITE_DOCUMENTS, |_| (1, 0));
        let Some(vectorizer) = claims.first().map(|claim| Arc::clone(&claim.prepared.vectorizer)) else {
            return Ok(());
        };

        let (dispositions, error) = offer(&items, |part| queue.fail(&vectorizer, part), Q::is_costly);
        for ((item, mut claim), disposition) in items.into_iter().zip(claims).zip(dispositions) {
            if disposition != Disposition::Settled {
                claim.erred = claim.erred.saturating_add(1);
                claim.due = pause(claim.erred);
                self.failed.push(Finished { item, claim });
            }
        }
        error.map_or(Ok(()), Err)
    }
}

fn pause(attempt: u32) -> Instant {
    Instant::now() + backoff(OFFER_PAUSE, attempt).min(LONGEST_OFFER_PAUSE)
}

fn not_writable(why: &str) -> Failure {
    let why = crate::message::truncate_message(why, 500);
    // Nobody can tell the row's fault from the store's: the row pays, and the others wait.
    Failure::new(Step::Writing, "not_writable", format!("could not write the chunks: {why}"), Retry::Backoff)
        .concerning(Scope::Vectorizer)
        .with_hint("Check the triggers and constraints of the store, and its owner's rights.")
}
