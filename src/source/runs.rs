//! Rows of `ai._s3_source_run` and `ai._s3_source_state`: the results of listings, and the time of the next
//! one.
//!
//! The functions need the right to write the extension's catalog, and use one transaction each.

use std::time::Duration;

use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;

use pgai_rs_pipeline::failure::Failure;

use super::entry::S3Source;
use super::write::Refused;
use crate::catalog::{schema, sequence};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::pg::transaction::transaction;

/// A problem, described for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A code that does not change between versions.
    pub code: String,
    /// A message.
    pub message: String,
    /// A hint for people.
    pub hint: Option<String>,
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        Problem {
            code: failure.code.to_owned(),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        }
    }
}

impl From<&PgError> for Problem {
    fn from(error: &PgError) -> Self {
        let code = match error.code {
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE => "not_allowed",
            _ => "table_error",
        };
        Problem { code: code.to_owned(), message: error.to_string(), hint: error.hint.clone() }
    }
}

impl From<&Refused> for Problem {
    fn from(refused: &Refused) -> Self {
        Problem {
            code: "not_writable".to_owned(),
            message: format!("could not write {} to the table: {}", refused.uri, refused.error),
            hint: refused.error.hint.clone().or_else(|| {
                Some("A constraint or a trigger of the table refused it; the next run retries it.".to_owned())
            }),
        }
    }
}

/// A run of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Its number.
    pub number: i64,
    /// True if it may delete more than `pgai_rs.s3_source_max_delete_percent` of the rows.
    pub allow_mass_delete: bool,
    /// True if the metadata of all objects is read anew.
    pub refresh_metadata: bool,
}

/// The counts of a run so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Keys that were listed.
    pub scanned: u64,
    /// Rows that were inserted.
    pub new: u64,
    /// Rows that were updated.
    pub modified: u64,
    /// Rows that were deleted.
    pub deleted: u64,
    /// Keys that the source does not want.
    pub skipped: u64,
    /// Objects that could not be asked about or written.
    pub failed: u64,
    /// The first of these failures, or the one that ended the run.
    pub problem: Option<Problem>,
}

impl RunCounts {
    /// Counts a failure, and keeps it if it is the first.
    pub fn fail(&mut self, problem: Problem) {
        self.failed += 1;
        self.problem.get_or_insert(problem);
    }
}

/// Settles the runs that an earlier worker left: requested ones begin again, the others have failed. Returns those that another
/// transaction has locked, for instance one that drops their source: whoever leaves it open holds up no other source.
pub fn recover() -> Result<Vec<i64>, PgError> {
    transaction(|| recover_where("true", &[]))
}

/// Settles those of the runs that [`recover`] has left. Returns those that are locked still.
pub fn recover_left(runs: Vec<i64>) -> Result<Vec<i64>, PgError> {
    // An array is made within a transaction.
    transaction(|| recover_where("run = ANY ($1)", &[runs.into()]))
}

fn recover_where(condition: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<i64>, PgError> {
    let requested = format!("{condition} AND reason = 'request'");
    update_running(REQUESTED_AGAIN, &requested, args)?;
    update_running(INTERRUPTED, condition, args)?;
    let left = format!("SELECT run FROM ai._s3_source_run WHERE state = 'running' AND {condition}");
    sql::query(&left, args, |row| row.get::<i64>(1))
}

const REQUESTED_AGAIN: &str =
    "state = 'requested', started = NULL, scanned = 0, new = 0, modified = 0, deleted = 0,
    skipped = 0, failed = 0, error_code = NULL, error = NULL, hint = NULL";

const INTERRUPTED: &str =
    "state = 'failed', finished = now(), error_code = 'interrupted', error = 'the worker was stopped',
    hint = 'Nothing was deleted that the listing had not proved gone. The next run lists afresh.'";

/// Updates running runs that meet a condition, because no worker works on them, but for those that are locked.
fn update_running(set: &str, condition: &str, args: &[DatumWithOid<'_>]) -> Result<(), PgError> {
    let update = format!(
        "WITH free AS MATERIALIZED (
             SELECT run FROM ai._s3_source_run WHERE state = 'running' AND {condition} FOR NO KEY UPDATE SKIP LOCKED)
         UPDATE ai._s3_source_run r SET {set} FROM free WHERE free.run = r.run"
    );
    sql::execute(&update, args).map(drop)
}

const BEGIN_REQUESTED: &str = "
    UPDATE ai._s3_source_run r SET state = 'running', started = clock_timestamp()
    WHERE run = $1 AND state = 'requested'";

const BEGIN_SCHEDULED: &str = "
    INSERT INTO ai._s3_source_run AS r (id, state, reason, started)
    SELECT id, 'running', 'schedule', clock_timestamp() FROM ai.s3_source WHERE id = $1";

/// Returns the expression for whether a run `r` reads all metadata anew, which those of 0.1.0 and 0.2.0 can't. The column
/// came together with the table that is looked for.
pub fn refreshes() -> &'static str {
    if schema::has(c"_vectorizer_binding") { "r.refresh_metadata" } else { "false" }
}

/// Begins the requested run, or else a scheduled one. Returns `None` if it was begun elsewhere or the source
/// was dropped.
pub fn begin(entry: &S3Source) -> Result<Option<Run>, PgError> {
    let run = |row: &sql::Row<'_>| {
        Ok(Run { number: row.get(1)?, allow_mass_delete: row.get(2)?, refresh_metadata: row.get(3)? })
    };
    transaction(|| {
        update_running(INTERRUPTED, "id = $1", &[entry.id.into()])?;
        let returning = |begin| format!("{begin} RETURNING r.run, r.allow_mass_delete, {}", refreshes());
        match entry.requested {
            Some(number) => sql::query_row(&returning(BEGIN_REQUESTED), &[number.into()], run),
            None => {
                sequence::RUNS.pass_taken()?;
                sql::query_row(&returning(BEGIN_SCHEDULED), &[entry.id.into()], run)
            }
        }
    })
}

/// Records a run that failed before it began, and has the requested runs fail with it.
pub fn not_begun(id: i32, problem: &Problem) -> Result<(), PgError> {
    let Problem { code, message, hint } = problem.clone();
    let args = [id.into(), code.into(), message.into(), hint.into()];
    transaction(|| {
        sequence::RUNS.pass_taken()?;
        sql::execute(
            "INSERT INTO ai._s3_source_run (id, state, reason, started, finished, error_code, error, hint)
             SELECT s.id, 'failed', 'schedule', clock_timestamp(), clock_timestamp(), $2, $3, $4
             FROM ai.s3_source s WHERE s.id = $1",
            &args,
        )?;
        sql::execute(
            "UPDATE ai._s3_source_run
             SET state = 'failed', finished = clock_timestamp(), error_code = $2, error = $3, hint = $4
             WHERE id = $1 AND finished IS NULL",
            &args,
        )?;
        trim(id)
    })
}

const COUNTERS: &str = "scanned = $2, new = $3, modified = $4, deleted = $5, skipped = $6, failed = $7,
    error_code = $8, error = $9, hint = $10";

fn counted(run: Run, counts: &RunCounts) -> [pgrx::datum::DatumWithOid<'static>; 10] {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let problem = counts.problem.clone();
    [
        run.number.into(),
        count(counts.scanned).into(),
        count(counts.new).into(),
        count(counts.modified).into(),
        count(counts.deleted).into(),
        count(counts.skipped).into(),
        count(counts.failed).into(),
        problem.as_ref().map(|t| t.code.clone()).into(),
        problem.as_ref().map(|t| t.message.clone()).into(),
        problem.and_then(|t| t.hint).into(),
    ]
}

/// Writes a run's counts, so that users see its progress.
pub fn progress(run: Run, counts: &RunCounts) -> Result<(), PgError> {
    let update = format!("UPDATE ai._s3_source_run SET {COUNTERS} WHERE run = $1");
    transaction(|| sql::execute(&update, &counted(run, counts))).map(drop)
}

/// Ends a run and sets the time of the next: by the schedule, or after a failure with exponential backoff.
pub fn finish(id: i32, run: Run, counts: &RunCounts, failed: bool) -> Result<(), PgError> {
    let state = if failed { "failed" } else { "succeeded" };
    let update = format!(
        "UPDATE ai._s3_source_run SET state = '{state}', finished = clock_timestamp(), {COUNTERS} WHERE run = $1"
    );
    let (first, longest) = guc::retry_backoff();

    transaction(|| {
        if sql::execute(&update, &counted(run, counts))? == 0 {
            // Dropped meanwhile.
            return Ok(());
        }
        sql::execute(
            "INSERT INTO ai._s3_source_state AS t (id, failures, next_run)
             SELECT s.id, $2::int4, clock_timestamp() + CASE
                 WHEN $2 = 0 THEN least(s.schedule, interval '100 years') ELSE $3 * interval '1 ms' END
             FROM ai.s3_source s WHERE s.id = $1
             ON CONFLICT (id) DO UPDATE
             SET failures = CASE WHEN $2 = 0 THEN 0 ELSE least(t.failures, 30) + 1 END,
                 next_run = CASE WHEN $2 = 0 THEN excluded.next_run ELSE
                     clock_timestamp() + least($3 * 2.0 ^ least(t.failures, 30), $4) * interval '1 ms' END",
            &[id.into(), i32::from(failed).into(), millis(first).into(), millis(longest).into()],
        )?;
        trim(id)
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Deletes the oldest runs beyond `pgai_rs.s3_source_history`.
fn trim(id: i32) -> Result<(), PgError> {
    sql::execute(
        "DELETE FROM ai._s3_source_run
         WHERE run = ANY (ARRAY(SELECT run FROM ai._s3_source_run WHERE id = $1 AND finished IS NOT NULL
                                ORDER BY run DESC OFFSET $2))",
        &[id.into(), guc::s3_source_history().into()],
    )
    .map(drop)
}

/// Counts messages whose events were committed, and clears the error of their queue.
pub fn heard(id: i32, messages: u64) -> Result<(), PgError> {
    let messages = i64::try_from(messages).unwrap_or(i64::MAX);
    transaction(|| {
        sql::execute(
            "INSERT INTO ai._s3_source_state AS t (id, events, last_event)
             SELECT s.id, $2, CASE WHEN $2 > 0 THEN now() END FROM ai.s3_source s WHERE s.id = $1
             ON CONFLICT (id) DO UPDATE
             SET events = t.events + excluded.events, last_event = coalesce(excluded.last_event, t.last_event),
                 event_error_code = NULL, event_error = NULL, event_hint = NULL",
            &[id.into(), messages.into()],
        )
        .map(drop)
    })
}

/// Records an error of the queue of events.
pub fn not_heard(id: i32, problem: &Problem) -> Result<(), PgError> {
    transaction(|| {
        sql::execute(
            "INSERT INTO ai._s3_source_state (id, event_error_code, event_error, event_hint)
             SELECT s.id, $2, $3, $4 FROM ai.s3_source s WHERE s.id = $1
             ON CONFLICT (id) DO UPDATE
             SET event_error_code = excluded.event_error_code, event_error = excluded.event_error,
                 event_hint = excluded.event_hint",
            &[
                id.into(),
                problem.code.clone().into(),
                problem.message.clone().into(),
                problem.hint.clone().into(),
            ],
        )
        .map(drop)
    })
}
