//! A row of the answer.

use pgrx::JsonB;
use pgrx::datum::IntoDatum;
use serde_json::{Map, Value, json};

use super::statement::column;
use crate::pg::error::PgError;
use crate::pg::result::{ResultRows, ReturnedRows};

/// A row of the answer, apart from what the statement has found of its chunk.
pub struct Answer {
    /// Its place in the answer, counted from 0.
    pub place: usize,
    /// Its score.
    pub score: Option<f64>,
    /// Its standing among what the vector has found; `None` if the vector has not found it.
    pub vector: Option<InArm>,
    /// Its standing among what the words have found; `None` if they have not found it.
    pub text: Option<InArm>,
    /// Its standing among what a model has ranked; `None` if none has.
    pub rerank: Option<InArm>,
}

/// The standing of a chunk among what an arm has found.
#[derive(Debug, Clone, Copy)]
pub struct InArm {
    /// Its place, counted from 0.
    pub place: usize,
    /// Its score in this arm.
    pub score: f64,
}

/// Returns a row of a search to the caller.
pub fn put(rows: &ResultRows, row: usize, returned: &ReturnedRows, answer: &Answer) -> Result<(), PgError> {
    let rank = i32::try_from(answer.place + 1).ok();
    let distance = rows.value::<f64>(row, column::DISTANCE);
    let own = [rank.into_datum(), answer.score.into_datum(), distance.into_datum()];
    let found = column::RETURNED.map(|column| rows.datum(row, column));
    let arms = JsonB(Value::Object(arms(answer))).into_datum();
    let values: Vec<_> = own.into_iter().chain(found).chain([arms]).collect();
    // SAFETY: an int4, two float8, what the statement makes of the types that are declared, and a jsonb.
    unsafe { returned.push(&values) }
}

/// Returns what each arm says of the row, by the name of the arm.
fn arms(answer: &Answer) -> Map<String, Value> {
    let named = [("vector", answer.vector), ("text", answer.text), ("rerank", answer.rerank)];
    let found = named.into_iter().filter_map(|(name, in_arm)| Some((name, in_arm?)));
    found.map(|(name, arm)| (name.to_owned(), json!({"rank": arm.place + 1, "score": arm.score}))).collect()
}
