//! Searching by words, beside the vector if there is one, and fusing what they find.
//!
//! All statements of a search read on one snapshot: that of the statement that calls it.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::datum::{DatumWithOid, Uuid};

use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};
use pgai_rs_pipeline::search::fusion::{Arm, Fused, fuse};

use super::answer::{self, Answer, InArm};
use super::collection::Collection;
use super::prepared::Search;
use super::request::Request;
use super::statement::column;
use super::words::{Question, Scored, Source, without_words};
use crate::pg::error::PgError;
use crate::pg::result::{Reads, ResultRows, ReturnedRows, with_rows};

/// Chunks that each arm looks for, for each one that is wanted: what one arm has in the middle, the other may have at its
/// beginning.
const FOUND_PER_ROW: usize = 4;

/// The least number of chunks that each arm looks for.
const LEAST_FOUND: usize = 60;

/// Factor by which more chunks are looked for if too few were left.
const GROWTH: usize = 4;

/// A search by words, and by the vector if there is one.
pub struct Arms<'a> {
    search: &'a Search<'a>,
    question: Question,
    source: Source<'a>,
    collection: Rc<Collection>,
}

/// The chunks that the arms have found.
struct Found {
    /// Those that the vector has found, if there is one, and those that the words have found.
    arms: Vec<Arm<Key>>,
    /// True if there is no more to be found.
    is_all: bool,
}

/// The UUID of a chunk.
type Key = [u8; 16];

impl<'a> Arms<'a> {
    /// Returns a search for the words of a text that has not begun.
    pub fn new(search: &'a Search<'a>, text: &str, collection: Rc<Collection>) -> Result<Arms<'a>, PgError> {
        let vectorizer = search.vectorizer;
        let words = vectorizer.words.as_ref().ok_or_else(|| without_words(&vectorizer.name))?;
        let source = Source::new(words, vectorizer, &search.place, search.request.filter.as_ref());
        Ok(Arms { search, question: Question::read(text, words, &collection)?, source, collection })
    }

    /// Searches, and returns the rows that are found.
    pub fn run(&self, returned: &ReturnedRows) -> Result<(), PgError> {
        let mut most = (FOUND_PER_ROW * self.search.request.k).max(LEAST_FOUND);
        loop {
            let found = self.find(most)?;
            let fused = fuse(&found.arms, self.search.request.fusion);
            if self.answer(&found, &fused, returned)? {
                return Ok(());
            }
            most = most.saturating_mul(GROWTH);
        }
    }

    /// Has each arm look for so many chunks.
    fn find(&self, most: usize) -> Result<Found, PgError> {
        let Request { weights, vector, .. } = self.search.request;
        let mut arms = Vec::new();
        let mut is_all = true;
        if vector.is_some() {
            let (nearest, are_all) = self.nearest(most)?;
            is_all &= are_all;
            arms.push(Arm { weight: weights.vector, found: by_key(nearest) });
        }
        let (best, are_all) = self.source.best(&self.question, &self.collection, most)?;
        is_all &= are_all;
        arms.push(Arm { weight: weights.text, found: by_key(best) });
        Ok(Found { arms, is_all })
    }

    /// Returns so many of the nearest chunks, the nearest first, with their scores, and whether there are no more.
    fn nearest(&self, most: usize) -> Result<(Vec<Scored>, bool), PgError> {
        let search = self.search;
        let statement = |way, most| search.statement.distances(way, most);
        let scored = |rows: &ResultRows, are_all| {
            let is_enough = are_all || rows.len() == most;
            Ok(is_enough.then(|| (self.scored(rows), are_all)))
        };
        let found = search.nearest(&mut search.first_way(), most, statement, scored)?;
        found.ok_or_else(|| PgError::internal("an exact search did not find all"))
    }

    /// Returns the chunks of a result with the scores of their distances, the nearest first. A vector of zeros is left
    /// out: it has no angle to any other.
    fn scored(&self, rows: &ResultRows) -> Vec<Scored> {
        let metric = &self.search.ordering.metric;
        let mut scored = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            let (id, distance) = (rows.value::<Uuid>(row, 1), rows.value::<f64>(row, 2));
            if let (Some(id), Some(distance)) = (id, distance.filter(|distance| distance.is_finite())) {
                scored.push((id, metric.score(distance)));
            }
        }
        scored.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        scored
    }

    /// Returns the rows that are chosen among the fused ones, if they are enough or there are no more. Returns whether it
    /// did.
    fn answer(&self, found: &Found, fused: &[Fused<Key>], returned: &ReturnedRows) -> Result<bool, PgError> {
        let least = self.search.request.min_score.unwrap_or(f64::NEG_INFINITY);
        let scored = |place: usize| self.score(found, &fused[place]);
        let good: Vec<usize> = (0..fused.len()).filter(|place| scored(*place) >= least).collect();
        let has_worse = good.len() < fused.len();
        let ids: Vec<Uuid> = good.iter().map(|place| Uuid::from_bytes(fused[*place].chunk)).collect();
        let args: [DatumWithOid<'_>; 2] = [self.search.vector(), ids.into()];

        with_rows(&self.search.statement.rows_of(), &args, Reads::AsTheCaller, |rows| {
            let by_id: HashMap<Key, usize> = (0..rows.len())
                .filter_map(|row| Some((*rows.value::<Uuid>(row, column::UUID)?.as_bytes(), row)))
                .collect();
            // What the arms have found on this snapshot is there, if the caller may see it.
            let there: Vec<(usize, usize)> =
                good.iter().filter_map(|place| Some((*place, *by_id.get(&fused[*place].chunk)?))).collect();
            let chosen = self.choose(rows, &there, scored);
            if chosen.len() < self.search.request.k && !has_worse && !found.is_all {
                return Ok(false);
            }

            for (rank, index) in chosen.into_iter().enumerate() {
                let (place, row) = there[index];
                let (vector, text) = self.standing(found, &fused[place]);
                let answer = Answer { place: rank, score: Some(scored(place)), vector, text };
                answer::put(rows, row, returned, &answer)?;
            }
            Ok(true)
        })
    }

    /// Returns the score of a chunk: its own if there is one arm alone.
    fn score(&self, found: &Found, fused: &Fused<Key>) -> f64 {
        match (found.arms.as_slice(), fused.places.as_slice()) {
            ([arm], [Some(place)]) => arm.found[*place].1,
            _ => fused.score,
        }
    }

    /// Chooses among rows, given as places in the fused order with rows of the result.
    fn choose(
        &self,
        rows: &ResultRows,
        there: &[(usize, usize)],
        score: impl Fn(usize) -> f64,
    ) -> Vec<usize> {
        let Request { k, per_document, diversity, .. } = *self.search.request;
        // Diversity weighs scores against similarities, which are 1 at most.
        let best = there.first().map_or(1.0, |(place, _)| score(*place));
        let candidate = |&(place, row): &(usize, usize)| Candidate {
            score: score(place) / if best > 0.0 { best } else { 1.0 },
            document: per_document.and_then(|_| rows.value(row, column::DOCUMENT)).unwrap_or_default(),
            vector: diversity.and_then(|_| rows.value(row, column::VECTOR)).unwrap_or_default(),
        };
        let candidates: Vec<Candidate> = there.iter().map(candidate).collect();
        let terms = Terms { k, per_document, diversity, metric: self.search.ordering.metric };
        choose(&candidates, &terms, || {
            pgrx::check_for_interrupts!();
        })
    }

    /// Returns the standing of a chunk in the arm of the vector and in that of the words.
    fn standing(&self, found: &Found, fused: &Fused<Key>) -> (Option<InArm>, Option<InArm>) {
        let of_arm = |number: usize| {
            let place = (*fused.places.get(number)?)?;
            Some(InArm { place, score: found.arms.get(number)?.found.get(place)?.1 })
        };
        match found.arms.len() {
            1 => (None, of_arm(0)),
            _ => (of_arm(0), of_arm(1)),
        }
    }
}

/// Returns scored chunks by their UUIDs.
fn by_key(scored: Vec<Scored>) -> Vec<(Key, f64)> {
    scored.into_iter().map(|(id, score)| (*id.as_bytes(), score)).collect()
}
