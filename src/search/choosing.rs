//! The choice among the rows that were found.

use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};

use super::prepared::Search;
use super::request::Request;
use super::statement::column;
use crate::pg::error::PgError;
use crate::pg::result::ResultRows;

/// The most chunks among which rows are chosen, and the most if vectors are compared, each of which takes kilobytes. If there are too few
/// by then, such as of documents of which each has many chunks, they are all that is answered.
const MOST_CANDIDATES: usize = 50_000;
const MOST_VECTORS: usize = 10_000;

/// Returns the largest number of chunks that are looked at for a request, of which so many are looked at first.
pub fn most_candidates(request: &Request, first: usize) -> usize {
    let most = if request.diversity.is_some() { MOST_VECTORS } else { MOST_CANDIDATES };
    most.max(first)
}

/// Returns the indexes of the chosen ones among rows with their scores, which are sorted, the best first.
pub fn chosen(search: &Search<'_>, rows: &ResultRows, scored: &[(usize, f64)]) -> Vec<usize> {
    let Request { k, per_document, diversity, .. } = *search.request;
    // Diversity weighs scores against similarities, which are 1 at most.
    let best = scored.first().map_or(1.0, |(_, score)| *score);
    let candidate = |&(row, score): &(usize, f64)| Candidate {
        score: score / if best > 0.0 { best } else { 1.0 },
        document: per_document.and_then(|_| rows.value(row, column::DOCUMENT)).unwrap_or_default(),
        vector: diversity.and_then(|_| rows.value(row, column::VECTOR)).unwrap_or_default(),
    };
    let candidates: Vec<Candidate> = scored.iter().map(candidate).collect();
    let terms = Terms { k, per_document, diversity, metric: search.ordering.metric };
    choose(&candidates, &terms, || {
        pgrx::check_for_interrupts!();
    })
}

/// Notes that rows were chosen among candidates: by the least score, by the most chunks of a document, and for being unlike
/// others. If they are too few and no answer, more will be looked for.
pub fn note_choice(
    search: &Search<'_>,
    candidates: usize,
    rows: usize,
    is_answer: bool,
) -> Result<(), PgError> {
    search.steps.note("choose", |step| {
        step.candidates = Some(candidates);
        step.rows = Some(rows);
        if !is_answer {
            step.detail("too_few", true);
        }
        Ok(())
    })
}
