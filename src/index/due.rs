//! Decides when an index is due; the database's worker does so when it has no other work.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::config::indexing::When;

use super::builders::{Builders, NoPlace};
use super::definition::{self, IndexDefinition};
use super::pauses::Pauses;
use super::{BUILDER_TYPE, Order, existing};
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::sql::{self, ident};
use crate::pg::transaction::transaction;
use crate::pg::turn;
use crate::queue::active::Active;
use crate::queue::spi::SpiQueue;
use crate::shared;

/// First and longest pause before a failed build is retried. The pause is at least as long as the attempt
/// took, but no longer than the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), LONGEST_BACKOFF);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3_600);

/// Minimum time between two checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Interval at which the worker checks whether builders are waiting, so that others can be started.
const LOOK_AT_WAITING: Duration = Duration::from_secs(1);

/// Divisor: checking an owner's vectorizers takes at most this fraction of the worker's time.
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

/// The pause before another attempt to start a builder for which no background worker was free.
const NO_PROCESS_PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Builds {
    tries: HashMap<i32, Tries>,
    builders: Builders,
    /// The vectorizers for whose builders no background worker was free at the last attempt.
    no_process: HashSet<i32>,
    /// The time at which each vectorizer was checked last.
    looked: HashMap<i32, Instant>,
    /// The pauses of vectorizers whose indexes were not due.
    pauses: Pauses,
    /// The times before which the vectorizers of an owner are not checked again.
    rests: HashMap<pg_sys::Oid, Instant>,
    next_look: Option<Instant>,
}

thread_local! {
    /// A static, so that every exit of the process can reach it.
    static BUILDS: RefCell<Builds> = RefCell::default();
}

/// Starts builders for indexes that are due, as far as there are places ([`Builders`]). Returns the time until
/// the next check, if the worker is not woken before; `None` if no check is planned. Must be called outside a
/// transaction.
pub fn look(queue: &mut SpiQueue) -> Option<Duration> {
    BUILDS.with_borrow_mut(|builds| {
        let next = builds.look(queue);
        if !builds.no_process.is_empty() {
            let served: HashSet<i32> = queue.active().map(|active| active.vectorizer.id).collect();
            builds.no_process.retain(|id| served.contains(id));
        }
        queue.no_builder(&builds.no_process);
        next
    })
}

/// Returns whether an index is being built, which a new worker would have to start again.
pub fn is_building() -> bool {
    BUILDS.with_borrow_mut(|builds| {
        builds.settle_ended();
        !builds.builders.is_empty()
    })
}

/// Terminates the builders together with the worker, so that they do not block what the worker makes way for.
pub fn end_builders() {
    BUILDS.with(|builds| {
        if let Ok(mut builds) = builds.try_borrow_mut() {
            builds.builders.end_all();
        }
    });
}

impl Builds {
    fn look(&mut self, queue: &SpiQueue) -> Option<Duration> {
        self.settle_ended();
        if let Some(left) = self.next_look.and_then(left) {
            return Some(left);
        }
        if let Err(error) = self.builders.check() {
            pgrx::warning!("pgai_rs worker could not check its index builders: {error}");
            return Some(LOOK_AT_WAITING);
        }
        // This process is woken when a builder ends. One that is wanted for another database begins nothing.
        if self.builders.is_full() || shared::is_to_leave(this_database()) {
            return None;
        }

        // Those come first that were checked longest ago, for an owner's time may not be enough for all.
        let may_be_due =
            |active: &&Active| !queue.has_claimed(active.vectorizer.id) || !waits_for_all(active);
        let mut candidates: Vec<&Active> = queue.active().filter(may_be_due).collect();
        candidates.sort_by_cached_key(|active| {
            let looked = self.looked.get(&active.vectorizer.id).copied();
            (self.builders.turn(active.vectorizer.owner), looked)
        });
        let next = self.look_at_all(&candidates);

        self.next_look = Some(Instant::now() + INTERVAL);
        let at_waiting = self.builders.any_waits().then_some(LOOK_AT_WAITING);
        next.into_iter().chain(at_waiting).min()
    }

    /// Checks vectorizers in this order, as far as their owners' time allows. Returns the time until the next check,
    /// if one is planned.
    fn look_at_all(&mut self, candidates: &[&Active]) -> Option<Duration> {
        let mut next = None;
        let mut spent: HashMap<pg_sys::Oid, Duration> = HashMap::new();
        for active in candidates {
            let began = Instant::now();
            let again = self.look_in_time(active);
            *spent.entry(active.vectorizer.owner).or_default() += began.elapsed();
            next = next.into_iter().chain(again).min();
        }

        for (owner, time) in spent {
            let rest = time * REST;
            if rest > INTERVAL {
                self.rests.insert(owner, Instant::now() + rest);
            }
        }
        next
    }

    /// Removes the builders that have ended. The next check finds out whether their indexes exist.
    fn settle_ended(&mut self) {
        for ended in self.builders.take_ended() {
            self.back_off(ended.vectorizer, ended.took);
            self.next_look = None;
        }
    }

    fn back_off(&mut self, vectorizer: i32, took: Duration) {
        let tries = self.tries.entry(vectorizer).or_default();
        let pause = tries.backoff.grow().max(took).min(LONGEST_BACKOFF);
        tries.not_before = Some(Instant::now() + pause);
    }

    /// Checks one vectorizer, unless its owner's vectorizers have taken too much time to check. Returns the time
    /// until the next check, if one is planned.
    fn look_in_time(&mut self, active: &Active) -> Option<Duration> {
        let owner = active.vectorizer.owner;
        if active.rests() || turn::left(owner).is_some() {
            return None;
        }
        let id = active.vectorizer.id;
        let rest = self.rests.get(&owner).copied().and_then(left).or_else(|| self.pauses.left(id));
        if rest.is_some() {
            return rest;
        }

        self.looked.insert(id, Instant::now());
        self.look_at(active)
    }

    /// Checks one vectorizer and starts its builder if its index is due. Returns the time until the next
    /// check, if one is planned.
    fn look_at(&mut self, active: &Active) -> Option<Duration> {
        let id = active.vectorizer.id;
        if self.builders.has(id) || !self.builders.may_start(active.vectorizer.owner) {
            return None;
        }
        if let Some(left) = self.tries.get(&id).and_then(|tries| tries.not_before).and_then(left) {
            return Some(left);
        }

        let ask = |question: &str| active.as_owner(|| sql::yes(question));
        let own = self.builders.processes();
        match transaction(|| match state(&active.vectorizer, &ask)? {
            IndexState::Due if as_superuser(|| another_builder(&own))? => Ok(IndexState::NotYet),
            state => Ok(state),
        }) {
            Ok(IndexState::Settled) => {
                self.tries.remove(&id);
                self.no_process.remove(&id);
                self.pauses.begin(id);
            }
            Ok(IndexState::TooFew) => {
                self.no_process.remove(&id);
                self.pauses.begin(id);
            }
            Ok(IndexState::NotYet) => {
                self.no_process.remove(&id);
                self.pauses.end(id);
            }
            Ok(IndexState::Due) => {
                self.pauses.end(id);
                self.start(active);
            }
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
        match self.builders.make_place() {
            Ok(Some(ended)) => self.back_off(ended.vectorizer, ended.took),
            Ok(None) => {}
            Err(NoPlace) => return,
        }

        // SAFETY: reads a variable of this process.
        let database = unsafe { pg_sys::MyDatabaseId };
        let order = Order { vectorizer, database, owner: active.vectorizer.owner };
        if self.builders.start(order) {
            self.no_process.remove(&vectorizer);
            return;
        }

        self.tries.entry(vectorizer).or_default().not_before = Some(Instant::now() + NO_PROCESS_PAUSE);
        if self.no_process.insert(vectorizer) {
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

/// Returns the time until then; `None` if it has passed.
fn left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (left > Duration::ZERO).then_some(left)
}

enum IndexState {
    /// There is an index, or none is wanted.
    Settled,
    /// There are too few rows.
    TooFew,
    /// Some rows are pending, or another process is building.
    NotYet,
    /// There are enough rows, and none is pending.
    Due,
}

/// Runs a query with a boolean result as the vectorizer's owner.
type Ask<'a> = &'a dyn Fn(&str) -> Result<bool, PgError>;

/// Returns whether a vectorizer's index would be built now, if there is a place for the build.
pub fn is_due(vectorizer: &Vectorizer) -> Result<bool, PgError> {
    let ask =
        |question: &str| as_user_on(vectorizer.owner, &vectorizer.relations.oids(), || sql::yes(question));
    Ok(matches!(state(vectorizer, &ask)?, IndexState::Due))
}

/// Returns whether a vectorizer has its index, or needs none for as many rows as it has.
pub fn is_settled(vectorizer: &Vectorizer) -> Result<bool, PgError> {
    let ask =
        |question: &str| as_user_on(vectorizer.owner, &vectorizer.relations.oids(), || sql::yes(question));
    Ok(matches!(state(vectorizer, &ask)?, IndexState::Settled | IndexState::TooFew))
}

fn state(vectorizer: &Vectorizer, ask: Ask<'_>) -> Result<IndexState, PgError> {
    let indexing = definition::wanted(vectorizer)?;
    let (Some(when), Some(index)) = (indexing.when(), IndexDefinition::of(vectorizer)?) else {
        return Ok(IndexState::Settled);
    };

    let Some(store) = as_superuser(|| existing::look(&index))? else { return Ok(IndexState::Settled) };
    if store.indexed {
        return Ok(IndexState::Settled);
    }
    if store.being_built {
        return Ok(IndexState::NotYet);
    }

    // An invalid index shows that it was due before.
    if store.left_over {
        return Ok(IndexState::Due);
    }
    if has_far_too_few(when, store.estimate) {
        return Ok(IndexState::TooFew);
    }
    if waits_for_queue(vectorizer, when, ask)? {
        return Ok(IndexState::NotYet);
    }
    Ok(if has_rows(vectorizer, when, ask)? { IndexState::Due } else { IndexState::TooFew })
}

/// Returns whether the index of a vectorizer is not built before all of its rows are embedded.
fn waits_for_all(active: &Active) -> bool {
    let indexing = definition::wanted(&active.vectorizer);
    indexing.is_ok_and(|indexing| indexing.when().is_some_and(|when| when.create_when_queue_empty))
}

/// Returns whether Postgres's estimate of the rows is so low that they need not be counted.
fn has_far_too_few(when: &When, estimate: Option<f64>) -> bool {
    estimate.is_some_and(|rows| rows * DOUBT < f64::from(when.min_rows))
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

/// Returns whether there are `min_rows` vectors. Counts no further than that.
fn has_rows(vectorizer: &Vectorizer, when: &When, ask: Ask<'_>) -> Result<bool, PgError> {
    if when.min_rows <= 0 {
        return Ok(true);
    }
    let rows = when.min_rows;
    let (table, column) = vectorizer.vectors();
    let embedded = format!("SELECT FROM {table} WHERE {} IS NOT NULL LIMIT {rows}", ident(column));
    ask(&format!("SELECT count(*) = {rows} FROM ({embedded}) AS counted"))
}
