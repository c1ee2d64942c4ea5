//! The worker's knowledge of each vectorizer: its counts since they were last written, and what stops it.
//! [`heartbeat`](crate::worker::heartbeat) writes it where users see it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use pgai_rs_pipeline::document::{Failed, Vectorizer};
use pgai_rs_pipeline::failure::{Failure, Retry, Scope, Step};

use crate::pg::error::PgError;

/// The kind of a vectorizer's stop, a value of `ai.vectorizer_health.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The worker can't take it up because something about it is invalid.
    NotServed,
    /// Statements on its queue or its source fail.
    Paused,
    /// The model's provider refuses requests, or asks for fewer.
    WaitingForProvider,
    /// S3 refuses requests, or asks for fewer.
    WaitingForStorage,
    /// A quota or a budget is used up.
    AtLimit,
    /// All rows that were tried have failed.
    Failing,
    /// It rests by its schedule.
    Scheduled,
    /// There is no process to build its index. Its rows are processed meanwhile.
    NoBuilder,
    /// Words can't be added to older chunks. Its rows are processed meanwhile.
    LacksWords,
    /// Existing rows wait for the provider's batch API. Others are processed meanwhile.
    WaitingForBatch,
}

impl Stop {
    /// Returns the value that is stored.
    pub fn name(self) -> &'static str {
        match self {
            Stop::NotServed => "not_served",
            Stop::Paused => "paused",
            Stop::WaitingForProvider => "waiting_for_provider",
            Stop::WaitingForStorage => "waiting_for_storage",
            Stop::AtLimit => "at_limit",
            Stop::Failing => "failing",
            Stop::Scheduled => "scheduled",
            Stop::NoBuilder => "no_builder",
            Stop::LacksWords => "lacks_words",
            Stop::WaitingForBatch => "waiting_for_batch",
        }
    }

    fn waits(self) -> bool {
        matches!(self, Stop::WaitingForProvider | Stop::WaitingForStorage | Stop::AtLimit)
    }
}

/// The reason for a stop, and its duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The kind of stop.
    pub stop: Stop,
    /// A failure's code, or an SQLSTATE.
    pub code: String,
    /// A message.
    pub message: String,
    /// A hint for people.
    pub hint: Option<String>,
    /// The time at which the stop began.
    pub since: SystemTime,
    /// The time of the next attempt; `None` if it is not known.
    pub until: Option<SystemTime>,
}

/// Returns a hint for a missing right, because Postgres does not say whose it is; `None` for other errors.
fn right_hint(error: &PgError) -> Option<String> {
    (error.sqlstate() == "42501").then(|| {
        "Grant it to the owner of the vectorizer's source, with whose rights the worker does its work."
            .to_owned()
    })
}

impl Condition {
    fn of_error(stop: Stop, error: &PgError, pause: Option<Duration>) -> Self {
        let now = SystemTime::now();
        Condition {
            stop,
            code: error.sqlstate(),
            message: error.to_string(),
            hint: error.hint.clone().or_else(|| right_hint(error)),
            since: now,
            until: pause.map(|pause| now + pause),
        }
    }

    fn of_failure(stop: Stop, failure: &Failure, pause: Option<Duration>) -> Self {
        let now = SystemTime::now();
        Condition {
            stop,
            code: failure.code.to_owned(),
            message: failure.to_string(),
            hint: failure.hint.clone(),
            since: now,
            until: pause.map(|pause| now + pause),
        }
    }

    fn no_builder() -> Self {
        Condition {
            stop: Stop::NoBuilder,
            code: "no_builder".to_owned(),
            message: "no background worker slot is free for a process that would build its index".to_owned(),
            hint: Some(
                "Increase max_worker_processes and restart the server. Its rows are processed meanwhile."
                    .to_owned(),
            ),
            since: SystemTime::now(),
            until: None,
        }
    }

    /// Returns whether it keeps rows from being processed.
    fn stops_rows(&self) -> bool {
        !matches!(self.stop, Stop::NoBuilder | Stop::LacksWords | Stop::WaitingForBatch)
    }

    /// Returns whether the cause is the same, so that `since` is kept and nothing is logged. A wait for a
    /// provider or for S3 may show in several ways.
    fn is_same(&self, other: &Condition) -> bool {
        self.stop == other.stop
            && (self.stop.waits()
                || self.stop == Stop::WaitingForBatch
                || (&self.code, &self.message) == (&other.code, &other.message))
    }
}

/// The condition of a vectorizer, and its counts since they were last written.
#[derive(Debug, Default)]
pub struct Record {
    /// The reason for its stop; `None` if it works.
    pub condition: Option<Condition>,
    /// True if `condition` is to be written.
    pub changed: bool,
    /// The number of rows that succeeded.
    pub successes: i32,
    /// The number of chunks that these rows have.
    pub chunks: u64,
    /// The number of failed attempts at rows.
    pub errors: i32,
    /// The last of the failures.
    pub last_error: Option<Condition>,
}

/// The conditions of all vectorizers of this database.
#[derive(Debug, Default)]
pub struct Conditions {
    pub(super) records: HashMap<i32, Record>,
}

impl Conditions {
    /// Records that a vectorizer can't be taken up, or not before `pause` is over. Returns whether that is new.
    pub fn not_served(&mut self, id: i32, error: &PgError, pause: Option<Duration>) -> bool {
        self.stop(id, Condition::of_error(Stop::NotServed, error, pause))
    }

    /// Records that a vectorizer was taken up.
    pub fn taken_up(&mut self, id: i32, name: &str) {
        self.go_on(id, name, |stop| stop == Stop::NotServed);
    }

    /// Records that a vectorizer pauses after an error of its queue. Returns whether that is new.
    pub fn paused(&mut self, id: i32, error: &PgError, pause: Option<Duration>) -> bool {
        self.stop(id, Condition::of_error(Stop::Paused, error, pause))
    }

    /// Records that a vectorizer's queue can be read and claimed from.
    pub fn resumed(&mut self, id: i32, name: &str) {
        self.go_on(id, name, |stop| stop == Stop::Paused);
    }

    /// Records that a vectorizer rests by its schedule for the time `left`.
    pub fn scheduled(&mut self, id: i32, left: Duration) {
        let now = SystemTime::now();
        let record = self.records.entry(id).or_default();
        // What stopped it in its last run is still what a person has to know.
        if let Some(known) = record.condition.as_mut().filter(|known| known.stops_rows()) {
            if known.until.is_none() {
                known.until = now.checked_add(left);
                record.changed = true;
            }
            return;
        }

        self.stop(
            id,
            Condition {
                stop: Stop::Scheduled,
                code: "scheduled".to_owned(),
                message: "it waits for the next time of its schedule".to_owned(),
                hint: Some("Use ai.set_scheduling() to change the schedule.".to_owned()),
                since: now,
                until: now.checked_add(left),
            },
        );
    }

    /// Records that the schedule allows a vectorizer to run now.
    pub fn awake(&mut self, id: i32) {
        if let Some(record) = self.records.get_mut(&id)
            && record.condition.as_ref().is_some_and(|condition| condition.stop == Stop::Scheduled)
        {
            record.condition = None;
            record.changed = true;
        }
    }

    /// Counts rows that succeeded, with so many chunks, and ends the stops `Paused` and `Failing`. Waits for providers and S3 go on,
    /// because other rows may still need them.
    pub fn succeeded(&mut self, id: i32, name: &str, rows: usize, chunks: usize) {
        if rows == 0 {
            return;
        }
        let record = self.records.entry(id).or_default();
        record.successes = record.successes.saturating_add(i32::try_from(rows).unwrap_or(i32::MAX));
        record.chunks = record.chunks.saturating_add(chunks as u64);
        self.go_on(id, name, |stop| matches!(stop, Stop::Paused | Stop::Failing));
    }

    /// Counts rows that failed, for reasons of their own or for reasons that would stop the others as well.
    pub fn failed(&mut self, id: i32, failed: &[Failed]) {
        // Those that wait for a batch have not failed.
        let failed = failed.iter().filter(|failed| !matches!(failed.failure.retry, Retry::Until(_)));
        for Failed { failure, .. } in failed {
            let record = self.records.entry(id).or_default();
            record.errors = record.errors.saturating_add(1);
            record.last_error = Some(Condition::of_failure(Stop::Failing, failure, None));
        }
    }

    /// Records what vectorizers wait for now, and until when, and ends the waits of all others. `name`
    /// returns a vectorizer's name.
    pub fn waiting<'a>(
        &mut self,
        waits: impl Iterator<Item = (&'a Vectorizer, &'a Failure, Instant)>,
        name: impl Fn(i32) -> String,
    ) {
        let mut waiting = HashSet::new();
        for (vectorizer, failure, until) in waits {
            let Some(stop) = stop_of(failure) else { continue };
            waiting.insert(vectorizer.id);
            // What keeps it from even being looked at is more to the point.
            let known = self.records.get(&vectorizer.id).and_then(|record| record.condition.as_ref());
            if known.is_some_and(|known| matches!(known.stop, Stop::NotServed | Stop::Paused)) {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            let pause = Some(left).filter(|left| !left.is_zero());
            if self.stop(vectorizer.id, Condition::of_failure(stop, failure, pause)) {
                pgrx::log!("vectorizer \"{}\" is waiting: {failure}", vectorizer.name);
            }
        }

        self.end(name, |id, stop| stop.waits() && !waiting.contains(&id));
    }

    /// Records for which vectorizers there is no process to build their index, and ends that condition for all
    /// others. `name` returns a vectorizer's name.
    pub fn no_builder(&mut self, waiting: &HashSet<i32>, name: impl Fn(i32) -> String) {
        for id in waiting {
            // What stops its rows is more to the point.
            if self.records.get(id).is_none_or(|record| record.condition.is_none()) {
                self.stop(*id, Condition::no_builder());
            }
        }

        self.end(name, |id, stop| stop == Stop::NoBuilder && !waiting.contains(&id));
    }

    /// Records that words can't be added to chunks of a vectorizer, and until when it is not tried again. Returns whether that
    /// is new.
    pub fn lacks_words(&mut self, id: i32, error: &PgError, pause: Option<Duration>) -> bool {
        // What stops its rows is more to the point.
        let known = self.records.get(&id).and_then(|record| record.condition.as_ref());
        if known.is_some_and(|known| known.stop != Stop::LacksWords) {
            return false;
        }
        self.stop(id, Condition::of_error(Stop::LacksWords, error, pause))
    }

    /// Records that all chunks of a vectorizer have words.
    pub fn has_words(&mut self, id: i32, name: &str) {
        self.go_on(id, name, |stop| stop == Stop::LacksWords);
    }

    /// Ends the conditions of vectorizers that were dropped or disabled, for which `stays` is false.
    pub fn retain(&mut self, stays: impl Fn(i32) -> bool) {
        for (id, record) in &mut self.records {
            if !stays(*id) && record.condition.take().is_some() {
                record.changed = true;
            }
        }
    }

    /// Returns whether a stop, or its end, has not been written.
    pub fn changed(&self) -> bool {
        self.records.values().any(|record| record.changed)
    }

    /// Marks vectorizers without a condition as failing if their attempts since the last call have all failed.
    /// It is called once per heartbeat interval.
    pub fn judge(&mut self) {
        for record in self.records.values_mut() {
            let only_errors = record.successes == 0 && record.errors > 0;
            let stopped = record.condition.as_ref().is_some_and(Condition::stops_rows);
            if let (false, true, Some(error)) = (stopped, only_errors, &record.last_error) {
                record.condition = Some(error.clone());
                record.changed = true;
            }
        }
    }

    /// Returns what is to be written, by vectorizer id.
    pub fn records(&self) -> impl Iterator<Item = (i32, &Record)> {
        self.records.iter().map(|(id, record)| (*id, record))
    }

    /// Records that the conditions were written.
    pub fn conditions_written(&mut self) {
        self.records.values_mut().for_each(|record| record.changed = false);
    }

    /// Records that the counts were written.
    pub fn counts_written(&mut self) {
        for record in self.records.values_mut() {
            (record.successes, record.chunks, record.errors, record.last_error) = (0, 0, 0, None);
        }
        self.records.retain(|_, record| record.condition.is_some() || record.changed);
    }

    /// Has all conditions written again, because the rows were deleted.
    pub fn write_anew(&mut self) {
        for record in self.records.values_mut() {
            record.changed |= record.condition.is_some();
        }
    }

    /// Records that something stops a vectorizer. Returns whether that is new.
    pub(super) fn stop(&mut self, id: i32, condition: Condition) -> bool {
        let record = self.records.entry(id).or_default();
        match &mut record.condition {
            Some(known) if known.is_same(&condition) => {
                if !is_about(known.until, condition.until) {
                    known.until = condition.until;
                    record.changed = true;
                }
                record.changed |= known.code != condition.code;
                known.code = condition.code;
                known.message = condition.message;
                known.hint = condition.hint;
                false
            }
            // What can't be worked on for another reason did not get as far as before.
            known => {
                *known = Some(condition);
                record.changed = true;
                true
            }
        }
    }

    /// Ends the stops that are over. `name` returns a vectorizer's name.
    pub(super) fn end(&mut self, name: impl Fn(i32) -> String, is_over: impl Fn(i32, Stop) -> bool) {
        let stopped = |(id, record): (&i32, &Record)| Some((*id, record.condition.as_ref()?.stop));
        let stopped: Vec<(i32, Stop)> = self.records.iter().filter_map(stopped).collect();
        for (id, _) in stopped.into_iter().filter(|(id, stop)| is_over(*id, *stop)) {
            self.go_on(id, &name(id), |_| true);
        }
    }

    fn go_on(&mut self, id: i32, name: &str, ends: impl Fn(Stop) -> bool) {
        let Some(record) = self.records.get_mut(&id) else { return };
        if record.condition.as_ref().is_some_and(|condition| ends(condition.stop)) {
            record.condition = None;
            record.changed = true;
            pgrx::log!("vectorizer \"{name}\" continues");
        }
    }
}

/// Returns whether two times look the same to a person: they are less than a second apart.
fn is_about(one: Option<SystemTime>, other: Option<SystemTime>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let apart = one.duration_since(other).unwrap_or_else(|error| error.duration());
            apart < Duration::from_secs(1)
        }
        (one, other) => one == other,
    }
}

/// Returns the kind of stop that such a failure causes, or `None` if the vectorizer does not count as
/// waiting.
fn stop_of(failure: &Failure) -> Option<Stop> {
    match (failure.scope, failure.step) {
        (Scope::Limit, _) => Some(Stop::AtLimit),
        (Scope::Store, _) | (Scope::Vectorizer, Step::Loading) => Some(Stop::WaitingForStorage),
        (Scope::Provider, _) | (Scope::Vectorizer, Step::Embedding) => Some(Stop::WaitingForProvider),
        (Scope::Row | Scope::Vectorizer, _) => None,
    }
}
