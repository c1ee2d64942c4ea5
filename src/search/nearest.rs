//! Searching by the vector alone, and choosing among what is found.

use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};

use super::answer::{self, Answer, InArm};
use super::prepared::Search;
use super::request::Request;
use super::statement::{Way, column};
use super::tuning::tune;
use crate::pg::error::PgError;
use crate::pg::result::{Reads, ResultRows, ReturnedRows, with_rows};
use crate::pg::settings::SettingsLevel;

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

/// The fate of the rows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// They were returned.
    Returned,
    /// They are too few, and there are more to look at.
    More,
    /// They are too few, for the index gave up.
    IndexGaveUp,
}

impl<'a> Nearest<'a> {
    /// Returns a search that has not begun.
    pub fn new(search: &'a Search<'a>) -> Self {
        Nearest { search }
    }

    /// Searches, and returns the rows that are found.
    pub fn run(&self, returned: &ReturnedRows) -> Result<(), PgError> {
        let mut way = if self.search.request.exact { Way::Exactly } else { Way::AsPlanned };
        let mut limit = self.first_limit();
        loop {
            match self.attempt(way, limit, returned)? {
                Outcome::Returned => return Ok(()),
                Outcome::More => limit = limit.saturating_mul(GROWTH),
                Outcome::IndexGaveUp => way = Way::Exactly,
            }
        }
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

    /// Looks at so many chunks, and returns those that are chosen unless there is more to be done.
    fn attempt(&self, way: Way, limit: usize, returned: &ReturnedRows) -> Result<Outcome, PgError> {
        let text = self.search.statement.rows(way, limit);
        let level = SettingsLevel::open();
        if self.search.ordering.is_indexed {
            tune(&level, limit)?;
        }

        with_rows(&text, &[self.search.vector()], Reads::AsTheCaller, |rows| {
            let found = self.candidates(rows);
            let chosen = self.choose(&found);
            let is_enough = chosen.len() == self.search.request.k || found.has_worse;
            if !is_enough && rows.len() == limit {
                return Ok(Outcome::More);
            }
            if !is_enough && way == Way::AsPlanned && self.search.uses_index(&text)? {
                return Ok(Outcome::IndexGaveUp);
            }
            chosen
                .into_iter()
                .enumerate()
                .try_for_each(|(place, index)| self.put(rows, found.rows[index], place, returned))?;
            Ok(Outcome::Returned)
        })
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

    /// Returns a row that was chosen.
    fn put(
        &self,
        rows: &ResultRows,
        row: usize,
        place: usize,
        returned: &ReturnedRows,
    ) -> Result<(), PgError> {
        let distance = rows.value::<f64>(row, column::DISTANCE);
        let score = distance.map(|distance| self.search.ordering.metric.score(distance));
        let vector = score.map(|score| InArm { place, score });
        answer::put(rows, row, returned, &Answer { place, score, vector, text: None })
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
