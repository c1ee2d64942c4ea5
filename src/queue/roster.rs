//! The vectorizers that this worker serves: which they are now, and which of them pause.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::document::{self, Ticket};
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_queue::allowance::Allowance;
use pgai_rs_queue::suspects::recover;
use pgai_rs_queue::unheld::unheld;
use pgai_rs_queue::work::{Claimed, end_stray_waits, resume};
use pgrx::PgSqlErrorCode;

use super::active::Active;
use super::conditions::Conditions;
use super::counters::Counters;
use super::listed::Listed;
use super::next_look::NextLook;
use super::pause::Pause;
use super::session::SpiSession;
use super::tickets::Tickets;
use super::unlogged;
use super::waiting_for_batch::WaitingForBatches;
use crate::catalog::alteration::Alteration;
use crate::catalog::vectorizer::Entry;
use crate::catalog::{batch, definitions, registration, vectorizer};
use crate::guc;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::shared;

/// The longest time for which an owner is skipped without asking again. Others may run out of work earlier
/// than expected.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The factor by which a statement that reads a whole table once may take longer than others.
const WHOLE_TABLE: u32 = 6;

/// The vectorizers that this worker serves.
#[derive(Default)]
pub struct Roster {
    active: HashMap<i32, Active>,
    /// Pauses of vectorizers that could not be taken up because statements of their owner took too long.
    put_off: HashMap<i32, Pause>,
    /// The vectorizers that the catalog lists.
    pub(super) listed: Listed,
    /// True if all of them are served as they are listed.
    pub(super) all_served: bool,
    /// The generation of the definitions at the last refresh.
    seen: u64,
    /// The time for reading again what something has changed of that is not known.
    pub(super) rereading: Allowance,
    /// The condition of each vectorizer, for the views that show it.
    pub conditions: Conditions,
    /// The time of the next look at them.
    pub next: NextLook,
}

/// The enabled vectorizers of this database, after a refresh.
pub struct Refreshed {
    /// The ids of all of them.
    pub enabled: Rc<HashSet<i32>>,
    /// The ids of those that are no longer served, because they were dropped, disabled or are no longer
    /// allowed.
    pub gone: Vec<i32>,
}

impl Roster {
    /// Takes up vectorizers that are new or have changed, and drops claims that a change has ended.
    pub fn refresh(&mut self, counters: &Counters, tickets: &mut Tickets) -> Result<Refreshed, PgError> {
        self.list_again()?;
        let (entries, enabled) = (Rc::clone(&self.listed.entries), Rc::clone(&self.listed.enabled));
        let generation = definitions::generation();
        if self.all_served && self.seen == generation {
            return Ok(Refreshed { enabled, gone: Vec::new() });
        }

        let listed: HashSet<i32> = entries.iter().map(|entry| entry.id).collect();
        let mut gone: Vec<i32> = self.active.keys().filter(|id| !listed.contains(id)).copied().collect();
        for id in &gone {
            self.active.remove(id);
        }
        self.conditions.retain(|id| listed.contains(&id));
        self.put_off.retain(|id, _| listed.contains(id));

        for entry in entries.iter() {
            if !self.is_doubtful(entry) && !self.is_put_off(entry) {
                gone.extend(self.serve(entry, counters, tickets));
            }
        }
        gone.extend(self.read_doubtful(counters, tickets));
        let is_served =
            |entry: &Entry| self.active.get(&entry.id).is_some_and(|active| active.is_current(entry));
        self.all_served = entries.iter().all(is_served);
        self.seen = generation;
        Ok(Refreshed { enabled, gone })
    }

    /// Takes a vectorizer up, if it is new or has changed. Returns its id if it was served before and is no longer.
    pub(super) fn serve(&mut self, entry: &Entry, counters: &Counters, tickets: &mut Tickets) -> Option<i32> {
        match bound(entry).and_then(|()| self.take_up(entry, counters, tickets)) {
            Ok(()) => self.conditions.taken_up(entry.id, &entry.name),
            // Somebody is just changing it. What is in flight is not written, for nothing is written unlooked at.
            Err(error) if error.is_contention() => self.next.again(),
            Err(error) => return self.give_up(entry, &error),
        }
        None
    }

    /// Stops serving a vectorizer that can't be taken up. Returns its id if it was served before.
    fn give_up(&mut self, entry: &Entry, error: &PgError) -> Option<i32> {
        let mut pause = None;
        if error.is_costly() {
            let put_off = self.put_off.entry(entry.id).or_default();
            put_off.begin();
            pause = put_off.left();
        }
        if self.conditions.not_served(entry.id, error, pause) {
            report(&entry.name, "serve", error);
        }
        self.active.remove(&entry.id).map(|_| entry.id)
    }

    /// Returns whether a vectorizer must not be taken up now, which would take its owner's time. One that is
    /// served already is read again in its owner's turn; nothing of it runs before.
    fn is_put_off(&mut self, entry: &Entry) -> bool {
        let owner = entry.relations.source.owner;
        if let Some(active) = self.active.get(&entry.id) {
            self.put_off.remove(&entry.id);
            let left = if active.is_current(entry) { None } else { its_turn(owner) };
            left.into_iter().for_each(|left| self.next.within(left));
            return left.is_some();
        }
        if let Some(left) = shared::barred(this_database(), owner) {
            if self.conditions.not_served(entry.id, &stubborn(), Some(left)) {
                report(&entry.name, "serve", &stubborn());
            }
            return true;
        }
        let rest = self.put_off.get(&entry.id).and_then(Pause::left);
        let Some(left) = rest.max(its_turn(owner)) else { return false };

        self.next.within(left);
        true
    }

    fn take_up(&mut self, entry: &Entry, counters: &Counters, tickets: &mut Tickets) -> Result<(), PgError> {
        let known = self.active.get(&entry.id);
        let redefined = known.is_some_and(|active| !active.is_same_version(entry));
        if known.is_some_and(|active| active.is_current(entry)) {
            return Ok(());
        }

        // What was listed before the change that is heard of would be taken for changed, again and again.
        let is_same = known.is_some_and(|active| active.is_same(entry));
        let comes_last = self.listed.alterations.iter().any(|alteration| alteration.other == entry.id);
        let read = || {
            let now = if is_same { transaction(|| vectorizer::by_id(entry.id))? } else { None };
            Active::take_up(now.as_ref().unwrap_or(entry), known, counters, comes_last)
        };
        let mut active = match self.is_doubtful(entry) {
            // Anybody may have caused it.
            true => read()?,
            false => turn::on_account_of(entry.owner(), read)?,
        };
        if known.is_none() {
            active.suspects_from = recover_rows(&active, tickets)?.then(Instant::now);
        }
        let mut session = SpiSession::on(&active);
        if active.is_permitted_anew(known) {
            turn::allowing(WHOLE_TABLE, || resume(&mut session, &active.definition))?;
        }
        turn::allowing(WHOLE_TABLE, || transaction(|| unlogged::compare_after_crash(&active.vectorizer)))?;
        if redefined {
            forget_unheld(&active, tickets);
        }
        self.active.insert(entry.id, active);
        Ok(())
    }

    /// Has all vectorizers read again, because settings such as API keys may have changed.
    pub fn forget_settings(&mut self) {
        self.all_served = false;
        for active in self.active.values_mut() {
            active.forget();
        }
    }

    /// Returns the vectorizer with this id, or `None` if it is not served.
    pub fn get(&self, id: i32) -> Option<&Active> {
        self.active.get(&id)
    }

    /// Does the same as [`get`](Self::get), to change it.
    pub fn get_mut(&mut self, id: i32) -> Option<&mut Active> {
        self.active.get_mut(&id)
    }

    /// Returns the ids of all vectorizers that are enabled, whether they can be served or not.
    pub fn enabled(&self) -> &HashSet<i32> {
        &self.listed.enabled
    }

    /// Returns the alterations that were in progress when the vectorizers were listed.
    pub fn alterations(&self) -> Rc<[Alteration]> {
        Rc::clone(&self.listed.alterations)
    }

    /// Returns all vectorizers that are served, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Active> {
        self.active.values_mut()
    }

    /// Returns all vectorizers that are served.
    pub fn all(&self) -> impl Iterator<Item = &Active> {
        self.active.values()
    }

    /// Returns the ids of all vectorizers that are served, the one first that was claimed for least recently.
    pub fn in_order(&self) -> Vec<i32> {
        let mut ids: Vec<(u64, i32)> =
            self.active.values().map(|active| (active.claimed_for, active.definition.id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns whether a vectorizer has changed, or is gone, since this turn began.
    pub(super) fn is_outdated(&self, id: i32) -> bool {
        let outdated = |active: &Active| matches!(transaction(|| active.is_outdated()), Ok(true));
        self.get(id).is_some_and(outdated)
    }

    /// Makes a vectorizer pause after an error of its own, unless it has changed or is gone.
    pub fn pause(&mut self, id: i32, action: &str, error: &PgError) {
        // The next turn takes it up as it is now, if it finds it.
        if self.is_outdated(id) {
            self.next.within(Duration::ZERO);
            return;
        }

        if let Some(active) = self.active.get_mut(&id) {
            active.looks.forget();
            if error.is_costly() {
                active.overrun.begin();
            } else {
                active.paused.begin();
            }
            if self.conditions.paused(id, error, active.rest()) {
                report(&active.vectorizer.name, action, error);
            }
        }
    }

    /// Records that a vectorizer works again, unless it pauses or its statements took too long.
    pub fn resumed(&mut self, id: i32) {
        if let Some(active) = self.active.get(&id).filter(|active| !active.has_overrun()) {
            self.conditions.resumed(id, &active.vectorizer.name);
        }
    }

    /// Records the failures that vectorizers wait for now, and until when.
    pub fn waiting<'a>(
        &mut self,
        waits: impl Iterator<Item = (&'a document::Vectorizer, &'a Failure, Instant)>,
    ) {
        let active = &self.active;
        self.conditions.waiting(waits, |id| name_of(active, id));
    }

    /// Records for which vectorizers no process is free that would build their index.
    pub fn no_builder(&mut self, waiting: &HashSet<i32>) {
        let active = &self.active;
        self.conditions.no_builder(waiting, |id| name_of(active, id));
    }

    /// Records which vectorizers wait for batches of their provider: what for, and for how long at most.
    pub fn waiting_for_batches(&mut self, waiting: &WaitingForBatches) {
        let active = &self.active;
        self.conditions.waiting_for_batches(waiting, |id| name_of(active, id));
    }

    /// Ends the rest of a vectorizer that was asked to run, both by schedule and after errors. Returns false
    /// if it is not served. If its schedule is invalid, it pauses.
    pub fn run(&mut self, id: i32) -> bool {
        let Some(active) = self.active.get_mut(&id) else { return false };
        active.paused = Pause::default();
        active.overrun = active.overrun.over();
        active.looks.forget();
        match active.begin_schedule() {
            Ok(()) => active.schedule.run(),
            Err(error) => self.pause(id, "keep the schedule of", &error),
        }
        true
    }
}

/// Drops the claims whose keys no longer have the text that they were claimed with.
fn forget_unheld(active: &Active, tickets: &mut Tickets) {
    let claims: Vec<(Ticket, Claimed)> =
        tickets.of(active.definition.id).map(|(ticket, claimed)| (ticket, claimed.clone())).collect();
    if !claims.is_empty() {
        tickets.settle(unheld(&mut SpiSession::on(active), &active.definition, &claims));
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
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        "SQL of the owner could not be stopped when its time was over, and the worker was restarted",
    )
    .with_hint(
        "Drop the trigger or function on one of the owner's tables that catches query_canceled and goes on. \
         The worker runs nothing of this owner's until the pause is over.",
    )
}

/// Logs what could not be done for a vectorizer, such as "claim rows of". Failures of single rows go to error
/// rows instead.
pub fn report(name: &str, action: &str, error: &PgError) {
    pgrx::warning!("could not {action} vectorizer \"{name}\": {error}");
}

/// Returns the time until it is an owner's turn, at most [`LOOK_AGAIN`], or `None` if it may run now.
pub fn its_turn(owner: pgrx::pg_sys::Oid) -> Option<Duration> {
    turn::left(owner).map(|left| left.min(LOOK_AGAIN))
}

/// Releases the rows of a vectorizer that dead workers hold, and those that wait for batches that are not there. Returns whether
/// there are suspects among them.
fn recover_rows(active: &Active, tickets: &Tickets) -> Result<bool, PgError> {
    let (mut session, v) = (SpiSession::on(active), &active.definition);
    let batches = transaction(|| batch::times(v.id))?;
    turn::allowing(WHOLE_TABLE, || {
        let has_suspects = recover(&mut session, v, tickets.leases(), guc::retry_backoff())?;
        end_stray_waits(&mut session, v, &batches)?;
        Ok(has_suspects)
    })
}

fn name_of(active: &HashMap<i32, Active>, id: i32) -> String {
    active.get(&id).map_or_else(String::new, |active| active.vectorizer.name.clone())
}
