//! Searching by the vector alone, and choosing among what is found.

use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};

use super::answer::{self, Answer, InArm, Receiver};
use super::choosing::{most_candidates, note_choice};
use super::prepared::Search;
use super::request::Request;
use super::statement::column;
use crate::pg::error::PgError;
use crate::pg::result::ResultRows;

/// Chunks that are looked at for each one that is wanted, where some are left out.
const FOUND_PER_ROW: usize = 4;

/// Factor by which more chunks are looked at if too few were left.
const GROWTH: usize = 4;

/// The least number of chunks among which unlike ones are looked for.
const LEAST_FOR_DIVERSITY: usize = 40;

/// A search for the nearest chunks.
pub struct Nearest<'a> {
    search: &'a Search<'a>,
}

impl<'a> Nearest<'a> {
    /// Returns a search that has not begun.
    pub fn new(search: &'a Search<'a>) -> Self {
        Nearest { search }
    }

    /// Searches, and gives the rows that are found to the receiver.
    pub fn run(&self, receiver: &dyn Receiver) -> Result<(), PgError> {
        let mut way = self.search.first_way();
        let mut limit = self.first_limit();
        let most = most_candidates(self.search.request, limit);
        let statement = |way, limit, candidates| self.search.statement.rows(way, limit, candidates);
        let answer = |rows: &ResultRows, are_all| self.answer(rows, are_all || rows.len() >= most, receiver);
        while self.search.nearest(&mut way, limit, statement, answer)?.is_none() {
            limit = limit.saturating_mul(GROWTH).min(most);
        }
        Ok(())
    }

    /// Returns the number of chunks to look at first.
    fn first_limit(&self) -> usize {
        let Request { k, per_document, diversity, .. } = *self.search.request;
        match (per_document, diversity) {
            (None, None) => k,
            (Some(_), None) => FOUND_PER_ROW * k,
            (_, Some(_)) => (FOUND_PER_ROW * k).max(LEAST_FOR_DIVERSITY),
        }
    }

    /// Gives the rows that are chosen to the receiver, if they are enough or no more are looked at; `None` if it did not.
    fn answer(
        &self,
        rows: &ResultRows,
        are_all: bool,
        receiver: &dyn Receiver,
    ) -> Result<Option<()>, PgError> {
        let found = self.candidates(rows);
        let chosen = self.choose(&found);
        let is_enough = chosen.len() == self.search.request.k || found.has_worse;
        let is_answer = is_enough || are_all;
        note_choice(self.search, rows.len(), chosen.len(), is_answer)?;
        if !is_answer {
            return Ok(None);
        }

        for (place, index) in chosen.into_iter().enumerate() {
            self.put(rows, &found, index, place, receiver)?;
        }
        Ok(Some(()))
    }

    /// Returns the rows that may be chosen, the best first.
    fn candidates(&self, rows: &ResultRows) -> Found {
        let request = self.search.request;
        let score = |distance: f64| self.search.ordering.metric.score(distance);
        let least = request.min_score.unwrap_or(f64::NEG_INFINITY);
        let mut distances: Vec<(usize, f64)> = (0..rows.len())
            .filter_map(|row| rows.value::<f64>(row, column::DISTANCE).map(|distance| (row, distance)))
            // A vector of zeros has no angle to any other.
            .filter(|(_, distance)| distance.is_finite() && score(*distance) >= least)
            .collect();
        // A stable sort: of equals the first comes first, in whatever order Postgres found them.
        distances.sort_by(|(_, left), (_, right)| left.total_cmp(right));

        let candidate = |&(row, distance): &(usize, f64)| Candidate {
            score: score(distance),
            document: request
                .per_document
                .and_then(|_| rows.value(row, column::DOCUMENT))
                .unwrap_or_default(),
            vector: request.diversity.and_then(|_| rows.value(row, column::VECTOR)).unwrap_or_default(),
        };
        Found {
            candidates: distances.iter().map(candidate).collect(),
            rows: distances.iter().map(|(row, _)| *row).collect(),
            has_worse: distances.len() < rows.len(),
        }
    }

    fn choose(&self, found: &Found) -> Vec<usize> {
        let Request { k, per_document, diversity, .. } = *self.search.request;
        let terms = Terms { k, per_document, diversity, metric: self.search.ordering.metric };
        choose(&found.candidates, &terms, || {
            pgrx::check_for_interrupts!();
        })
    }

    /// Gives a row that was chosen to the receiver.
    fn put(
        &self,
        rows: &ResultRows,
        found: &Found,
        index: usize,
        place: usize,
        receiver: &dyn Receiver,
    ) -> Result<(), PgError> {
        let score = found.candidates[index].score;
        let vector = Some(InArm { place, score });
        let answer = Answer { place, score, vector, text: None, rerank: None };
        answer::put(rows, found.rows[index], receiver, &answer)
    }
}

/// The rows of an attempt that may be chosen.
struct Found {
    candidates: Vec<Candidate>,
    /// The row of the result for each candidate.
    rows: Vec<usize>,
    /// True if there were rows that may not be chosen: of all that follow none may.
    has_worse: bool,
}
