//! When a vectorizer is worked on that has a schedule: at each of its times until its queue is empty.
//!
//! What TimescaleDB's jobs do for pgai, without TimescaleDB: with `initial_start`, times are that and
//! whole intervals after it, in local time if they are days or more; without, they count from when the
//! worker first sees the vectorizer. With `fixed_schedule => false` an interval begins when a run ends.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::pg::error::PgError;
use crate::pg::sql;

/// When a vectorizer is worked on.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Whenever there is work.
    Always,
    /// By the clock.
    ByClock(Clock),
}

/// A schedule, and where in it the vectorizer is.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    config: Value,
    /// Where times count from, in seconds since 1970.
    start: Option<f64>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Unknown,
    Running,
    Resting(Instant),
}

/// Milliseconds to the next time. `$1` the interval, `$2` the start in seconds or NULL for now, `$3` the
/// zone or NULL. Intervals of a day and more are not all of one length: some whole numbers of them
/// around the quotient are tried.
const NEXT: &str = "
    WITH schedule AS (
        SELECT $1::interval AS every, coalesce(to_timestamp($2), clock_timestamp()) AS start,
               coalesce($3, current_setting('TimeZone')) AS zone, clock_timestamp() AS now
    ), passed AS (
        SELECT s.*, extract(epoch FROM s.every) >= 86400 AS by_days,
               greatest(floor(extract(epoch FROM s.now - s.start) / extract(epoch FROM s.every)), -1)::int8 AS n
        FROM schedule s
    ), times AS (
        SELECT p.now, CASE WHEN p.by_days THEN (p.start AT TIME ZONE p.zone + p.every * k) AT TIME ZONE p.zone
                           ELSE p.start + p.every * k END AS time
        FROM passed p
        CROSS JOIN LATERAL generate_series(
            greatest(p.n - CASE WHEN p.by_days THEN 2 + p.n / 30 ELSE 1 END, 0),
            p.n + CASE WHEN p.by_days THEN 3 + p.n / 30 ELSE 2 END) AS k
    )
    SELECT ceil(extract(epoch FROM min(time) - min(now)) * 1000)::int8 FROM times WHERE time > now";

impl Schedule {
    /// What a vectorizer's `scheduling` asks for.
    pub fn of(scheduling: &Value) -> Self {
        if scheduling.get("implementation").and_then(Value::as_str) != Some("timescaledb") {
            return Schedule::Always;
        }
        Schedule::ByClock(Clock { config: scheduling.clone(), start: None, place: Place::Unknown })
    }

    /// The same place in the same schedule, if it is the same.
    pub fn or_known(self, known: Option<&Schedule>) -> Self {
        match (&self, known) {
            (Schedule::ByClock(fresh), Some(Schedule::ByClock(known))) if fresh.config == known.config => {
                Schedule::ByClock(known.clone())
            }
            _ => self,
        }
    }

    /// How long the vectorizer still rests; none if it is its time. To be called within a transaction.
    pub fn rest(&mut self) -> Result<Option<Duration>, PgError> {
        let Schedule::ByClock(clock) = self else { return Ok(None) };
        if clock.place == Place::Unknown {
            clock.begin()?;
        }
        match clock.place {
            Place::Resting(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left > Duration::ZERO {
                    return Ok(Some(left));
                }
                clock.place = Place::Running;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// It is its time, whatever the clock says. To be called within a transaction.
    pub fn begin_run(&mut self) -> Result<(), PgError> {
        let Schedule::ByClock(clock) = self else { return Ok(()) };
        if clock.place == Place::Unknown {
            clock.begin()?;
        }
        clock.place = Place::Running;
        Ok(())
    }

    /// Its queue is empty: it rests until its next time. To be called within a transaction.
    pub fn end_run(&mut self) -> Result<Option<Duration>, PgError> {
        let Schedule::ByClock(clock) = self else { return Ok(None) };
        let fixed = clock.config.get("fixed_schedule").and_then(Value::as_bool).unwrap_or(true);
        clock.rest_until_next(if fixed { clock.start } else { None }).map(Some)
    }
}

impl Clock {
    fn begin(&mut self) -> Result<(), PgError> {
        let Some(start) = self.config.get("initial_start").and_then(Value::as_str) else {
            self.start = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64());
            self.place = Place::Running;
            return Ok(());
        };
        let seconds = "SELECT extract(epoch FROM $1::timestamptz)::float8";
        self.start =
            sql::read(seconds, &[start.to_owned().into()], |row| row.get::<f64>(1))?.into_iter().next();
        self.rest_until_next(self.start).map(drop)
    }

    fn rest_until_next(&mut self, start: Option<f64>) -> Result<Duration, PgError> {
        let text = |key: &str| self.config.get(key).and_then(Value::as_str).map(str::to_owned);
        let args = [text("schedule_interval").into(), start.into(), text("timezone").into()];
        let found = sql::read(NEXT, &args, |row| row.get::<i64>(1))?;
        let left = Duration::from_millis(found.first().map_or(0, |ms| ms.max(&1).unsigned_abs()));
        self.place = Instant::now().checked_add(left).map_or(Place::Running, Place::Resting);
        Ok(left)
    }
}
