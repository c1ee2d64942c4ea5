//! Decides when an index is due; the database's worker does so when it has no other work.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::config::indexing::When;

use super::definition::{self, Definition};
use super::{BUILDER_TYPE, Order, existing};
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::sql::{self, ident};
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::queue::active::Active;
use crate::queue::spi::SpiQueue;

/// First and longest pause before a failed build is retried. The pause is at least as long as the attempt
/// took, but no longer than the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), LONGEST_BACKOFF);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3_600);

/// Minimum time between two checks; it is longer if a check took more than this divided by [`REST`].
const INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which the worker checks whether all builders are waiting, so that others can be started.
const LOOK_AT_WAITING: Duration = Duration::from_secs(1);

/// Divisor: counting rows takes at most this fraction of the worker's time.
const REST: u32 = 100;

/// Factor by which Postgres's estimate may be too low; beyond that, rows are not even counted.
const DOUBT: f64 = 2.0;

struct Tries {
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl Default for Tries {
    fn default() -> Self {
        Tries { backoff: BACKOFF, not_before: None }
    }
}

/// Maximum number of builders: one that builds, and others that wait for a transaction to end.
const MOST_BUILDERS: usize = 4;

/// Maximum number of builders of one owner.
const MOST_OF_AN_OWNER: usize = 2;

/// Maximum time that a builder may wait for a transaction while others are waiting for a place.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A running builder.
struct Building {
    vectorizer: i32,
    owner: pg_sys::Oid,
    since: Instant,
    /// The time since which every check found it waiting; `None` if the last check did not.
    waits_since: Option<Instant>,
    process: DynamicBackgroundWorker,
}

impl Building {
    fn has_ended(&self) -> bool {
        matches!(self.process.pid(), Err(BackgroundWorkerStatus::Stopped))
    }
}

#[derive(Default)]
struct Builds {
    tries: HashMap<i32, Tries>,
    building: Vec<Building>,
    next_look: Option<Instant>,
}

thread_local! {
    /// A static, so that every exit of the process can reach it.
    static BUILDS: RefCell<Builds> = RefCell::default();
}

/// Starts a builder for an index that is due. One index is built at a time, not counting builders that wait
/// for a transaction to end, as CREATE INDEX CONCURRENTLY does: any session may keep one open for hours.
/// Returns the time until the next check, if the worker is not woken before; `None` if no check is planned.
/// Must be called outside a transaction.
pub fn look(queue: &SpiQueue) -> Option<Duration> {
    BUILDS.with_borrow_mut(|builds| builds.look(queue))
}

/// Returns whether an index is being built, which a new worker would have to start again.
pub fn is_building() -> bool {
    BUILDS.with_borrow_mut(|builds| {
        builds.settle_ended();
        !builds.building.is_empty()
    })
}

/// Terminates the builders together with the worker, so that they do not block what the worker makes way for.
pub fn end_builders() {
    let building = BUILDS.with(|builds| {
        builds.try_borrow_mut().map(|mut builds| std::mem::take(&mut builds.building)).unwrap_or_default()
    });
    for building in building {
        // It ends on its own; nothing here waits for that.
        let _ending = building.process.terminate();
    }
}

impl Builds {
    fn look(&mut self, queue: &SpiQueue) -> Option<Duration> {
        self.settle_ended();
        if let Some(left) = self.next_look.and_then(left) {
            return Some(left);
        }

        let began = Instant::now();
        let at_work = match self.all_wait() {
            // This process is woken when the builder ends.
            Ok(false) => return None,
            Ok(true) => (!self.building.is_empty()).then_some(LOOK_AT_WAITING),
            Err(error) => {
                pgrx::warning!("pgai_rs worker could not check its index builders: {error}");
                return Some(LOOK_AT_WAITING);
            }
        };
        let next = queue
            .active()
            .filter(|active| !active.rests() && turn::left(active.vectorizer.owner).is_none())
            .filter_map(|active| self.look_at(active))
            .min();

        self.next_look = Some(Instant::now() + INTERVAL.max(began.elapsed() * REST));
        next.into_iter().chain(at_work).min()
    }

    /// Returns whether all running builders are waiting for a transaction to end.
    fn all_wait(&mut self) -> Result<bool, PgError> {
        if self.building.is_empty() {
            return Ok(true);
        }

        let waiting: Vec<i32> = transaction(|| {
            sql::read(
                "SELECT pid FROM pg_catalog.pg_stat_activity
                 WHERE pid = ANY ($1) AND wait_event_type = 'Lock'",
                &[self.processes().into()],
                |row| row.get(1),
            )
        })?;
        let now = Instant::now();
        for building in &mut self.building {
            let waits = building.process.pid().is_ok_and(|pid| waiting.contains(&pid));
            building.waits_since = waits.then(|| building.waits_since.unwrap_or(now));
        }
        Ok(self.building.iter().all(|building| building.waits_since.is_some()))
    }

    /// Returns the process ids of the running builders.
    fn processes(&self) -> Vec<i32> {
        self.building.iter().filter_map(|building| building.process.pid().ok()).collect()
    }

    /// Returns whether there is a place for another builder of this owner. If necessary, terminates the
    /// builder that has waited longest, if that was too long.
    fn has_place(&mut self, owner: pg_sys::Oid) -> bool {
        if self.building.iter().filter(|building| building.owner == owner).count() >= MOST_OF_AN_OWNER {
            return false;
        }
        if self.building.len() >= MOST_BUILDERS {
            let waits = |building: &Building| building.waits_since.map(|since| since.elapsed());
            let places = 0..self.building.len();
            let longest = places.max_by_key(|index| waits(&self.building[*index]));
            if let Some(index) = longest
                && waits(&self.building[index]).is_some_and(|time| time > LONGEST_WAIT)
            {
                let Building { vectorizer, since, process, .. } = self.building.swap_remove(index);
                let _ending = process.terminate();
                self.back_off(vectorizer, since.elapsed());
            }
        }
        self.building.len() < MOST_BUILDERS
    }

    /// Removes the builders that have ended. The next check finds out whether their indexes exist.
    fn settle_ended(&mut self) {
        for ended in self.building.extract_if(.., |building| building.has_ended()).collect::<Vec<_>>() {
            self.back_off(ended.vectorizer, ended.since.elapsed());
            self.next_look = None;
        }
    }

    fn back_off(&mut self, vectorizer: i32, took: Duration) {
        let tries = self.tries.entry(vectorizer).or_default();
        let pause = tries.backoff.grow().max(took).min(LONGEST_BACKOFF);
        tries.not_before = Some(Instant::now() + pause);
    }

    /// Checks one vectorizer and starts its builder if its index is due. Returns the time until the next
    /// check, if one is planned.
    fn look_at(&mut self, active: &Active) -> Option<Duration> {
        let id = active.vectorizer.id;
        let owner = active.vectorizer.owner;
        // A builder that was just started counts as not waiting.
        let is_building = self.building.iter().any(|building| building.waits_since.is_none());
        if is_building
            || self.building.iter().any(|building| building.vectorizer == id)
            || !self.has_place(owner)
        {
            return None;
        }
        if let Some(left) = self.tries.get(&id).and_then(|tries| tries.not_before).and_then(left) {
            return Some(left);
        }

        let ask = |question: &str| active.as_owner(|| yes(question));
        let own = self.processes();
        match transaction(|| state(&active.vectorizer, &own, &ask)) {
            Ok(IndexState::Settled) => drop(self.tries.remove(&id)),
            Ok(IndexState::NotYet) => {}
            Ok(IndexState::Due) => self.start(active),
            Err(error) => {
                // A lock on the tables also stops the queue, which reports it; the index can wait.
                if error.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
                    pgrx::warning!(
                        "could not look up the index of vectorizer \"{}\": {error}",
                        active.vectorizer.name
                    );
                }
                self.back_off(id, Duration::ZERO);
            }
        }

        self.tries.get(&id).and_then(|tries| tries.not_before).and_then(left)
    }

    fn start(&mut self, active: &Active) {
        let vectorizer = active.vectorizer.id;
        let owner = active.vectorizer.owner;
        // SAFETY: reads variables of this process.
        let (database, pid) = unsafe { (pg_sys::MyDatabaseId, pg_sys::MyProcPid) };
        let order = Order { vectorizer, database, owner };

        match order.process().set_notify_pid(pid).load_dynamic() {
            Ok(process) => {
                let since = Instant::now();
                self.building.push(Building { vectorizer, owner, since, waits_since: None, process });
            }
            Err(_) => {
                self.back_off(vectorizer, Duration::ZERO);
                ErrorReport::new(
                    PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    format!("no background worker slot is free for the index of {}", active.vectorizer.name),
                    "",
                )
                .set_hint("Increase max_worker_processes.")
                .report(PgLogLevel::WARNING);
            }
        }
    }
}

/// Returns the time until then; `None` if it has passed.
fn left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (left > Duration::ZERO).then_some(left)
}

enum IndexState {
    /// There is an index, or none is wanted.
    Settled,
    /// There are too few rows or some are pending, or another process is building.
    NotYet,
    Due,
}

/// Runs a query with a boolean result as the vectorizer's owner.
type Ask<'a> = &'a dyn Fn(&str) -> Result<bool, PgError>;

/// Returns whether a vectorizer's index would be built now.
pub fn is_due(vectorizer: &Vectorizer) -> Result<bool, PgError> {
    let ask = |question: &str| as_user_on(vectorizer.owner, &vectorizer.relations.oids(), || yes(question));
    Ok(matches!(state(vectorizer, &[], &ask)?, IndexState::Due))
}

fn state(vectorizer: &Vectorizer, own_builders: &[i32], ask: Ask<'_>) -> Result<IndexState, PgError> {
    let indexing = definition::wanted(vectorizer)?;
    let (Some(when), Some(index)) = (indexing.when(), Definition::of(vectorizer)?) else {
        return Ok(IndexState::Settled);
    };

    let Some(store) = as_superuser(|| existing::look(&index))? else { return Ok(IndexState::Settled) };
    if store.indexed {
        return Ok(IndexState::Settled);
    }
    if store.being_built || as_superuser(|| another_builder(own_builders))? {
        return Ok(IndexState::NotYet);
    }

    // An invalid index shows that it was due before.
    if store.left_over
        || (!waits_for_queue(vectorizer, when, ask)? && has_rows(vectorizer, when, store.estimate, ask)?)
    {
        return Ok(IndexState::Due);
    }
    Ok(IndexState::NotYet)
}

/// Returns whether a builder is running that this process did not start: its worker has just ended.
fn another_builder(own: &[i32]) -> Result<bool, PgError> {
    let found = sql::read(
        "SELECT FROM pg_catalog.pg_stat_activity
         WHERE backend_type = $1 AND datname = pg_catalog.current_database() AND pid <> ALL ($2)",
        &[BUILDER_TYPE.to_owned().into(), own.to_vec().into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}

fn waits_for_queue(vectorizer: &Vectorizer, when: &When, ask: Ask<'_>) -> Result<bool, PgError> {
    if !when.create_when_queue_empty {
        return Ok(false);
    }
    let inbox = &vectorizer.queue.inbox;
    let work = &vectorizer.queue.work;
    ask(&format!("SELECT EXISTS (SELECT FROM {inbox}) OR EXISTS (SELECT FROM {work})"))
}

/// Returns whether there are `min_rows` vectors. Counts no further than that, and not at all if Postgres's
/// estimate is far lower.
fn has_rows(
    vectorizer: &Vectorizer,
    when: &When,
    estimate: Option<f64>,
    ask: Ask<'_>,
) -> Result<bool, PgError> {
    if when.min_rows <= 0 {
        return Ok(true);
    }
    if estimate.is_some_and(|rows| rows * DOUBT < f64::from(when.min_rows)) {
        return Ok(false);
    }
    let rows = when.min_rows;
    let (table, column) = vectorizer.vectors();
    let embedded = format!("SELECT FROM {table} WHERE {} IS NOT NULL LIMIT {rows}", ident(column));
    ask(&format!("SELECT count(*) = {rows} FROM ({embedded}) AS counted"))
}

fn yes(question: &str) -> Result<bool, PgError> {
    let answer = sql::read(question, &[], |row| row.get::<bool>(1))?;
    Ok(answer.first().copied().unwrap_or_default())
}
