//! The pipeline's `Queue` over SPI. It lives on the worker's main thread.

mod claiming;
mod unreadable;

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{self, Completed, Failed, Ticket};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::run::{Addresses, ClaimedDocuments, Inquiry, Queue, Shares};
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::complete::Written;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::work::{Claimed, renew};
use pgai_rs_queue::{complete, fail};

use super::active::Active;
use super::conditions::Conditions;
use super::counters::SharedCounters;
use super::pause::Pause;
use super::requests::Requests;
use super::reservations::Remembered;
use super::roster::{Roster, its_turn, report};
use super::session::SpiSession;
use super::tickets::Tickets;
use crate::catalog::alteration::Alteration;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::turn;

/// The queue of all vectorizers of this database.
pub struct SpiQueue {
    pub(super) roster: Roster,
    pub(super) tickets: Tickets,
    pub(super) batches: Remembered,
    pub(super) counters: SharedCounters,
    requests: Requests,
    /// The number of claims of this process, over all vectorizers.
    claims: u64,
    /// The time at which this process began to serve.
    began: Instant,
    /// True if the queues were looked at in this turn.
    has_looked: bool,
    /// The bounds of what is read of a claim, but for its own.
    bounds: Bounds,
}

/// Returns the limits that the settings have now for rows that failed.
fn limits() -> fail::Limits {
    fail::Limits { retries: guc::max_retries(), backoff: guc::retry_backoff(), errors: guc::max_errors() }
}

/// Returns the bounds that the settings have now for what is read of a claim.
fn bounds() -> Bounds {
    let settings = guc::pipeline();
    Bounds {
        document: settings.max_document_size,
        row: settings.largest_document_memory(),
        all: settings.document_memory(),
        chunks: settings.existing_chunks(),
    }
}

impl SpiQueue {
    /// Returns an empty queue. A lease is identified by its holder and a counter with the random start
    /// `seed`, so that one from before a restart is never taken for one of this process.
    pub fn new(seed: i64) -> Self {
        SpiQueue {
            roster: Roster::default(),
            tickets: Tickets::new(seed),
            batches: Remembered::default(),
            counters: SharedCounters::default(),
            requests: Requests::default(),
            claims: 0,
            began: Instant::now(),
            has_looked: false,
            bounds: bounds(),
        }
    }

    /// Returns the time until a row will be due, if the worker is not woken earlier; `None` if none is
    /// expected. It is known after a turn.
    pub fn next_due(&self) -> Option<Duration> {
        self.roster.next.due()
    }

    /// Returns the condition of each vectorizer, for the views that show it.
    pub fn conditions(&mut self) -> &mut Conditions {
        &mut self.roster.conditions
    }

    /// Begins a turn: takes up vectorizers that are new or have changed. Returns the ids of those that are no longer served,
    /// because they were dropped, disabled or are no longer allowed.
    pub fn refresh(&mut self) -> Result<Vec<i32>, PgError> {
        self.roster.next.begin();
        let counters = self.counters.get()?;
        let refreshed = self.roster.refresh(&counters, &mut self.tickets)?;
        self.run_requested(&refreshed.enabled);
        Ok(refreshed.gone)
    }

    /// Writes what roles have spent since the last call.
    pub fn write_spending(&self) -> Result<(), PgError> {
        self.counters.write()
    }

    /// Adds words to some chunks that lack them. Returns whether there are more that can be looked at now.
    pub fn fill_words(&mut self) -> bool {
        self.roster.fill_words()
    }

    /// Runs the vectorizers that were asked to. A request for one that is not taken up yet is kept as long as
    /// the vectorizer is `enabled`.
    fn run_requested(&mut self, enabled: &HashSet<i32>) {
        let taken = self.requests.take(enabled);
        if taken.has_others {
            self.roster.next.again();
        }
        for id in taken.ids {
            if !self.roster.run(id) {
                self.requests.keep(id);
            }
        }
    }

    /// Has all vectorizers read again, because settings such as API keys may have changed.
    pub fn forget_settings(&mut self) {
        self.bounds = bounds();
        self.roster.forget_settings();
    }

    /// Prolongs the leases of the documents in flight, and drops the other claims: their rows are claimed
    /// again when their leases expire.
    ///
    /// If a lease can't be prolonged, it may expire and the row be processed twice, which does no harm.
    pub fn renew(&mut self, in_flight: &HashSet<Ticket>) {
        self.tickets.retain(in_flight);
        for active in self.roster.all() {
            if turn::left(active.vectorizer.owner).is_some_and(|left| !left.is_zero()) {
                continue;
            }
            let held: Vec<&Claimed> =
                self.tickets.of(active.definition.id).map(|(_, claimed)| claimed).collect();
            let mut session = SpiSession::on(active);
            if let Err(error) = renew(&mut session, &active.definition, &held, guc::lease_duration()) {
                report(&active.vectorizer.name, "renew the leases of", &error);
            }
        }
    }

    /// Records the failures that vectorizers wait for now, and until when.
    pub fn waiting<'a>(
        &mut self,
        waits: impl Iterator<Item = (&'a document::Vectorizer, &'a Failure, Instant)>,
    ) {
        self.roster.waiting(waits);
    }

    /// Records for which vectorizers no process is free that would build their index.
    pub fn no_builder(&mut self, waiting: &HashSet<i32>) {
        self.roster.no_builder(waiting);
    }

    /// Returns the number of vectorizers that are served.
    pub fn count(&self) -> usize {
        self.roster.all().count()
    }

    /// Returns whether rows of a vectorizer are claimed and not settled.
    pub fn has_claimed(&self, id: i32) -> bool {
        self.tickets.has_any_of(id)
    }

    /// Returns all vectorizers that are served.
    pub fn active(&self) -> impl Iterator<Item = &Active> {
        self.roster.all()
    }

    /// Claims no rows of a vectorizer for so long. Those that were claimed are settled.
    pub fn hold(&mut self, id: i32, time: Duration) {
        if let Some(active) = self.roster.get_mut(id) {
            active.held_until = Some(Instant::now() + time);
        }
    }

    /// Returns the alterations that were in progress when the vectorizers were listed.
    pub fn alterations(&self) -> Rc<[Alteration]> {
        self.roster.alterations()
    }

    /// Has sessions wake the worker for the vectorizers whose queues it would look at. Returns whether one of these has
    /// changed already, so that the worker must not sleep.
    pub fn has_wanted_changes(&mut self) -> bool {
        // Who claims no more, because the process is about to end, sleeps until its documents have finished.
        std::mem::take(&mut self.has_looked) && self.roster.has_wanted_changes()
    }

    /// Writes documents of a vectorizer. Those whose claims were dropped are left out.
    fn write(&self, id: i32, done: &[Completed]) -> Result<Written, PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(Written::default()) };
        let results =
            done.iter().filter_map(|d| Some(Outcome { done: d, claim: self.tickets.get(d.ticket)?.clone() }));
        let results: Vec<Outcome<'_>> = results.collect();
        let mut session = SpiSession::on(active);
        turn::allowing(complete::turns(&results), || {
            complete::complete(&mut session, &active.definition, results)
        })
    }

    /// Settles rows of a vectorizer that failed. Those whose claims were dropped are left out.
    fn settle_failed(&self, id: i32, failed: &[Failed]) -> Result<(), PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(()) };
        let known: Vec<(&Claimed, &Failure)> =
            failed.iter().filter_map(|f| Some((self.tickets.get(f.ticket)?, &f.failure))).collect();
        fail::fail(&mut SpiSession::on(active), &active.definition, &active.shared, &known, &limits())
    }
}

impl Queue for SpiQueue {
    type Error = PgError;

    fn vectorizers(&mut self) -> Result<Vec<Arc<document::Vectorizer>>, PgError> {
        turn::shares(Shares::begin_phase);
        for id in self.tickets.vectorizers() {
            if let Some(active) = self.roster.get(id) {
                turn::has_work(active.vectorizer.owner);
            }
        }

        self.roster.take_changes();
        self.has_looked = true;
        let mut working = Vec::new();
        for id in self.roster.in_order() {
            match self.roster.has_work(id, self.tickets.has_any_of(id)) {
                Ok(Some(true)) => working.extend(self.roster.get(id).map(|active| active.shared.clone())),
                Ok(Some(false)) => self.roster.resumed(id),
                Ok(None) => {}
                Err(error) => self.roster.pause(id, "read the queue of", &error),
            }
        }
        Ok(working)
    }

    /// Errors pause this vectorizer only, and an empty list is returned.
    fn claim(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<ClaimedDocuments, PgError> {
        self.claims += 1;
        if let Some(active) = self.roster.get_mut(vectorizer.id) {
            active.claimed_for = self.claims;
        }
        match self.claim_rows(vectorizer.id, limit, bytes, addresses) {
            Ok(claimed) => {
                // A budget that was set before these rows were written may only be heard of by now.
                if let Err(error) = self.counters.get() {
                    report(&vectorizer.name, "look again at the budgets of", &error);
                }
                if let Some(active) = self.roster.get_mut(vectorizer.id) {
                    active.paused = Pause::default();
                }
                self.roster.resumed(vectorizer.id);
                Ok(claimed)
            }
            Err(error) => {
                self.roster.pause(vectorizer.id, "claim rows of", &error);
                Ok(ClaimedDocuments::default())
            }
        }
    }

    fn complete(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        done: &[Completed],
    ) -> Result<Vec<Ticket>, PgError> {
        let busy = match self.write(vectorizer.id, done) {
            // Somebody holds a lock on a whole table, or has changed the vectorizer: nothing that these rows
            // could help.
            Err(error) if error.is_contention() => done.iter().map(|d| d.ticket).collect(),
            Err(error) if error.is_costly() => {
                self.roster.pause(vectorizer.id, "write rows of", &error);
                return Err(error);
            }
            Err(error) => return Err(error),
            Ok(written) => {
                if written.released {
                    self.roster.get_mut(vectorizer.id).into_iter().for_each(|active| active.looks.forget());
                }
                written.busy
            }
        };
        if busy.len() < done.len() {
            self.roster.get_mut(vectorizer.id).into_iter().for_each(Active::wrote);
        }

        self.tickets.settle(done.iter().map(|d| d.ticket).filter(|ticket| !busy.contains(ticket)));
        let written = done.iter().filter(|done| !busy.contains(&done.ticket));
        let (rows, chunks) =
            written.fold((0, 0), |(rows, chunks), done| (rows + 1, chunks + done.chunks.len()));
        self.roster.conditions.succeeded(vectorizer.id, &vectorizer.name, rows, chunks);
        Ok(busy)
    }

    /// A single failure that can't be settled, an error of contention, or a costly one pauses this vectorizer
    /// instead of ending the turn of all.
    fn fail(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        failed: &[Failed],
    ) -> Result<Vec<Ticket>, PgError> {
        self.roster.get_mut(vectorizer.id).into_iter().for_each(|active| active.looks.forget());
        if let Err(error) = self.settle_failed(vectorizer.id, failed) {
            if failed.len() > 1 && !error.is_contention() && !error.is_costly() {
                return Err(error);
            }
            self.roster.pause(vectorizer.id, "record failed rows of", &error);
            return Ok(failed.iter().map(|f| f.ticket).collect());
        }
        self.tickets.settle(failed.iter().map(|f| f.ticket));
        self.roster.conditions.failed(vectorizer.id, failed);
        Ok(Vec::new())
    }

    fn inquire(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        inquiries: Vec<Inquiry>,
    ) -> Result<(), PgError> {
        self.answer(vectorizer, inquiries);
        Ok(())
    }

    fn waits_its_turn(&self, vectorizer: &document::Vectorizer) -> Option<Duration> {
        let active = self.roster.get(vectorizer.id)?;
        active.overrun.left().or_else(|| its_turn(active.vectorizer.owner))
    }

    fn is_costly(error: &PgError) -> bool {
        error.is_costly()
    }
}
