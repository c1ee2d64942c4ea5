//! Results on their way to the queue: kept until the queue has taken them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Queue;
use crate::document::{Completed, Failed, Failure, Retry, Step, Ticket, Vectorizer};

/// Most documents of one transaction, so that it stays short.
const MOST_DOCUMENTS: usize = 500;

/// Most new chunks of one transaction, unless a single document has more.
const MOST_CHUNKS: usize = 1000;

/// First and longest pause before a document whose row is locked is offered again.
const LOCKED: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The results of one vectorizer.
pub(super) struct Handover {
    vectorizer: Arc<Vectorizer>,
    completed: Vec<Offer<Completed>>,
    failed: Vec<Offer<Failed>>,
    /// How many documents are offered together; halved when the queue refuses a batch.
    batch: usize,
}

/// A result, and when it may be offered.
struct Offer<T> {
    result: T,
    not_before: Option<Instant>,
    refusals: u32,
}

impl<T> Offer<T> {
    fn new(result: T) -> Self {
        Offer { result, not_before: None, refusals: 0 }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.not_before.map_or(true, |time| time <= now)
    }

    fn put_off(&mut self) {
        let pause = LOCKED.0.saturating_mul(1 << self.refusals.min(10)).min(LOCKED.1);
        self.refusals += 1;
        self.not_before = Some(Instant::now() + pause);
    }
}

impl Handover {
    pub(super) fn new(vectorizer: Arc<Vectorizer>) -> Self {
        Handover { vectorizer, completed: Vec::new(), failed: Vec::new(), batch: MOST_DOCUMENTS }
    }

    pub(super) fn push(&mut self, result: Result<Completed, Failed>) {
        match result {
            Ok(completed) => self.completed.push(Offer::new(completed)),
            Err(failed) => self.failed.push(Offer::new(failed)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.completed.is_empty() && self.failed.is_empty()
    }

    /// When the next put-off result may be offered again.
    pub(super) fn next_offer(&self) -> Option<Instant> {
        let completed = self.completed.iter().filter_map(|offer| offer.not_before);
        completed.chain(self.failed.iter().filter_map(|offer| offer.not_before)).min()
    }

    /// Offers one batch of each kind that is due; answers the settled tickets, and whether there
    /// is more to offer at once.
    pub(super) fn offer<Q: Queue>(&mut self, queue: &mut Q) -> (Vec<Ticket>, bool) {
        let now = Instant::now();
        let mut settled = self.offer_completed(queue, now);
        settled.extend(self.offer_failed(queue, now));
        let more = self.completed.iter().any(|o| o.is_due(now)) || self.failed.iter().any(|o| o.is_due(now));
        (settled, more)
    }

    fn offer_completed<Q: Queue>(&mut self, queue: &mut Q, now: Instant) -> Vec<Ticket> {
        let (mut batch, rest) = take_batch(std::mem::take(&mut self.completed), now, self.batch, new_chunks);
        self.completed = rest;
        if batch.is_empty() {
            return Vec::new();
        }
        let (offers, results): (Vec<_>, Vec<_>) = batch.drain(..).map(|o| ((o.not_before, o.refusals), o.result)).unzip();
        let answer = queue.complete(&self.vectorizer, &results);
        let mut returned = offers.into_iter().zip(results).map(|((not_before, refusals), result)| Offer {
            result,
            not_before,
            refusals,
        });
        match answer {
            Ok(locked) => {
                self.batch = (self.batch * 2).min(MOST_DOCUMENTS);
                let mut settled = Vec::new();
                for mut offer in returned {
                    if locked.contains(&offer.result.ticket) {
                        offer.put_off();
                        self.completed.push(offer);
                    } else {
                        settled.push(offer.result.ticket);
                    }
                }
                settled
            }
            Err(error) if returned.len() == 1 => {
                self.batch = MOST_DOCUMENTS;
                let reason = error.to_string();
                self.failed.extend(returned.by_ref().map(|o| Offer::new(not_writable(o.result.ticket, &reason))));
                Vec::new()
            }
            Err(_) => {
                self.batch = (returned.len() / 2).max(1);
                // In front: the next batch is a half of this one.
                let waiting = std::mem::take(&mut self.completed);
                self.completed = returned.chain(waiting).collect();
                Vec::new()
            }
        }
    }

    fn offer_failed<Q: Queue>(&mut self, queue: &mut Q, now: Instant) -> Vec<Ticket> {
        let (batch, rest) = take_batch(std::mem::take(&mut self.failed), now, MOST_DOCUMENTS, |_| 0);
        self.failed = rest;
        // What was refused together is offered one by one.
        let together = batch.iter().all(|offer| offer.refusals == 0);
        let size = if together { batch.len().max(1) } else { 1 };
        let mut settled = Vec::new();
        let mut batch = batch.into_iter().peekable();
        while batch.peek().is_some() {
            let (refusals, results): (Vec<_>, Vec<_>) =
                batch.by_ref().take(size).map(|o| (o.refusals, o.result)).unzip();
            let taken = queue.fail(&self.vectorizer, &results).is_ok();
            for (refusals, result) in refusals.into_iter().zip(results) {
                if taken {
                    settled.push(result.ticket);
                } else {
                    let mut offer = Offer { result, not_before: None, refusals };
                    offer.put_off();
                    self.failed.push(offer);
                }
            }
        }
        settled
    }
}

/// The due offers of one batch, and the others.
fn take_batch<T>(
    offers: Vec<Offer<T>>,
    now: Instant,
    most: usize,
    weight: impl Fn(&T) -> usize,
) -> (Vec<Offer<T>>, Vec<Offer<T>>) {
    let (mut batch, mut rest, mut weighs) = (Vec::new(), Vec::new(), 0);
    for offer in offers {
        let heavier = weighs + weight(&offer.result);
        let fits = batch.is_empty() || (batch.len() < most && heavier <= MOST_CHUNKS);
        if offer.is_due(now) && fits {
            weighs = heavier;
            batch.push(offer);
        } else {
            rest.push(offer);
        }
    }
    (batch, rest)
}

fn new_chunks(completed: &Completed) -> usize {
    completed.chunks.iter().filter(|chunk| matches!(chunk, crate::document::Chunk::New { .. })).count()
}

fn not_writable(ticket: Ticket, reason: &str) -> Failed {
    let failure = Failure::new(Step::Writing, "not_writable", reason, Retry::Backoff)
        .with_hint("The store refuses the row: look for its triggers and constraints, and its owner's rights.");
    Failed { ticket, failure }
}
