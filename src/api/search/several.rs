//! A search in several vectorizers at once. The caller's own rights hold, as in that of each.
//!
//! Each finds as many chunks as are wanted of all. What each has found is one order then: by the scores if all measure the
//! same, else by the places.

use std::cell::RefCell;

use pgrx::datum::IntoDatum;
use pgrx::pg_sys;

use pgai_rs_pipeline::search::merging::merge;

use super::arguments::InSeveral;
use super::one::search_in;
use super::terms::{Terms, invalid, null};
use crate::pg::error::PgError;
use crate::pg::result::ReturnedRows;
use crate::search::answer::{self, Receiver};
use crate::search::known::Named;
use crate::search::scale::{self, Scale};
use crate::search::steps::Steps;

/// The largest number of vectorizers that are searched at once. The rows of all are kept until they are in one order.
const MOST_VECTORIZERS: usize = 100;

/// A row that is found in one of several vectorizers.
pub struct Row {
    vectorizer: String,
    /// Its place among all, counted from 1.
    rank: i32,
    score: f64,
    rest: Rest,
}

/// The values of the columns of `ai.search` after the score.
type Rest = Vec<Option<pg_sys::Datum>>;

/// Searches as the arguments say, and returns the rows that are found, the best first. Their values live as long as the call.
pub fn search(given: InSeveral, steps: &Steps) -> Result<Vec<Row>, PgError> {
    let terms = Terms::of(given.options)?;
    let mut found = Vec::new();
    let mut scales = Vec::new();
    for name in names(given.vectorizers)? {
        let kept = Kept::new();
        let named = Named::Name(name.clone());
        let scale = search_in(&named, given.question.as_ref(), &terms, steps, &kept)?;
        let rows = kept.rows.into_inner();
        // What has found nothing has no scores that would have to be compared.
        scales.extend(scale.filter(|_| !rows.is_empty()));
        found.push(rows.into_iter().map(|(rest, score)| ((name.clone(), rest), score)).collect());
    }
    if given.question.is_none() {
        return Ok(Vec::new());
    }
    fused(found, &scales, terms.request.k, steps)
}

/// Returns the names of the vectorizers, each once. Errors if one is NULL, or there are too many.
fn names(given: Option<Vec<Option<String>>>) -> Result<Vec<String>, PgError> {
    let mut names: Vec<String> = Vec::new();
    for name in given.ok_or_else(|| null("vectorizers"))? {
        let name = name.ok_or_else(|| null("vectorizer"))?;
        if names.contains(&name) {
            continue;
        }
        if names.len() == MOST_VECTORIZERS {
            return Err(invalid(format!(
                "cannot search in more than {MOST_VECTORIZERS} vectorizers at once"
            ))
            .with_hint("Search in some of them, and in the others by another statement."));
        }
        names.push(name);
    }
    Ok(names)
}

/// Returns the first `k` of what was found in each vectorizer, whose name comes with each row.
fn fused(
    found: Vec<Vec<((String, Rest), f64)>>,
    scales: &[Scale],
    k: usize,
    steps: &Steps,
) -> Result<Vec<Row>, PgError> {
    let candidates = found.iter().map(Vec::len).sum();
    let are_comparable = scale::are_comparable(scales);
    let merged = merge(found, are_comparable, k);
    steps.begin_for_all();
    steps.note("fusion", |step| {
        step.candidates = Some(candidates);
        step.rows = Some(merged.len());
        step.detail("fusion", if are_comparable { "scores" } else { "ranks" });
        Ok(())
    })?;

    let row = |(rank, ((vectorizer, rest), score))| Row { vectorizer, rank, score, rest };
    Ok((1..).zip(merged).map(row).collect())
}

impl Row {
    /// Returns it to the caller.
    pub fn put(self, returned: &ReturnedRows) -> Result<(), PgError> {
        let own = [self.vectorizer.into_datum(), self.rank.into_datum(), self.score.into_datum()];
        let values: Vec<_> = own.into_iter().chain(self.rest).collect();
        // SAFETY: a text, an int4 and a float8, and what `ai.search` returns after the score.
        unsafe { returned.push(&values) }
    }
}

/// The rows of a search, with their scores, kept beyond the statement that has found them.
struct Kept {
    rows: RefCell<Vec<(Rest, f64)>>,
    /// The memory context of the call.
    memory: pg_sys::MemoryContext,
}

impl Kept {
    fn new() -> Kept {
        // SAFETY: reads a variable of this backend.
        Kept { rows: RefCell::default(), memory: unsafe { pg_sys::CurrentMemoryContext } }
    }
}

impl Receiver for Kept {
    fn take(&self, row: &answer::Row) -> Result<(), PgError> {
        self.rows.borrow_mut().push((row.copied(self.memory), row.score));
        Ok(())
    }
}
