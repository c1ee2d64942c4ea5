//! A row of the answer.

use pgrx::datum::IntoDatum;
use pgrx::{JsonB, PgMemoryContexts, pg_sys};
use serde_json::{Map, Value, json};

use super::statement::column;
use crate::pg::error::PgError;
use crate::pg::result::{ResultRows, ReturnedRows};

/// A row of the answer, apart from what the statement has found of its chunk.
pub struct Answer {
    /// Its place in the answer, counted from 0.
    pub place: usize,
    /// Its score.
    pub score: f64,
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

/// A row of the answer as `ai.search` returns it. Its values live no longer than the statement that has found them.
pub struct Row {
    /// Its place in the answer, counted from 0.
    pub place: usize,
    /// Its score.
    pub score: f64,
    /// The values of the columns after these two.
    rest: [Option<pg_sys::Datum>; REST.len()],
}

/// The columns of `ai.search` after rank and score, by the way in which their values are passed.
const REST: [Passed; 8] = {
    use Passed::{AsBytes, AsVarlena, ByValue};
    [ByValue, AsVarlena, ByValue, AsVarlena, AsVarlena, AsVarlena, AsBytes(16), AsVarlena]
};

/// The way in which Postgres passes the values of a type.
#[derive(Debug, Clone, Copy)]
enum Passed {
    ByValue,
    /// By the address of so many bytes.
    AsBytes(usize),
    /// By the address of bytes that say how many they are.
    AsVarlena,
}

/// A receiver of the rows of an answer, which come in their order.
pub trait Receiver {
    /// Takes a row.
    fn take(&self, row: &Row) -> Result<(), PgError>;
}

impl Receiver for ReturnedRows {
    fn take(&self, row: &Row) -> Result<(), PgError> {
        let own = [i32::try_from(row.place + 1).ok().into_datum(), row.score.into_datum()];
        let values: Vec<_> = own.into_iter().chain(row.rest).collect();
        // SAFETY: an int4 and a float8, and what the statement makes of the types that are declared.
        unsafe { self.push(&values) }
    }
}

impl Row {
    /// Returns copies, in a memory context, of the values after place and score.
    pub fn copied(&self, memory: pg_sys::MemoryContext) -> Vec<Option<pg_sys::Datum>> {
        // SAFETY: a memory context that lives, as the caller promises by passing it; and values that are passed in these ways.
        let copy = |(value, passed): (Option<pg_sys::Datum>, Passed)| unsafe { Some(passed.copy(value?)) };
        // SAFETY: the same.
        unsafe {
            PgMemoryContexts::For(memory).switch_to(|_| self.rest.into_iter().zip(REST).map(copy).collect())
        }
    }
}

impl Passed {
    /// Returns a copy of a value in the current memory context.
    ///
    /// # Safety
    ///
    /// A value that is passed in this way.
    unsafe fn copy(self, value: pg_sys::Datum) -> pg_sys::Datum {
        // SAFETY: by the caller; the allocation has as many bytes as are copied.
        unsafe {
            match self {
                Passed::ByValue => value,
                Passed::AsBytes(count) => {
                    let copy = pg_sys::palloc(count).cast::<u8>();
                    copy.copy_from_nonoverlapping(value.cast_mut_ptr::<u8>(), count);
                    pg_sys::Datum::from(copy)
                }
                Passed::AsVarlena => pg_sys::Datum::from(pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr())),
            }
        }
    }
}

/// Gives a row of a search to the receiver.
pub fn put(rows: &ResultRows, row: usize, receiver: &dyn Receiver, answer: &Answer) -> Result<(), PgError> {
    let distance = rows.value::<f64>(row, column::DISTANCE).into_datum();
    let found = column::RETURNED.map(|column| rows.datum(row, column));
    let arms = JsonB(Value::Object(arms(answer))).into_datum();
    let values: Vec<_> = [distance].into_iter().chain(found).chain([arms]).collect();
    let rest = values.try_into().map_err(|_| PgError::internal("unexpected number of columns"))?;
    receiver.take(&Row { place: answer.place, score: answer.score, rest })
}

/// Returns what each arm says of the row, by the name of the arm.
fn arms(answer: &Answer) -> Map<String, Value> {
    let named = [("vector", answer.vector), ("text", answer.text), ("rerank", answer.rerank)];
    let found = named.into_iter().filter_map(|(name, in_arm)| Some((name, in_arm?)));
    found.map(|(name, arm)| (name.to_owned(), json!({"rank": arm.place + 1, "score": arm.score}))).collect()
}
