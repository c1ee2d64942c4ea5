//! When an index is due: decided by the database's worker, when it has nothing better to do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::indexing::When;

use super::definition::{self, Definition};
use super::{existing, Order, BUILDER_TYPE};
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::{self, ident};
use crate::pg::transaction::transaction;
use crate::queue::served::Served;
use crate::queue::spi::SpiQueue;

/// First and longest pause before a build that failed is tried again. In between it is at least as
/// long as the try took.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), LONGEST_BACKOFF);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3_600);

/// Shortest time between two looks; what a look took times [`REST`], if that is more.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counting rows takes no more than one part in so many of the worker's time.
const REST: u32 = 100;

/// How far Postgres's estimate may be off before rows are not even counted.
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

/// A builder at work.
struct Building {
    vectorizer: i32,
    since: Instant,
    process: DynamicBackgroundWorker,
}

#[derive(Default)]
struct Builds {
    tries: HashMap<i32, Tries>,
    building: Option<Building>,
    next_look: Option<Instant>,
}

thread_local! {
    /// Here so that the end of the process finds it, wherever it comes from.
    static BUILDS: RefCell<Builds> = RefCell::default();
}

/// Starts the builder of an index that is due, one at a time. Answers in how long it wants to look
/// again, if the worker is not woken before. To be called outside a transaction.
pub fn look(queue: &SpiQueue) -> Option<Duration> {
    BUILDS.with_borrow_mut(|builds| builds.look(queue))
}

/// Whether an index is being built, which would have to begin anew with another worker.
pub fn is_building() -> bool {
    BUILDS.with_borrow_mut(|builds| {
        builds.settle_ended();
        builds.building.is_some()
    })
}

/// Ends the builder with the worker, and so before what the worker gets out of the way of.
pub fn end_builder() {
    let building =
        BUILDS.with(|builds| builds.try_borrow_mut().ok().and_then(|mut builds| builds.building.take()));
    if let Some(building) = building {
        building.process.terminate();
    }
}

impl Builds {
    fn look(&mut self, queue: &SpiQueue) -> Option<Duration> {
        self.settle_ended();
        // The builder's end wakes this process.
        if self.building.is_some() {
            return None;
        }
        if let Some(left) = self.next_look.and_then(left) {
            return Some(left);
        }
        let began = Instant::now();
        let next = queue
            .served_all()
            .filter(|served| !served.rests())
            .filter_map(|served| self.look_at(served))
            .min();
        self.next_look = Some(Instant::now() + INTERVAL.max(began.elapsed() * REST));
        next
    }

    /// A builder says nothing but that it has ended: whether its index is there the next look sees.
    fn settle_ended(&mut self) {
        let ended = |b: &Building| matches!(b.process.pid(), Err(BackgroundWorkerStatus::Stopped));
        if !self.building.as_ref().is_some_and(ended) {
            return;
        }
        if let Some(building) = self.building.take() {
            self.back_off(building.vectorizer, building.since.elapsed());
            self.next_look = None;
        }
    }

    fn back_off(&mut self, vectorizer: i32, took: Duration) {
        let tries = self.tries.entry(vectorizer).or_default();
        let pause = tries.backoff.grow().max(took).min(LONGEST_BACKOFF);
        tries.not_before = Some(Instant::now() + pause);
    }

    /// Answers in how long this vectorizer wants another look, if it is waiting for a time.
    fn look_at(&mut self, served: &Served) -> Option<Duration> {
        let id = served.vectorizer.id;
        if self.building.is_some() {
            return None;
        }
        if let Some(left) = self.tries.get(&id).and_then(|tries| tries.not_before).and_then(left) {
            return Some(left);
        }
        let ask = |question: &str| served.as_owner(|| yes(question));
        match transaction(|| state(&served.vectorizer, &ask)) {
            Ok(State::Settled) => drop(self.tries.remove(&id)),
            Ok(State::NotYet) => {}
            Ok(State::Due) => self.start(served),
            Err(error) => {
                // Who has locked the tables stops the queue, which says so; the index can wait.
                if error.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
                    pgrx::warning!("vectorizer {} can't look for its index: {error}", served.vectorizer.name);
                }
                self.back_off(id, Duration::ZERO);
            }
        }
        self.tries.get(&id).and_then(|tries| tries.not_before).and_then(left)
    }

    fn start(&mut self, served: &Served) {
        let (vectorizer, owner) = (served.vectorizer.id, served.vectorizer.owner);
        // SAFETY: reads variables of this process.
        let (database, pid) = unsafe { (pg_sys::MyDatabaseId, pg_sys::MyProcPid) };
        let order = Order { vectorizer, database, owner };
        match order.process().set_notify_pid(pid).load_dynamic() {
            Ok(process) => self.building = Some(Building { vectorizer, since: Instant::now(), process }),
            Err(_) => {
                self.back_off(vectorizer, Duration::ZERO);
                ErrorReport::new(
                    PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                    format!("no background worker slot is free for the index of {}", served.vectorizer.name),
                    "",
                )
                .set_hint("Raise max_worker_processes.")
                .report(PgLogLevel::WARNING);
            }
        }
    }
}

/// How long it is until then, if it is not over.
fn left(until: Instant) -> Option<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (left > Duration::ZERO).then_some(left)
}

enum State {
    /// There is one, or none is wanted.
    Settled,
    /// Too few rows, work that waits, or somebody else who builds.
    NotYet,
    Due,
}

/// Puts a question to the database as the vectorizer's owner.
type Ask<'a> = &'a dyn Fn(&str) -> Result<bool, PgError>;

/// Whether a vectorizer's index would be built now.
pub fn is_due(vectorizer: &Vectorizer) -> Result<bool, PgError> {
    let ask = |question: &str| as_user(vectorizer.owner, || yes(question));
    Ok(matches!(state(vectorizer, &ask)?, State::Due))
}

fn state(vectorizer: &Vectorizer, ask: Ask<'_>) -> Result<State, PgError> {
    let indexing = definition::wanted(vectorizer)?;
    let (Some(when), Some(index)) = (indexing.when(), Definition::of(vectorizer)?) else {
        return Ok(State::Settled);
    };
    let Some(store) = as_superuser(|| existing::look(&index))? else { return Ok(State::Settled) };
    if store.indexed {
        return Ok(State::Settled);
    }
    if store.being_built || as_superuser(another_builder)? {
        return Ok(State::NotYet);
    }
    // It was due once, and is of no use to anybody as it is.
    if store.left_over
        || (!waits_for_queue(vectorizer, when, ask)? && has_rows(vectorizer, when, store.estimate, ask)?)
    {
        return Ok(State::Due);
    }
    Ok(State::NotYet)
}

/// Whether one is at work that this process does not know: its worker has just ended.
fn another_builder() -> Result<bool, PgError> {
    let found = sql::read(
        "SELECT FROM pg_catalog.pg_stat_activity
         WHERE backend_type = $1 AND datname = pg_catalog.current_database()",
        &[BUILDER_TYPE.to_owned().into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}

fn waits_for_queue(vectorizer: &Vectorizer, when: &When, ask: Ask<'_>) -> Result<bool, PgError> {
    if !when.create_when_queue_empty {
        return Ok(false);
    }
    let (inbox, work) = (&vectorizer.queue.inbox, &vectorizer.queue.work);
    ask(&format!("SELECT EXISTS (SELECT FROM {inbox}) OR EXISTS (SELECT FROM {work})"))
}

/// Whether there are `min_rows` vectors, counting no further; and not at all where Postgres's estimate
/// is far below.
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
    let ((table, column), rows) = (vectorizer.vectors(), when.min_rows);
    let embedded = format!("SELECT FROM {table} WHERE {} IS NOT NULL LIMIT {rows}", ident(column));
    ask(&format!("SELECT count(*) = {rows} FROM ({embedded}) AS counted"))
}

fn yes(question: &str) -> Result<bool, PgError> {
    let answer = sql::read(question, &[], |row| row.get::<bool>(1))?;
    Ok(answer.first().copied().unwrap_or_default())
}
