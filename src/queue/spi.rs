//! The pipeline's `Queue` over SPI. It lives on the worker's main thread.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{self, Completed, Document, Failed, Ticket};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::quota::Quotas;
use pgai_rs_pipeline::run::{Addresses, Queue, Shares};

use super::claim::{Claimed, claim, read, renew};
use super::fold::{self, fold};
use super::schedule::Schedule;
use super::served::{Pause, Served, WHOLE_TABLE};
use super::unheld::unheld;
use super::{complete, fail, gone, request, unlogged};
use crate::catalog::registration;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::{secret, spending};
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::shared;
use crate::worker::condition::Conditions;

/// The pause before a vectorizer is looked at again that another transaction was changing.
const UNTIL_CHANGED: Duration = Duration::from_millis(100);

/// The longest time for which an owner is skipped without asking again. Others may run out of work earlier
/// than expected.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The queue of all vectorizers of this database.
pub struct SpiQueue {
    served: HashMap<i32, Served>,
    claimed: HashMap<Ticket, Claimed>,
    last_ticket: u64,
    last_lease: i64,
    next_due: Option<Duration>,
    /// The condition of each vectorizer, for the views that show it.
    pub conditions: Conditions,
    /// True if a vectorizer was skipped because another transaction was changing it.
    looks_again: bool,
    /// Pauses of vectorizers that could not be taken up because statements of their owner took too long.
    put_off: HashMap<i32, Pause>,
    /// The number of claims of this process, over all vectorizers.
    claims: u64,
    /// The version of the database's secrets.
    secrets: Option<String>,
    /// The roles' daily quotas and what they have spent; `None` until it was read from the database.
    quotas: Option<Arc<Quotas>>,
    /// Vectorizers that were asked to run and are not taken up yet.
    requested: BTreeSet<i32>,
}

impl SpiQueue {
    /// Returns an empty queue. A lease is identified by its holder and a counter with the random start
    /// `seed`, so that one from before a restart is never taken for one of this process.
    pub fn new(seed: i64) -> Self {
        SpiQueue {
            served: HashMap::new(),
            claimed: HashMap::new(),
            last_ticket: 0,
            last_lease: seed,
            next_due: None,
            conditions: Conditions::default(),
            looks_again: false,
            put_off: HashMap::new(),
            claims: 0,
            secrets: None,
            quotas: None,
            requested: BTreeSet::new(),
        }
    }

    /// Returns the time until a row will be due, if the worker is not woken earlier; `None` if none is
    /// expected. It is known after a turn.
    pub fn next_due(&self) -> Option<Duration> {
        self.next_due
    }

    /// Takes up vectorizers that are new or have changed. Returns the ids of those that are no longer served,
    /// because they were dropped, disabled or are no longer allowed.
    pub fn refresh(&mut self) -> Result<Vec<i32>, PgError> {
        let (entries, secrets) = transaction(|| Ok((vectorizer::enabled()?, secret::version()?)))?;
        if self.secrets != secrets {
            self.forget_settings();
            self.secrets = secrets;
        }
        let quotas = self.quotas()?;
        let enabled: HashSet<i32> = entries.iter().map(|entry| entry.id).collect();
        let mut gone: Vec<i32> = self.served.keys().filter(|id| !enabled.contains(id)).copied().collect();
        for id in &gone {
            self.served.remove(id);
        }
        self.conditions.retain(|id| enabled.contains(&id));
        self.put_off.retain(|id, _| enabled.contains(id));
        for entry in entries {
            if self.is_put_off(&entry) {
                continue;
            }
            match bound(&entry).and_then(|()| self.take_up(&entry, &quotas)) {
                Ok(()) => self.conditions.served(entry.id, &entry.name),
                // Somebody is just changing it. What is in flight is not written, for nothing is written unlooked at.
                Err(error) if error.is_contention() => self.looks_again = true,
                Err(error) => {
                    let mut pause = None;
                    if error.is_costly() {
                        let put_off = self.put_off.entry(entry.id).or_default();
                        put_off.begin();
                        pause = put_off.left();
                    }
                    if self.conditions.not_served(entry.id, &error, pause) {
                        report(&entry.name, "can't be served", &error);
                    }
                    gone.extend(self.served.remove(&entry.id).map(|_| entry.id));
                }
            }
        }
        self.run_requested(&enabled);
        Ok(gone)
    }

    /// Returns what roles have spent. The first call reads what was spent before this process began.
    fn quotas(&mut self) -> Result<Arc<Quotas>, PgError> {
        if let Some(quotas) = &self.quotas {
            return Ok(Arc::clone(quotas));
        }
        let quotas = Arc::new(Quotas::default());
        transaction(|| spending::remember(&quotas))?;
        self.quotas = Some(Arc::clone(&quotas));
        Ok(quotas)
    }

    /// Writes what roles have spent since the last call.
    pub fn write_spending(&self) -> Result<(), PgError> {
        match &self.quotas {
            Some(quotas) => spending::write(quotas),
            None => Ok(()),
        }
    }

    /// Returns whether a vectorizer must not be taken up now, which would take its owner's time. One that is
    /// served already is not put off.
    fn is_put_off(&mut self, entry: &Entry) -> bool {
        if self.served.contains_key(&entry.id) {
            self.put_off.remove(&entry.id);
            return false;
        }
        let owner = entry.relations.source.owner;
        if let Some(left) = shared::barred(this_database(), owner) {
            if self.conditions.not_served(entry.id, &stubborn(), Some(left)) {
                report(&entry.name, "is not served", &stubborn());
            }
            return true;
        }
        let rest = self.put_off.get(&entry.id).and_then(Pause::left);
        let Some(left) = rest.max(its_turn(owner)) else { return false };

        self.wait(left);
        true
    }

    /// Makes the worker look again after `left` at the latest.
    fn wait(&mut self, left: Duration) {
        self.next_due = self.next_due.into_iter().chain([left]).min();
    }

    /// Ends the rest of vectorizers that were asked to run, both by schedule and after errors. A request
    /// whose schedule is invalid pauses its vectorizer and is dropped. One for a vectorizer that is not taken up
    /// yet is kept as long as the vectorizer is `enabled`.
    fn run_requested(&mut self, enabled: &HashSet<i32>) {
        let requested = transaction(request::take).unwrap_or_else(|error| {
            pgrx::warning!("pgai_rs worker can't read which vectorizers are asked to run: {error}");
            BTreeSet::new()
        });
        // It was enabled after the catalog was read, or is disabled or gone: the next look tells.
        self.looks_again |= requested.iter().any(|id| !enabled.contains(id));

        let mut pending = std::mem::take(&mut self.requested);
        pending.retain(|id| enabled.contains(id));
        pending.extend(requested);
        for id in pending {
            let Some(served) = self.served.get_mut(&id) else {
                self.requested.insert(id);
                continue;
            };
            served.paused = Pause::default();
            served.overrun = served.overrun.over();
            match served.begin_schedule() {
                Ok(()) => served.schedule.run(),
                Err(error) => self.pause(id, "can't keep its schedule", &error),
            }
        }
    }

    fn take_up(&mut self, entry: &Entry, quotas: &Arc<Quotas>) -> Result<(), PgError> {
        let known = self.served.get(&entry.id);
        let redefined = known.is_some_and(|served| !served.is_same_version(entry));
        if known.is_some_and(|served| served.is_current(entry)) {
            return Ok(());
        }
        let served = Served::take_up(entry, known, quotas)?;
        if known.is_none() {
            served.recover()?;
        }
        if served.is_permitted_anew(known) {
            served.resume()?;
        }
        turn::allowing(WHOLE_TABLE, || transaction(|| unlogged::compare_after_crash(&served.vectorizer)))?;
        if redefined {
            self.forget_unheld(&served);
        }
        self.served.insert(entry.id, served);
        Ok(())
    }

    /// Drops the claims whose keys no longer have the text that they were claimed with.
    fn forget_unheld(&mut self, served: &Served) {
        let claims: Vec<(Ticket, Claimed)> = self
            .claimed
            .iter()
            .filter(|(_, claimed)| claimed.vectorizer == served.vectorizer.id)
            .map(|(ticket, claimed)| (*ticket, claimed.clone()))
            .collect();
        if !claims.is_empty() {
            self.settle(unheld(served, &claims).into_iter());
        }
    }

    /// Has all vectorizers read again, because settings such as API keys may have changed.
    pub fn forget_settings(&mut self) {
        for served in self.served.values_mut() {
            served.forget();
        }
    }

    /// Prolongs the leases of the documents in flight, and drops the other claims: their rows are claimed
    /// again when their leases expire.
    ///
    /// If a lease can't be prolonged, it may expire and the row be processed twice, which does no harm.
    pub fn renew(&mut self, in_flight: &HashSet<Ticket>) {
        self.claimed.retain(|ticket, _| in_flight.contains(ticket));
        for (id, served) in &self.served {
            if turn::left(served.vectorizer.owner).is_some_and(|left| !left.is_zero()) {
                continue;
            }
            let held: Vec<&Claimed> = self.claimed.values().filter(|c| c.vectorizer == *id).collect();
            if let Err(error) = renew(served, &held) {
                report(&served.vectorizer.name, "can't prolong its leases", &error);
            }
        }
    }

    /// Returns the claim of a ticket, or `None` if it was dropped.
    pub fn claimed(&self, ticket: Ticket) -> Option<&Claimed> {
        self.claimed.get(&ticket)
    }

    /// Returns the vectorizer with this id, or `None` if it is not served.
    pub fn served(&self, id: i32) -> Option<&Served> {
        self.served.get(&id)
    }

    /// Records the failures that vectorizers wait for now, and until when.
    pub fn waiting<'a>(
        &mut self,
        waits: impl Iterator<Item = (&'a document::Vectorizer, &'a Failure, Instant)>,
    ) {
        let served = &self.served;
        let name = |id| served.get(&id).map_or_else(String::new, |served| served.vectorizer.name.clone());
        self.conditions.waiting(waits, name);
    }

    /// Returns the number of vectorizers that are served.
    pub fn count(&self) -> usize {
        self.served.len()
    }

    /// Returns all vectorizers that are served.
    pub fn served_all(&self) -> impl Iterator<Item = &Served> {
        self.served.values()
    }

    /// Drops the claims of tickets that are settled.
    pub fn settle(&mut self, tickets: impl Iterator<Item = Ticket>) {
        for ticket in tickets {
            self.claimed.remove(&ticket);
        }
    }

    /// Returns whether a vectorizer has something to fold or to claim now, or `None` if its owner's turn or a
    /// pause keeps it from being looked at. Updates the time of the next look.
    fn has_work(&mut self, id: i32) -> Result<Option<bool>, PgError> {
        let Some(served) = self.served.get(&id) else { return Ok(None) };
        let owner = served.vectorizer.owner;
        if let Some(left) = served.rest().or_else(|| its_turn(owner)) {
            self.wait(left);
            return Ok(None);
        }
        if let Some(left) = self.rests_by_schedule(id)? {
            self.wait(left);
            return Ok(Some(false));
        }
        let Some(served) = self.served.get(&id) else { return Ok(None) };
        let peek = transaction(|| served.looking(|| fold::peek(served)))?;
        if peek.now {
            turn::has_work(owner);
        } else if peek.due.is_none() && !self.claimed.values().any(|claimed| claimed.vectorizer == id) {
            self.served.get_mut(&id).into_iter().for_each(Served::wrote);
        }
        let due = if peek.now { None } else { self.end_run(id)?.or(peek.due) };
        self.next_due = self.next_due.into_iter().chain(due).min();
        Ok(Some(peek.now))
    }

    /// Returns how long a vectorizer still rests by its schedule, or `None` if it may run now.
    fn rests_by_schedule(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(served) = self.served.get_mut(&id) else { return Ok(None) };
        if served.schedule == Schedule::Always {
            return Ok(None);
        }
        served.begin_schedule()?;
        let rest = served.schedule.rest();
        match rest {
            Some(left) => self.conditions.scheduled(id, left),
            None => self.conditions.awake(id),
        }
        Ok(rest)
    }

    /// Ends the run of a vectorizer with a schedule, unless documents are in flight. Returns the time until
    /// its next run, or `None` if none was ended.
    fn end_run(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(served) = self.served.get_mut(&id) else { return Ok(None) };
        if served.schedule == Schedule::Always
            || self.claimed.values().any(|claimed| claimed.vectorizer == id)
        {
            return Ok(None);
        }
        let rest = served.end_run()?;
        if let Some(left) = rest {
            self.conditions.scheduled(id, left);
        }
        Ok(rest)
    }

    /// Returns whether a vectorizer's definition has changed since this turn began.
    fn is_outdated(&self, id: i32) -> bool {
        let outdated = |served: &Served| matches!(transaction(|| served.is_outdated()), Ok(true));
        self.served(id).is_some_and(outdated)
    }

    fn pause(&mut self, id: i32, what: &str, error: &PgError) {
        // The next turn takes it up as it is now.
        if self.is_outdated(id) {
            self.next_due = Some(Duration::ZERO);
            return;
        }
        // Dropped since this turn began: the next one will not find it.
        if error.code == pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE
            && matches!(transaction(|| vectorizer::by_id(id)), Ok(None))
        {
            return;
        }
        if let Some(served) = self.served.get_mut(&id) {
            if error.is_costly() {
                served.overrun.begin();
            } else {
                served.paused.begin();
            }
            if self.conditions.paused(id, error, served.rest()) {
                report(&served.vectorizer.name, what, error);
            }
        }
    }

    /// Records that a vectorizer works again, unless it pauses or its statements took too long.
    fn resumed(&mut self, id: i32) {
        if let Some(served) = self.served.get(&id).filter(|served| !served.has_overrun()) {
            self.conditions.resumed(id, &served.vectorizer.name);
        }
    }

    fn claim_rows(
        &mut self,
        id: i32,
        limit: usize,
        bytes: u64,
        addresses: &Addresses,
    ) -> Result<Vec<Document>, PgError> {
        let Some(served) = self.served.get(&id) else { return Ok(Vec::new()) };
        let limit = served.likely_to_fit(bytes).min(limit as u64) as i64;
        self.last_lease = self.last_lease.wrapping_add(1);
        let (lease, first) = (self.last_lease, self.last_ticket + 1);
        let (more, claimed, found) = transaction(|| {
            served.as_owner(|| {
                let more = fold(served)?;
                let claimed = claim(served, limit, bytes, lease, addresses)?;
                let found = read(served, &claimed, first)?;
                served.require_unchanged()?;
                Ok((more, claimed, found))
            })
        })?;
        self.last_ticket += claimed.len() as u64;
        // The pipeline gets nothing, and would not ask again before it is woken.
        if found.is_empty() && (more || !claimed.is_empty()) {
            self.next_due = Some(Duration::ZERO);
        }
        let missing: Vec<Claimed> = claimed
            .iter()
            .enumerate()
            .filter(|(i, _)| !found.contains_key(i))
            .map(|(_, claimed)| claimed.clone())
            .collect();
        // Their leases run out if this fails, and they are found gone again; the others go on.
        if let Err(error) = gone::settle(served, &missing) {
            if error.is_costly() {
                self.pause(id, "can't settle rows that are gone", &error);
            } else {
                report(&served.vectorizer.name, "can't settle rows that are gone", &error);
            }
        }
        for (i, row) in claimed.into_iter().enumerate() {
            if found.contains_key(&i) {
                self.claimed.insert(Ticket(first + i as u64), row);
            }
        }
        let mut documents: Vec<_> = found.into_values().collect();
        documents.sort_by_key(|document| document.ticket);
        if let Some(served) = self.served.get_mut(&id) {
            let total: u64 = documents.iter().map(Document::size).sum();
            served.mean_size = total.checked_div(documents.len() as u64).unwrap_or_default();
        }
        Ok(documents)
    }
}

/// Records the tables of a vectorizer that came with a dump or from an earlier version, now that they all
/// exist, and writes its UUID into its triggers.
fn bound(entry: &Entry) -> Result<(), PgError> {
    if entry.bound || entry.uuid.is_none() {
        return Ok(());
    }
    transaction(|| registration::bind_found(entry))
}

/// Returns the error for a vectorizer whose owner's SQL has ended a worker.
fn stubborn() -> PgError {
    PgError::new(
        pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        "SQL of its owner's could not be stopped when its time was over, and the worker was started anew",
    )
    .with_hint(
        "A trigger or a function on one of the owner's vectorizers catches query_canceled and goes on: drop it. \
         Nothing of this owner's runs in the worker until its rest is over.",
    )
}

/// Logs what stopped a vectorizer. Failures of single rows go to error rows instead.
fn report(name: &str, what: &str, error: &PgError) {
    pgrx::warning!("vectorizer {name} {what}: {error}");
}

impl Queue for SpiQueue {
    type Error = PgError;

    fn vectorizers(&mut self) -> Result<Vec<Arc<document::Vectorizer>>, PgError> {
        self.next_due = std::mem::take(&mut self.looks_again).then_some(UNTIL_CHANGED);
        turn::shares(Shares::begin_phase);
        let in_flight: HashSet<i32> = self.claimed.values().map(|claimed| claimed.vectorizer).collect();
        for served in in_flight.iter().filter_map(|id| self.served.get(id)) {
            turn::has_work(served.vectorizer.owner);
        }

        let mut ids: Vec<(u64, i32)> = self.served.iter().map(|(id, s)| (s.claimed_for, *id)).collect();
        ids.sort_unstable();
        let mut working = Vec::new();
        for (_, id) in ids {
            match self.has_work(id) {
                Ok(Some(true)) => working.extend(self.served.get(&id).map(|s| s.shared.clone())),
                Ok(Some(false)) => self.resumed(id),
                Ok(None) => {}
                Err(error) => self.pause(id, "can't read its queue", &error),
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
        if let Some(served) = self.served.get_mut(&vectorizer.id) {
            served.claimed_for = self.claims;
        }
        match self.claim_rows(vectorizer.id, limit, bytes, addresses) {
            Ok(documents) => {
                if let Some(served) = self.served.get_mut(&vectorizer.id) {
                    served.paused = Pause::default();
                }
                self.resumed(vectorizer.id);
                Ok(documents)
            }
            Err(error) => {
                self.pause(vectorizer.id, "can't claim rows", &error);
                Ok(Vec::new())
            }
        }
    }

    fn complete(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        done: &[Completed],
    ) -> Result<Vec<Ticket>, PgError> {
        let busy = match complete::complete(self, vectorizer.id, done) {
            // Somebody holds a lock on a whole table, or has changed the vectorizer: nothing that these rows
            // could help.
            Err(error) if error.is_contention() || self.is_outdated(vectorizer.id) => {
                done.iter().map(|d| d.ticket).collect()
            }
            Err(error) if error.is_costly() => {
                self.pause(vectorizer.id, "can't write its rows", &error);
                return Err(error);
            }
            other => other?,
        };
        if busy.len() < done.len() {
            self.served.get_mut(&vectorizer.id).into_iter().for_each(Served::wrote);
        }
        self.settle(done.iter().map(|d| d.ticket).filter(|ticket| !busy.contains(ticket)));
        self.conditions.succeeded(vectorizer.id, &vectorizer.name, done.len().saturating_sub(busy.len()));
        Ok(busy)
    }

    /// A single failure that can't be settled, an error of contention, or a costly one pauses this vectorizer
    /// instead of ending the turn of all.
    fn fail(
        &mut self,
        vectorizer: &Arc<document::Vectorizer>,
        failed: &[Failed],
    ) -> Result<Vec<Ticket>, PgError> {
        if let Err(error) = fail::fail(self, vectorizer.id, failed) {
            if failed.len() > 1 && !error.is_contention() && !error.is_costly() {
                return Err(error);
            }
            self.pause(vectorizer.id, "can't settle rows that failed", &error);
            return Ok(failed.iter().map(|f| f.ticket).collect());
        }
        self.settle(failed.iter().map(|f| f.ticket));
        self.conditions.failed(vectorizer.id, failed);
        Ok(Vec::new())
    }

    fn waits_its_turn(&self, vectorizer: &document::Vectorizer) -> Option<Duration> {
        let served = self.served.get(&vectorizer.id)?;
        served.overrun.left().or_else(|| its_turn(served.vectorizer.owner))
    }

    fn is_costly(error: &PgError) -> bool {
        error.is_costly()
    }
}

/// Returns the time until it is an owner's turn, at most [`LOOK_AGAIN`], or `None` if it may run now.
fn its_turn(owner: pgrx::pg_sys::Oid) -> Option<Duration> {
    turn::left(owner).map(|left| left.min(LOOK_AGAIN))
}
