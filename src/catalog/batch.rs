//! Batches: inputs that a provider's batch API embeds, and the vectors that it has brought.
//!
//! `ai._vectorizer_batch` has a row for each, `ai._vectorizer_batch_input` one for each of its inputs, and
//! `ai._vectorizer_backfill` the transactions whose rows may go by batch. All of it may be lost: what is not known is embedded the
//! ordinary way.

use std::collections::HashSet;

use pgai_rs_pipeline::document::Digest;
use pgai_rs_pipeline::embed::by_batch::BatchAnswer;
use pgai_rs_pipeline::usage::Counted;
use pgai_rs_queue::session::{Connection, Param};

use super::{schema, sequence};
use crate::pg::connection::Spi;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};

/// The time for which rows wait if nobody ends their waiting: longer than a batch is ever waited for.
const LONGEST_WAIT: &str = "30 days";

/// The largest number of batches of a vectorizer, and of all vectorizers of an owner: the worker looks at each of them every
/// second. A provider takes far fewer within the day after which a batch that was not submitted is given up.
const MOST_OF_A_VECTORIZER: i64 = 250;
const MOST_OF_AN_OWNER: i64 = 500;

/// The number of transactions of a vectorizer whose rows may go by batch.
const MOST_BACKFILLS: usize = 100;

/// The state of a batch, as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Inputs are collected for it.
    Collecting,
    /// It has all of its inputs.
    Ready,
    /// Its file was uploaded.
    Uploaded,
    /// The provider was, or is being, asked to make it, and has not said that it did.
    Creating,
    /// The provider works on it.
    Submitted,
    /// All vectors that came of it are there, and the rows that waited are due.
    Done,
}

impl State {
    const ALL: [State; 6] =
        [State::Collecting, State::Ready, State::Uploaded, State::Creating, State::Submitted, State::Done];

    /// Returns the word of the table.
    pub fn name(self) -> &'static str {
        match self {
            State::Collecting => "collecting",
            State::Ready => "ready",
            State::Uploaded => "uploaded",
            State::Creating => "creating",
            State::Submitted => "submitted",
            State::Done => "done",
        }
    }

    fn named(name: &str) -> Result<State, PgError> {
        let found = State::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| PgError::internal("a batch has an unknown state"))
    }
}

/// A batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its id here.
    pub id: i64,
    /// Its vectorizer; `None` if that was dropped.
    pub vectorizer: Option<i32>,
    /// The digest of the model that its vectors are of.
    pub model: Vec<u8>,
    /// The name under which its use is counted; `None` if that is not known.
    pub counted: Option<Counted>,
    /// Its state.
    pub state: State,
    /// The number of its inputs.
    pub inputs: i32,
    /// Their bytes.
    pub bytes: i64,
    /// Their tokens, as estimated.
    pub tokens: i64,
    /// The time by which its rows are known, in microseconds since 1970.
    pub until: i64,
    /// The seconds since it was begun.
    pub age: f64,
    /// The seconds since the provider began with it.
    pub submitted: Option<f64>,
    /// The seconds since it was over.
    pub over: Option<f64>,
    /// The time at which the provider began with it, for people.
    pub submitted_at: Option<String>,
    /// The tag by which the provider knows it.
    pub tag: String,
    /// The id of the file of requests.
    pub input_file: Option<String>,
    /// The provider's id of it.
    pub provider_batch: Option<String>,
}

const SELECT: &str = "
    SELECT b.id, b.vectorizer_id, b.model, b.state, b.inputs, b.bytes, b.tokens,
           (extract(epoch FROM b.held_until) * 1000000)::int8,
           extract(epoch FROM pg_catalog.clock_timestamp() - b.opened_at)::float8,
           extract(epoch FROM pg_catalog.clock_timestamp() - b.submitted_at)::float8,
           extract(epoch FROM pg_catalog.clock_timestamp() - b.over_at)::float8,
           pg_catalog.to_char(b.submitted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),
           b.tag::text, b.input_file, b.provider_batch, b.counted
    FROM ai._vectorizer_batch b";

fn batch(row: &Row<'_>) -> Result<Batch, PgError> {
    Ok(Batch {
        id: row.get(1)?,
        vectorizer: row.get_opt(2)?,
        model: row.get(3)?,
        state: State::named(&row.get::<String>(4)?)?,
        inputs: row.get(5)?,
        bytes: row.get(6)?,
        tokens: row.get(7)?,
        until: row.get(8)?,
        age: row.get(9)?,
        submitted: row.get_opt(10)?,
        over: row.get_opt(11)?,
        submitted_at: row.get_opt(12)?,
        tag: row.get(13)?,
        input_file: row.get_opt(14)?,
        provider_batch: row.get_opt(15)?,
        counted: row.get_opt::<String>(16)?.and_then(|counted| serde_json::from_str(&counted).ok()),
    })
}

/// Returns whether there can be batches: objects of earlier versions have no place for them.
pub fn can_be_kept() -> bool {
    schema::has(c"_vectorizer_batch")
}

/// Returns all batches, in the order in which they were begun. Must be called within a transaction.
pub fn all() -> Result<Vec<Batch>, PgError> {
    schema::require_trusted()?;
    if !can_be_kept() {
        return Ok(Vec::new());
    }
    as_superuser(|| sql::read(&format!("{SELECT} ORDER BY b.id"), &[], batch))
}

/// Returns those of some batches that nobody has locked, such as whoever drops their vectorizer and keeps the transaction open. Must
/// be called within a transaction.
pub fn unlocked(batches: Vec<i64>) -> Result<HashSet<i64>, PgError> {
    let look = "SELECT b.id FROM ai._vectorizer_batch b WHERE b.id = ANY ($1) FOR SHARE SKIP LOCKED";
    let unlocked = as_superuser(|| sql::query(look, &[batches.into()], |row| row.get(1)))?;
    Ok(unlocked.into_iter().collect())
}

/// Returns the times by which the rows of a vectorizer's batches are known, in microseconds since 1970. Must be called within a
/// transaction.
pub fn times(vectorizer: i32) -> Result<Vec<i64>, PgError> {
    if !can_be_kept() {
        return Ok(Vec::new());
    }
    let look = "SELECT (extract(epoch FROM b.held_until) * 1000000)::int8 FROM ai._vectorizer_batch b
                WHERE b.vectorizer_id = $1";
    as_superuser(|| sql::read(look, &[vectorizer.into()], |row| row.get(1)))
}

/// Notes that this transaction has enqueued existing rows of a vectorizer.
pub fn note_backfill(vectorizer: i32) -> Result<(), PgError> {
    if !schema::has(c"_vectorizer_backfill") {
        return Ok(());
    }
    as_superuser(|| {
        sql::execute(&superseded(), &[vectorizer.into()])?;
        let note =
            "INSERT INTO ai._vectorizer_backfill (vectorizer_id, queued_at) VALUES ($1, pg_catalog.now())";
        sql::execute(note, &[vectorizer.into()])
    })
    .map(drop)
}

/// Deletes those of a vectorizer (`$1`) of a month ago, of which nothing is pending in a queue that works, and all but the latest. What
/// another transaction is deleting, which may be kept open, is left to it.
fn superseded() -> String {
    format!(
        "WITH old AS MATERIALIZED (
             SELECT f.ctid AS place FROM ai._vectorizer_backfill f
             WHERE f.vectorizer_id = $1
               AND (f.queued_at < pg_catalog.now() - interval '30 days' OR f.queued_at < (
                        SELECT o.queued_at FROM ai._vectorizer_backfill o WHERE o.vectorizer_id = $1
                        ORDER BY o.queued_at DESC OFFSET {MOST_BACKFILLS} - 1 LIMIT 1))
             FOR UPDATE SKIP LOCKED)
         DELETE FROM ai._vectorizer_backfill d USING old WHERE d.ctid = old.place"
    )
}

/// Returns the times of the latest transactions that have enqueued existing rows, in microseconds since 1970.
pub fn backfills(vectorizer: i32) -> Result<Vec<i64>, PgError> {
    let look = format!(
        "SELECT (extract(epoch FROM f.queued_at) * 1000000)::int8 FROM ai._vectorizer_backfill f
         WHERE f.vectorizer_id = $1 ORDER BY f.queued_at DESC LIMIT {MOST_BACKFILLS}"
    );
    as_superuser(|| sql::read(&look, &[vectorizer.into()], |row| row.get(1)))
}

/// An input that is in a batch.
pub struct KnownInput {
    /// Its digest.
    pub digest: Digest,
    /// Its vector, as little-endian `f32`.
    pub vector: Option<Vec<u8>>,
    /// True if the batch has brought none, and it goes the ordinary way.
    pub is_ordinary: bool,
    /// The time by which the rows of the batch are known.
    pub until: i64,
}

/// Returns those of some inputs that are in batches of a vectorizer and a model.
pub fn known(vectorizer: i32, model: &[u8], digests: &[Digest]) -> Result<Vec<KnownInput>, PgError> {
    let look = "
        SELECT i.digest, i.vector, i.is_ordinary, (extract(epoch FROM b.held_until) * 1000000)::int8
        FROM ai._vectorizer_batch_input i
        JOIN ai._vectorizer_batch b ON b.id = i.batch_id
        WHERE i.digest = ANY ($1) AND b.vectorizer_id = $2 AND b.model = $3";
    let digests: Vec<Option<&[u8]>> = digests.iter().map(|digest| Some(digest.as_slice())).collect();
    let args = [digests.into(), vectorizer.into(), model.to_vec().into()];
    let row = |row: &Row<'_>| {
        Ok((row.get::<Vec<u8>>(1)?, row.get_opt(2)?, row.get::<bool>(3)?, row.get::<i64>(4)?))
    };
    let found = as_superuser(|| sql::read(look, &args, row))?;
    let known = |(digest, vector, is_ordinary, until): (Vec<u8>, _, _, _)| {
        Some(KnownInput { digest: digest.try_into().ok()?, vector, is_ordinary, until })
    };
    Ok(found.into_iter().filter_map(known).collect())
}

/// Returns the batch that inputs are collected for; `None` if there is none.
pub fn collecting(vectorizer: i32, model: &[u8]) -> Result<Option<Batch>, PgError> {
    let look = format!(
        "{SELECT} WHERE b.vectorizer_id = $1 AND b.model = $2 AND b.state = 'collecting' ORDER BY b.id"
    );
    let args = [vectorizer.into(), model.to_vec().into()];
    Ok(as_superuser(|| sql::query(&look, &args, batch))?.into_iter().next())
}

/// Begins a batch. Returns `None` if the vectorizer, or its owner, has as many as are allowed.
pub fn begin(vectorizer: i32, model: &[u8], counted: Option<&Counted>) -> Result<Option<Batch>, PgError> {
    let counted = counted.and_then(|counted| serde_json::to_string(counted).ok());
    if !has_room(vectorizer, counted.clone())? {
        return Ok(None);
    }

    let id: i64 = sequence::BATCHES.next("int8")?;
    let insert = format!(
        "INSERT INTO ai._vectorizer_batch (id, vectorizer_id, model, counted, opened_at, held_until) OVERRIDING SYSTEM VALUE
         SELECT $3, $1, $2, $4, t, t + interval '{LONGEST_WAIT}' FROM pg_catalog.clock_timestamp() t"
    );
    let args = [vectorizer.into(), model.to_vec().into(), id.into(), counted.into()];
    as_superuser(|| sql::execute(&insert, &args))?;
    let begun = collecting(vectorizer, model)?;
    begun.map(Some).ok_or_else(|| PgError::internal("a batch that was begun is not there"))
}

/// Returns whether a vectorizer, and the owner by whose name its use is counted, may have another batch.
fn has_room(vectorizer: i32, counted: Option<String>) -> Result<bool, PgError> {
    let look = format!(
        "SELECT count(*) FILTER (WHERE b.vectorizer_id = $1) < {MOST_OF_A_VECTORIZER} AND count(*) < {MOST_OF_AN_OWNER}
         FROM ai._vectorizer_batch b
         WHERE b.vectorizer_id = $1 OR b.counted::jsonb -> 'owner' = $2::jsonb -> 'owner'"
    );
    let args = [vectorizer.into(), counted.into()];
    Ok(as_superuser(|| sql::query_row(&look, &args, |row| row.get(1)))?.unwrap_or(false))
}

/// An input that is collected.
pub struct NewInput<'a> {
    /// Its digest.
    pub digest: Digest,
    /// The text.
    pub text: &'a str,
}

/// Adds inputs to a batch, behind those that it has.
pub fn add(batch: &Batch, inputs: &[NewInput<'_>]) -> Result<(), PgError> {
    let insert = "
        INSERT INTO ai._vectorizer_batch_input (batch_id, place, digest, input)
        SELECT $1, $2 + n.place - 1, n.digest, n.input
        FROM ROWS FROM (unnest($3::bytea[]), unnest($4::text[])) WITH ORDINALITY AS n (digest, input, place)";
    let digests: Vec<Option<&[u8]>> = inputs.iter().map(|input| Some(input.digest.as_slice())).collect();
    let texts: Vec<&str> = inputs.iter().map(|input| input.text).collect();
    let args = [
        Param::Int8(batch.id),
        Param::Int4(batch.inputs),
        Param::OptionalBytes(&digests),
        Param::Texts(&texts),
    ];
    as_superuser(|| Spi.execute(insert, &args)).map(drop)
}

/// Writes the sizes of a batch to which inputs were added.
pub fn write_sizes(batch: &Batch) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_batch SET inputs = $2, bytes = $3, tokens = $4 WHERE id = $1";
    let args = [batch.id.into(), batch.inputs.into(), batch.bytes.into(), batch.tokens.into()];
    as_superuser(|| sql::execute(update, &args)).map(drop)
}

/// Returns the inputs of a batch, with their places.
pub fn inputs(batch: i64) -> Result<Vec<(i32, String)>, PgError> {
    let look = "SELECT i.place, i.input FROM ai._vectorizer_batch_input i
                WHERE i.batch_id = $1 AND i.input IS NOT NULL ORDER BY i.place";
    as_superuser(|| sql::read(look, &[batch.into()], |row| Ok((row.get(1)?, row.get(2)?))))
}

/// Writes that a batch is in another state.
pub fn set_state(batch: i64, state: State) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_batch SET state = $2 WHERE id = $1";
    as_superuser(|| sql::execute(update, &[batch.into(), state.name().into()])).map(drop)
}

/// Writes that the file of a batch was uploaded, under this id.
pub fn uploaded(batch: i64, file: &str) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_batch SET state = 'uploaded', input_file = $2 WHERE id = $1";
    as_superuser(|| sql::execute(update, &[batch.into(), file.into()])).map(drop)
}

/// Writes that the provider has made a batch, under this id.
pub fn submitted(batch: i64, provider_batch: &str) -> Result<(), PgError> {
    let update = "
        UPDATE ai._vectorizer_batch
        SET state = 'submitted', provider_batch = $2, submitted_at = coalesce(submitted_at, pg_catalog.clock_timestamp()),
            problem = NULL
        WHERE id = $1";
    as_superuser(|| sql::execute(update, &[batch.into(), provider_batch.into()])).map(drop)
}

/// Writes that the provider has not made a batch after all.
pub fn not_submitted(batch: i64) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_batch SET state = 'uploaded', provider_batch = NULL, submitted_at = NULL WHERE id = $1";
    as_superuser(|| sql::execute(update, &[batch.into()])).map(drop)
}

/// Writes what is in the way of a batch; `None` if nothing is.
pub fn set_problem(batch: i64, problem: Option<&str>) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_batch SET problem = $2 WHERE id = $1 AND problem IS DISTINCT FROM $2";
    as_superuser(|| sql::execute(update, &[batch.into(), problem.map(str::to_owned).into()])).map(drop)
}

/// Writes vectors that a batch has brought.
pub fn store(batch: i64, answers: &[BatchAnswer]) -> Result<(), PgError> {
    let update = "
        UPDATE ai._vectorizer_batch_input i SET vector = n.vector
        FROM unnest($2::int4[], $3::bytea[]) AS n (place, vector)
        WHERE i.batch_id = $1 AND i.place = n.place";
    let bytes =
        |vector: &Vec<f32>| -> Vec<u8> { vector.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let brought: Vec<(i32, Vec<u8>)> =
        answers.iter().filter_map(|answer| Some((answer.place, bytes(answer.vector.as_ref()?)))).collect();
    let places: Vec<i32> = brought.iter().map(|(place, _)| *place).collect();
    let vectors: Vec<Option<&[u8]>> = brought.iter().map(|(_, vector)| Some(vector.as_slice())).collect();
    let args = [Param::Int8(batch), Param::Int4s(&places), Param::OptionalBytes(&vectors)];
    as_superuser(|| Spi.execute(update, &args)).map(drop)
}

/// Writes that nothing more comes of a batch: inputs without a vector go the ordinary way.
pub fn settle(batch: i64, problem: Option<&str>) -> Result<(), PgError> {
    let rest = "UPDATE ai._vectorizer_batch_input SET is_ordinary = true, input = NULL
                WHERE batch_id = $1 AND vector IS NULL";
    let update = "
        UPDATE ai._vectorizer_batch SET state = 'done', over_at = pg_catalog.clock_timestamp(), problem = coalesce($2, problem)
        WHERE id = $1";
    as_superuser(|| {
        sql::execute(rest, &[batch.into()])?;
        sql::execute(update, &[batch.into(), problem.map(str::to_owned).into()])
    })
    .map(drop)
}

/// Deletes a batch, with its inputs.
pub fn forget(batch: i64) -> Result<(), PgError> {
    let delete = "DELETE FROM ai._vectorizer_batch WHERE id = $1";
    as_superuser(|| sql::execute(delete, &[batch.into()])).map(drop)
}

/// Exchanges the batches of two vectorizers that change places: they belong to the queue and to the model.
pub fn exchange(first: i32, other: i32) -> Result<(), PgError> {
    if !can_be_kept() {
        return Ok(());
    }
    as_superuser(|| {
        for table in ["_vectorizer_batch", "_vectorizer_backfill"] {
            let exchange = format!(
                "UPDATE ai.{table} SET vectorizer_id = CASE vectorizer_id WHEN $1 THEN $2 ELSE $1 END WHERE vectorizer_id IN ($1, $2)"
            );
            sql::execute(&exchange, &[first.into(), other.into()])?;
        }
        Ok(())
    })
}
