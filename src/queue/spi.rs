//! The pipeline's `Queue` over SPI. It lives on the worker's main thread.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{self, Completed, Document, Failed, Ticket};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::run::{Addresses, Queue, Shares};
use pgai_rs_queue::claim::{self, claim, read};
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::Session;
use pgai_rs_queue::work::{Claimed, renew};
use pgai_rs_queue::{complete, fail, gone, inbox};

use super::active::Active;
use super::conditions::Conditions;
use super::pause::Pause;
use super::quotas::SharedQuotas;
use super::requests::Requests;
use super::roster::{Roster, its_turn, report};
use super::schedule::Schedule;
use super::session::SpiSession;
use super::tickets::Tickets;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::turn;

/// The queue of all vectorizers of this database.
pub struct SpiQueue {
    roster: Roster,
    tickets: Tickets,
    quotas: SharedQuotas,
    requests: Requests,
    /// The number of claims of this process, over all vectorizers.
    claims: u64,
}

impl SpiQueue {
    /// Returns an empty queue. A lease is identified by its holder and a counter with the random start
    /// `seed`, so that one from before a restart is never taken for one of this process.
    pub fn new(seed: i64) -> Self {
        SpiQueue {
            roster: Roster::default(),
            tickets: Tickets::new(seed),
            quotas: SharedQuotas::default(),
            requests: Requests::default(),
            claims: 0,
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

    /// Takes up vectorizers that are new or have changed. Returns the ids of those that are no longer served,
    /// because they were dropped, disabled or are no longer allowed.
    pub fn refresh(&mut self) -> Result<Vec<i32>, PgError> {
        let quotas = self.quotas.get()?;
        let refreshed = self.roster.refresh(&quotas, &mut self.tickets)?;
        self.run_requested(&refreshed.enabled);
        Ok(refreshed.gone)
    }

    /// Writes what roles have spent since the last call.
    pub fn write_spending(&self) -> Result<(), PgError> {
        self.quotas.write()
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

    /// Returns all vectorizers that are served.
    pub fn active(&self) -> impl Iterator<Item = &Active> {
        self.roster.all()
    }

    /// Returns whether a vectorizer has something to fold or to claim now, or `None` if its owner's turn or a
    /// pause keeps it from being looked at. Updates the time of the next look.
    fn has_work(&mut self, id: i32) -> Result<Option<bool>, PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(None) };
        let owner = active.vectorizer.owner;
        if let Some(left) = active.rest().or_else(|| its_turn(owner)) {
            self.roster.next.within(left);
            return Ok(None);
        }
        if let Some(left) = self.rests_by_schedule(id)? {
            self.roster.next.within(left);
            return Ok(Some(false));
        }

        let Some(active) = self.roster.get(id) else { return Ok(None) };
        let peek = SpiSession::on(active)
            .transaction(|s| s.as_owner_of_queue(|s| inbox::peek(s, &active.definition, &active.cursor)))?;
        if peek.now {
            turn::has_work(owner);
        } else if peek.due.is_none() && !self.tickets.has_any_of(id) {
            self.roster.get_mut(id).into_iter().for_each(Active::wrote);
        }
        let due = if peek.now { None } else { self.end_run(id)?.or(peek.due) };
        if let Some(due) = due {
            self.roster.next.within(due);
        }
        Ok(Some(peek.now))
    }

    /// Returns how long a vectorizer still rests by its schedule, or `None` if it may run now.
    fn rests_by_schedule(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(active) = self.roster.get_mut(id) else { return Ok(None) };
        if active.schedule == Schedule::Always {
            return Ok(None);
        }
        active.begin_schedule()?;
        let rest = active.schedule.rest();
        match rest {
            Some(left) => self.roster.conditions.scheduled(id, left),
            None => self.roster.conditions.awake(id),
        }
        Ok(rest)
    }

    /// Ends the run of a vectorizer with a schedule, unless documents are in flight. Returns the time until
    /// its next run, or `None` if none was ended.
    fn end_run(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(active) = self.roster.get_mut(id) else { return Ok(None) };
        if active.schedule == Schedule::Always || self.tickets.has_any_of(id) {
            return Ok(None);
        }
        let rest = active.end_run()?;
        if let Some(left) = rest {
            self.roster.conditions.scheduled(id, left);
        }
        Ok(rest)
    }

    fn claim_rows(
        &mut self,
        id: i32,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<Vec<Document>, PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(Vec::new()) };
        let largest = guc::max_document_size();
        let wanted = claim::Request {
            rows: active.likely_to_fit(bytes).min(limit as u64) as i64,
            bytes,
            largest,
            addresses,
            lease: self.tickets.next_lease(),
            duration: guc::lease_duration(),
        };
        let v = &active.definition;
        let (more, claimed, tickets, mut found) = SpiSession::on(active).transaction(|s| {
            s.as_owner(|s| {
                let more = inbox::fold(s, v, &active.cursor)?;
                let claimed = claim(s, v, &wanted)?;
                let tickets = self.tickets.issue(claimed.len());
                let found = read(s, v, &active.shared, &claimed, &tickets, largest)?;
                s.require_unchanged()?;
                Ok((more, claimed, tickets, found))
            })
        })?;

        let mut documents = Vec::with_capacity(found.len());
        let mut missing = Vec::new();
        for (index, (ticket, row)) in tickets.into_iter().zip(claimed).enumerate() {
            match found.remove(&index) {
                Some(document) => {
                    self.tickets.add(ticket, row);
                    documents.push(document);
                }
                None => missing.push(row),
            }
        }
        // The pipeline gets nothing, and would not ask again before it is woken.
        if documents.is_empty() && (more || !missing.is_empty()) {
            self.roster.next.within(Duration::ZERO);
        }

        self.settle_gone(id, &missing);
        if let Some(active) = self.roster.get_mut(id) {
            let total: u64 = documents.iter().map(Document::size).sum();
            active.mean_size = total.checked_div(documents.len() as u64).unwrap_or_default();
        }
        Ok(documents)
    }

    /// Writes documents of a vectorizer. Those whose claims were dropped are left out.
    fn write(&self, id: i32, done: &[Completed]) -> Result<Vec<Ticket>, PgError> {
        let Some(active) = self.roster.get(id) else { return Ok(Vec::new()) };
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
        let limits = fail::Limits {
            retries: guc::max_retries(),
            backoff: guc::retry_backoff(),
            errors: guc::max_errors(),
        };
        fail::fail(&mut SpiSession::on(active), &active.definition, &active.shared, &known, &limits)
    }

    /// Settles rows that were not found when they were claimed. If that fails, their leases run out, and they
    /// are found gone again; the others go on.
    fn settle_gone(&mut self, id: i32, missing: &[Claimed]) {
        let Some(active) = self.roster.get(id) else { return };
        let Err(error) = gone::settle(&mut SpiSession::on(active), &active.definition, missing) else {
            return;
        };

        let action = "settle deleted rows of";
        if error.is_costly() {
            self.roster.pause(id, action, &error);
        } else {
            report(&active.vectorizer.name, action, &error);
        }
    }
}

impl Queue for SpiQueue {
    type Error = PgError;

    fn vectorizers(&mut self) -> Result<Vec<Arc<document::Vectorizer>>, PgError> {
        self.roster.next.begin();
        turn::shares(Shares::begin_phase);
        for id in self.tickets.vectorizers() {
            if let Some(active) = self.roster.get(id) {
                turn::has_work(active.vectorizer.owner);
            }
        }

        let mut working = Vec::new();
        for id in self.roster.in_order() {
            match self.has_work(id) {
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
    ) -> Result<Vec<Document>, PgError> {
        self.claims += 1;
        if let Some(active) = self.roster.get_mut(vectorizer.id) {
            active.claimed_for = self.claims;
        }
        match self.claim_rows(vectorizer.id, limit, bytes, addresses) {
            Ok(documents) => {
                if let Some(active) = self.roster.get_mut(vectorizer.id) {
                    active.paused = Pause::default();
                }
                self.roster.resumed(vectorizer.id);
                Ok(documents)
            }
            Err(error) => {
                self.roster.pause(vectorizer.id, "claim rows of", &error);
                Ok(Vec::new())
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
            Err(error) if error.is_contention() || self.roster.is_outdated(vectorizer.id) => {
                done.iter().map(|d| d.ticket).collect()
            }
            Err(error) if error.is_costly() => {
                self.roster.pause(vectorizer.id, "write rows of", &error);
                return Err(error);
            }
            other => other?,
        };
        if busy.len() < done.len() {
            self.roster.get_mut(vectorizer.id).into_iter().for_each(Active::wrote);
        }

        self.tickets.settle(done.iter().map(|d| d.ticket).filter(|ticket| !busy.contains(ticket)));
        let rows = done.len().saturating_sub(busy.len());
        self.roster.conditions.succeeded(vectorizer.id, &vectorizer.name, rows);
        Ok(busy)
    }

    /// A single failure that can't be settled, an error of contention, or a costly one pauses this vectorizer
    /// instead of ending the turn of all.
    fn fail(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        failed: &[Failed],
    ) -> Result<Vec<Ticket>, PgError> {
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

    fn waits_its_turn(&self, vectorizer: &document::Vectorizer) -> Option<Duration> {
        let active = self.roster.get(vectorizer.id)?;
        active.overrun.left().or_else(|| its_turn(active.vectorizer.owner))
    }

    fn is_costly(error: &PgError) -> bool {
        error.is_costly()
    }
}
