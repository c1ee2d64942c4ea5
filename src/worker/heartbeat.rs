//! Writes the worker's heartbeats and counts to the tables that pgai's dashboards read, and what stops a
//! vectorizer for `ai.vectorizer_health`.
//!
//! Counts are written once per `pgai_rs.heartbeat_interval`. A vectorizer's stop, or its end, is written at
//! most a second later. These are tables instead of shared memory because they work without preloading, and a
//! standby has them, too.

use std::time::{Duration, Instant, SystemTime};

use pgrx::datum::Uuid;

use crate::catalog::{binding, definitions, missed, schema};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql::{execute, query_row, read};
use crate::pg::transaction::{subtransaction, transaction};
use crate::queue::conditions::{Condition, Conditions, Record};
use crate::queue::spi::SpiQueue;

/// The shortest time between a write and the next one that is due to a stop or its end.
const SOONEST: Duration = Duration::from_secs(1);

/// The number of rows of `ai.vectorizer_worker_process` that are kept, including those of other workers.
const PROCESSES_KEPT: i32 = 100;

/// The longest message that is written, in bytes.
const LONGEST_MESSAGE: usize = 1_000;

/// The times of this worker's last writes, and its row.
#[derive(Default)]
pub struct Heartbeat {
    process: Option<Uuid>,
    beat: Option<Instant>,
    /// The time up to which the counts are written.
    counted: Option<Instant>,
    written: Option<Instant>,
    /// The generation of the definitions at which the names of relations were written.
    named: Option<u64>,
}

impl Heartbeat {
    /// Writes the names of relations that whoever has renamed one could not, because a row of the catalog was locked.
    fn write_names(&mut self) -> Result<(), PgError> {
        let generation = definitions::generation();
        if self.named == Some(generation) {
            return Ok(());
        }
        if transaction(binding::write_all_names)? {
            self.named = Some(generation);
        }
        Ok(())
    }

    /// Writes what is due. Errors are logged, and what could not be written is written the next time.
    pub fn beat(&mut self, queue: &mut SpiQueue) {
        let conditions = queue.conditions();
        let whole = left(self.beat, guc::heartbeat_interval()).is_none();
        let stops = conditions.changed() && left(self.written, SOONEST).is_none();
        if !whole && !stops {
            return;
        }

        let now = Some(Instant::now());
        self.written = now;
        if whole {
            self.beat = now;
            conditions.judge();
        }

        if whole {
            if let Err(error) = transaction(missed::compact) {
                pgrx::warning!("pgai_rs worker could not look up missed changes: {error}");
            }
            if let Err(error) = self.write_names() {
                pgrx::warning!("pgai_rs worker could not write the names of vectorizers' relations: {error}");
            }
            if let Err(error) = queue.write_spending() {
                pgrx::warning!("pgai_rs worker could not write the used quotas: {error}");
            }
        }

        let conditions = queue.conditions();
        // Only if that can't be done: each subtransaction that writes takes an id.
        let written = transaction(|| self.write(conditions, whole, |_, write| write())).or_else(|error| {
            pgrx::warning!("pgai_rs worker could not write its heartbeat in one transaction: {error}");
            transaction(|| self.write(conditions, whole, apart))
        });
        match written {
            Ok(process) => {
                self.process = Some(process);
                conditions.conditions_written();
                if whole {
                    conditions.counts_written();
                    self.counted = now;
                }
            }
            Err(error) => pgrx::warning!("pgai_rs worker could not write its heartbeat: {error}"),
        }
    }

    /// Returns the time until something is due.
    pub fn next(&self, conditions: &Conditions) -> Duration {
        let whole = left(self.beat, guc::heartbeat_interval()).unwrap_or_default();
        if conditions.changed() {
            return whole.min(left(self.written, SOONEST).unwrap_or_default());
        }
        whole
    }

    /// Writes what is due, for each vectorizer by way of `each`. Returns the id of this process's row.
    fn write(
        &self,
        conditions: &mut Conditions,
        whole: bool,
        each: impl Fn(i32, &dyn Fn() -> Result<(), PgError>) -> Result<(), PgError>,
    ) -> Result<Uuid, PgError> {
        let known = match self.process {
            Some(process) if whole && count(process, conditions)? => Some(process),
            Some(process) if !whole && is_registered(process)? => Some(process),
            _ => None,
        };
        let process = match known {
            Some(process) => process,
            None => {
                let process = register()?;
                conditions.write_anew();
                count(process, conditions)?;
                process
            }
        };

        for (id, record) in conditions.records() {
            each(id, &|| {
                if whole {
                    write_progress(process, id, record)?;
                    write_rate(id, record, self.counted)?;
                }
                match record.changed {
                    true => write_condition(process, id, record.condition.as_ref()),
                    false => Ok(()),
                }
            })?;
        }
        Ok(process)
    }
}

/// Returns whether this process has its row. The table is another one if the extension was created anew.
fn is_registered(process: Uuid) -> Result<bool, PgError> {
    let look = "SELECT FROM ai.vectorizer_worker_process WHERE id = $1";
    Ok(!read(look, &[process.into()], |_| Ok(()))?.is_empty())
}

/// Writes what is due for a vectorizer in a subtransaction, so that an error there does not affect the rest.
fn apart(id: i32, write: &dyn Fn() -> Result<(), PgError>) -> Result<(), PgError> {
    if let Err(error) = subtransaction(write) {
        pgrx::warning!("pgai_rs worker could not write the state of vectorizer {id}: {error}");
    }
    Ok(())
}

/// Returns what is left of `time` since `since`, or `None` if it is over or never began.
fn left(since: Option<Instant>, time: Duration) -> Option<Duration> {
    time.checked_sub(since?.elapsed()).filter(|left| !left.is_zero())
}

/// Inserts a row for this process, and deletes the conditions, the rates and the oldest rows of earlier ones.
fn register() -> Result<Uuid, PgError> {
    execute("DELETE FROM ai._vectorizer_worker_condition", &[])?;
    if schema::has(c"_vectorizer_rate") {
        execute("DELETE FROM ai._vectorizer_rate", &[])?;
    }
    execute(
        "DELETE FROM ai.vectorizer_worker_process
         WHERE id = ANY (ARRAY(SELECT id FROM ai.vectorizer_worker_process
                               ORDER BY last_heartbeat DESC OFFSET $1))",
        &[(PROCESSES_KEPT - 1).into()],
    )?;

    let registered = query_row(
        "INSERT INTO ai.vectorizer_worker_process (version, expected_heartbeat_interval, pid)
         VALUES ($1, make_interval(secs => $2), $3) RETURNING id",
        &[
            env!("CARGO_PKG_VERSION").to_owned().into(),
            guc::heartbeat_interval().as_secs_f64().into(),
            (std::process::id() as i32).into(),
        ],
        |row| row.get::<Uuid>(1),
    )?;
    registered.ok_or_else(|| PgError::internal("INSERT into ai.vectorizer_worker_process returned no row"))
}

/// Counts a heartbeat with the successes and errors of all vectorizers. Returns whether the process still has
/// its row. pgai's counters are int4: they stop at the largest value instead of failing.
fn count(process: Uuid, conditions: &Conditions) -> Result<bool, PgError> {
    let sum =
        |of: fn(&Record) -> i32| conditions.records().fold(0, |sum: i32, (_, r)| sum.saturating_add(of(r)));
    let errors = conditions.records().filter_map(|(_, record)| record.last_error.as_ref());
    let last = errors.max_by_key(|error| error.since).map(message);

    let counted = execute(
        "UPDATE ai.vectorizer_worker_process
         SET last_heartbeat = clock_timestamp(), heartbeat_count = heartbeat_count + 1,
             expected_heartbeat_interval = make_interval(secs => $5),
             success_count = least(success_count::int8 + $2, 2147483647)::int4,
             error_count = least(error_count::int8 + $3, 2147483647)::int4,
             last_error_message = coalesce($4, last_error_message),
             last_error_at = CASE WHEN $4 IS NULL THEN last_error_at ELSE clock_timestamp() END
         WHERE id = $1",
        &[
            process.into(),
            sum(|record| record.successes).into(),
            sum(|record| record.errors).into(),
            last.into(),
            guc::heartbeat_interval().as_secs_f64().into(),
        ],
    )?;
    Ok(counted > 0)
}

/// Adds a vectorizer's counts. A vectorizer that is being dropped is skipped, without waiting for its lock.
fn write_progress(process: Uuid, id: i32, record: &Record) -> Result<(), PgError> {
    if record.successes == 0 && record.errors == 0 {
        return Ok(());
    }
    execute(
        "INSERT INTO ai.vectorizer_worker_progress AS p (vectorizer_id, success_count, error_count,
             last_success_at, last_success_process_id, last_error_at, last_error_message, last_error_process_id)
         SELECT v.id, $2, $3, CASE WHEN $2 > 0 THEN now() END, CASE WHEN $2 > 0 THEN $5 END,
                to_timestamp($6), $4, CASE WHEN $3 > 0 THEN $5 END
         FROM (SELECT id FROM ai.vectorizer WHERE id = $1 FOR KEY SHARE SKIP LOCKED) v
         ON CONFLICT (vectorizer_id) DO UPDATE
         SET success_count = least(p.success_count::int8 + excluded.success_count, 2147483647)::int4,
             error_count = least(p.error_count::int8 + excluded.error_count, 2147483647)::int4,
             last_success_at = coalesce(excluded.last_success_at, p.last_success_at),
             last_success_process_id = coalesce(excluded.last_success_process_id, p.last_success_process_id),
             last_error_at = coalesce(excluded.last_error_at, p.last_error_at),
             last_error_message = coalesce(excluded.last_error_message, p.last_error_message),
             last_error_process_id = coalesce(excluded.last_error_process_id, p.last_error_process_id)",
        &[
            id.into(),
            record.successes.into(),
            record.errors.into(),
            record.last_error.as_ref().map(message).into(),
            process.into(),
            record.last_error.as_ref().map(|error| seconds(error.since)).into(),
        ],
    )
    .map(drop)
}

/// Writes the rate at which a vectorizer's rows were completed since that time. One that has completed none keeps the rate of
/// before, which is too old to count.
fn write_rate(id: i32, record: &Record, since: Option<Instant>) -> Result<(), PgError> {
    let Some(since) = since.filter(|_| record.successes > 0 && schema::has(c"_vectorizer_rate")) else {
        return Ok(());
    };
    let minutes = since.elapsed().as_secs_f64() / 60.0;
    execute(
        "INSERT INTO ai._vectorizer_rate AS r (vectorizer_id, measured, rows_per_minute, chunks_per_minute)
         VALUES ($1, clock_timestamp(), $2, $3)
         ON CONFLICT (vectorizer_id) DO UPDATE
         SET measured = excluded.measured, rows_per_minute = excluded.rows_per_minute,
             chunks_per_minute = excluded.chunks_per_minute",
        &[id.into(), (f64::from(record.successes) / minutes).into(), (record.chunks as f64 / minutes).into()],
    )
    .map(drop)
}

/// Writes a vectorizer's condition. Only stopped vectorizers have a row: without a condition it is deleted.
fn write_condition(process: Uuid, id: i32, condition: Option<&Condition>) -> Result<(), PgError> {
    let Some(condition) = condition else {
        return execute("DELETE FROM ai._vectorizer_worker_condition WHERE vectorizer_id = $1", &[id.into()])
            .map(drop);
    };
    execute(
        "INSERT INTO ai._vectorizer_worker_condition
             (vectorizer_id, process_id, state, code, message, hint, since, until)
         VALUES ($1, $2, $3, $4, $5, $6, to_timestamp($7), to_timestamp($8))
         ON CONFLICT (vectorizer_id) DO UPDATE
         SET process_id = excluded.process_id, state = excluded.state, code = excluded.code,
             message = excluded.message, hint = excluded.hint, since = excluded.since, until = excluded.until",
        &[
            id.into(),
            process.into(),
            condition.stop.name().to_owned().into(),
            condition.code.clone().into(),
            message(condition).into(),
            condition.hint.clone().into(),
            seconds(condition.since).into(),
            condition.until.map(seconds).into(),
        ],
    )
    .map(drop)
}

fn message(condition: &Condition) -> String {
    pgai_rs_pipeline::message::truncate_message(&condition.message, LONGEST_MESSAGE)
}

/// Converts a time to seconds since 1970 for `to_timestamp`, at most [`END_OF_TIME`].
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64().min(END_OF_TIME)
}

/// The end of the year 9999, in seconds since 1970.
const END_OF_TIME: f64 = 253_402_300_799.0;
