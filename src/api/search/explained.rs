//! The steps of a search as rows of `ai.explain_search`.

use pgrx::datum::IntoDatum;
use pgrx::{JsonB, pg_sys};
use serde_json::Value;

use crate::pg::error::PgError;
use crate::pg::result::ReturnedRows;
use crate::search::answer::{Receiver, Row};
use crate::search::steps::{Step, Steps};

/// A receiver that does without the rows: the steps say how many there are.
pub struct Discarded;

impl Receiver for Discarded {
    fn take(&self, _: &Row) -> Result<(), PgError> {
        Ok(())
    }
}

/// Returns the steps of a search in one vectorizer to the caller.
pub fn put(steps: &Steps, returned: &ReturnedRows) -> Result<(), PgError> {
    (1..).zip(steps.all()).try_for_each(|(number, step)| {
        // SAFETY: the columns of `ai.explain_search` for one vectorizer.
        unsafe { returned.push(&values(number, step)) }
    })
}

/// Returns the steps of a search in several vectorizers to the caller, each after the name of its vectorizer.
pub fn put_named(steps: &Steps, returned: &ReturnedRows) -> Result<(), PgError> {
    (1..).zip(steps.all()).try_for_each(|(number, mut step)| {
        let name = step.vectorizer.take().into_datum();
        let values: Vec<_> = [name].into_iter().chain(values(number, step)).collect();
        // SAFETY: a text, and then the columns of `ai.explain_search` for one vectorizer.
        unsafe { returned.push(&values) }
    })
}

/// Returns the values of a step: an int4, a text, two int8, two texts, an int8, a float8 and a jsonb.
fn values(number: i32, step: Step) -> [Option<pg_sys::Datum>; 9] {
    let count = |count: Option<usize>| count.and_then(|count| i64::try_from(count).ok()).into_datum();
    [
        number.into_datum(),
        step.name.into_datum(),
        count(step.candidates),
        count(step.rows),
        step.index.into_datum(),
        step.model.into_datum(),
        step.tokens.and_then(|tokens| i64::try_from(tokens).ok()).into_datum(),
        step.milliseconds.into_datum(),
        (!step.details.is_empty()).then_some(JsonB(Value::Object(step.details))).into_datum(),
    ]
}
