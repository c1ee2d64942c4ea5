//! Schedules of vectorizers. A vectorizer with a schedule is worked on from each of its times until its queue
//! is empty.
//!
//! This does what TimescaleDB's jobs do for pgai, without TimescaleDB. With `initial_start`, times are that
//! one and whole intervals after it, in local time if the interval is a day or more. Without it, times count
//! from when the worker first sees the vectorizer. With `fixed_schedule => false` an interval begins when a
//! run ends.
//!
//! An invalid schedule is refused when it is declared. The worker checks it again because older versions
//! accepted more.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::{Scheduling, Timetable};

use crate::pg::error::PgError;
use crate::pg::interval;
use crate::pg::sql;

/// The shortest rest between two runs.
const SHORTEST: Duration = Duration::from_millis(100);

/// The times at which a vectorizer is worked on.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// The vectorizer is worked on whenever there is work.
    Always,
    /// The vectorizer is worked on by the clock.
    ByClock(Clock),
}

/// A schedule, and the vectorizer's current position in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    timetable: Timetable,
    /// The time from which intervals count, in seconds since 1970; `None` before it is known.
    start: Option<f64>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Unknown,
    Running,
    Resting(Instant),
}

/// Returns the milliseconds until the next time, in constant time however long ago the first was. `$1`: the
/// interval, `$2`: the start in seconds since 1970 or NULL for now, `$3`: the time zone or NULL for the
/// session's.
///
/// Intervals of a day and more vary in length. Their mean gives the number of intervals that have passed to
/// within a few; the numbers around it are tried.
const NEXT: &str = "
    WITH schedule AS (
        SELECT $1::interval AS every, coalesce(to_timestamp($2), clock_timestamp()) AS start,
               coalesce($3, current_setting('TimeZone')) AS zone, clock_timestamp() AS now
    ), lengths AS (
        SELECT s.*, extract(epoch FROM s.every) >= 86400 AS by_days, extract(epoch FROM s.now - s.start) AS passed,
               (extract(year FROM s.every) * 12 + extract(month FROM s.every)) * 2629746
                   + extract(day FROM s.every) * 86400 + extract(hour FROM s.every) * 3600
                   + extract(minute FROM s.every) * 60 + extract(second FROM s.every) AS mean
        FROM schedule s
    ), times AS (
        SELECT l.now, (l.start AT TIME ZONE l.zone + l.every * k) AT TIME ZONE l.zone AS time
        FROM (SELECT l.*, greatest(floor(l.passed / l.mean), 0)::int8 AS n FROM lengths l WHERE l.by_days) l
        CROSS JOIN LATERAL generate_series(greatest(l.n - 4, 0), l.n + 5) AS k
    )
    SELECT ceil(1000 * CASE
        WHEN l.by_days THEN (SELECT extract(epoch FROM min(t.time - t.now)) FROM times t WHERE t.time > t.now)
        WHEN l.passed < 0 THEN -l.passed
        ELSE l.mean - l.passed % l.mean END)::int8
    FROM lengths l";

impl Schedule {
    /// Returns the schedule that a vectorizer's `scheduling` config asks for.
    pub fn of(scheduling: &Scheduling) -> Self {
        match scheduling {
            Scheduling::None => Schedule::Always,
            Scheduling::Timescaledb(timetable) => {
                let timetable = timetable.clone();
                Schedule::ByClock(Clock { timetable, start: None, phase: Phase::Unknown })
            }
        }
    }

    /// Errors unless the schedule always has a next time. It must be called within a transaction.
    pub fn require_times(mut self) -> Result<(), PgError> {
        self.begin()?;
        self.end_run().map(drop)
    }

    /// Returns `known`, with its position, if its config is the same; else `self`.
    pub fn or_known(self, known: Option<&Schedule>) -> Self {
        match (&self, known) {
            (Schedule::ByClock(fresh), Some(Schedule::ByClock(known)))
                if fresh.timetable == known.timetable =>
            {
                Schedule::ByClock(known.clone())
            }
            _ => self,
        }
    }

    /// Returns whether the first time is known.
    pub fn has_begun(&self) -> bool {
        !matches!(self, Schedule::ByClock(Clock { phase: Phase::Unknown, .. }))
    }

    /// Determines the first time. It must be called within a transaction, as the vectorizer's owner. Errors
    /// if the schedule is invalid.
    pub fn begin(&mut self) -> Result<(), PgError> {
        match self {
            Schedule::ByClock(clock) if clock.phase == Phase::Unknown => clock.begin(),
            _ => Ok(()),
        }
    }

    /// Returns how long the vectorizer still rests, or `None` if it may run now. It must be called after
    /// [`begin`](Self::begin).
    pub fn rest(&mut self) -> Option<Duration> {
        let Schedule::ByClock(clock) = self else { return None };
        let Phase::Resting(until) = clock.phase else { return None };
        let left = until.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            return Some(left);
        }
        clock.phase = Phase::Running;
        None
    }

    /// Returns whether the vectorizer still rests.
    pub fn is_resting(&self) -> bool {
        let Schedule::ByClock(clock) = self else { return false };
        matches!(clock.phase, Phase::Resting(until) if until > Instant::now())
    }

    /// Ends the vectorizer's rest, whatever the clock says. It must be called after [`begin`](Self::begin).
    pub fn run(&mut self) {
        if let Schedule::ByClock(clock) = self {
            clock.phase = Phase::Running;
        }
    }

    /// Ends a run because the queue is empty. Returns the time until the next run, or `None` without a
    /// schedule. It must be called within a transaction, as the vectorizer's owner.
    pub fn end_run(&mut self) -> Result<Option<Duration>, PgError> {
        let Schedule::ByClock(clock) = self else { return Ok(None) };
        let start = if clock.timetable.fixed_schedule { clock.start } else { None };
        clock.rest_until_next(start).map(Some)
    }
}

impl Clock {
    fn begin(&mut self) -> Result<(), PgError> {
        self.require_valid()?;
        let Some(start) = self.timetable.initial_start.clone() else {
            self.start = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64());
            self.phase = Phase::Running;
            return Ok(());
        };
        let seconds = "SELECT extract(epoch FROM $1::timestamptz)::float8";
        self.start = sql::read(seconds, &[start.into()], |row| row.get::<f64>(1))?.into_iter().next();
        self.rest_until_next(self.start).map(drop)
    }

    fn rest_until_next(&mut self, start: Option<f64>) -> Result<Duration, PgError> {
        let Timetable { schedule_interval, timezone, .. } = &self.timetable;
        let args = [schedule_interval.clone().into(), start.into(), timezone.clone().into()];
        let found = sql::read(NEXT, &args, |row| row.get::<i64>(1))?;
        let left = found.first().map_or(0, |ms| ms.unsigned_abs());
        let left = Duration::from_millis(left).max(SHORTEST);
        self.phase = Instant::now().checked_add(left).map_or(Phase::Running, Phase::Resting);
        Ok(left)
    }

    /// Errors unless Postgres can calculate with the interval, the start and the time zone.
    fn require_valid(&self) -> Result<(), PgError> {
        let Some(interval) = &self.timetable.schedule_interval else {
            return Err(invalid("scheduling_timescaledb needs a schedule_interval"));
        };
        interval::require_bounded("schedule_interval", interval).map_err(|error| error.with_hint(HINT))?;

        if let Some(start) = self.timetable.initial_start.clone() {
            let bounded =
                "SELECT $1::timestamptz >= '0001-01-01 UTC' AND $1::timestamptz < '10000-01-01 UTC'";
            if sql::read(bounded, &[start.into()], |row| row.get::<bool>(1))?.first() != Some(&true) {
                return Err(invalid("initial_start must be a time of the years 1 to 9999"));
            }
        }
        // One that there is not is Postgres's error.
        if let Some(zone) = self.timetable.timezone.clone() {
            sql::read("SELECT pg_catalog.now() AT TIME ZONE $1", &[zone.into()], |_| Ok(()))?;
        }
        Ok(())
    }
}

/// The hint for an invalid schedule.
const HINT: &str = "Give one such as '5 minutes'; ai.set_scheduling() changes the schedule.";

fn invalid(message: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message).with_hint(HINT)
}
