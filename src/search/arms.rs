//! Searching by words, by the vector or by both, and fusing what they find.
//!
//! All statements of a search read on one snapshot: that of the statement that calls it.

use std::collections::HashMap;
use std::rc::Rc;

use pgrx::datum::{DatumWithOid, Uuid};

use pgai_rs_pipeline::search::fusion::{Arm, Fused, fuse};

use super::answer::{self, Answer, InArm, Receiver};
use super::choosing::{chosen, most_candidates, note_choice};
use super::collection::Collection;
use super::prepared::Search;
use super::request::Request;
use super::statement::column;
use super::words::{self, Question, Scored, without_words};
use crate::pg::error::PgError;
use crate::pg::result::{Reads, ResultRows, with_rows};

/// Chunks that each arm looks for, for each one that is wanted: what one arm has in the middle, the other may have at its
/// beginning.
const FOUND_PER_ROW: usize = 4;

/// The least number of chunks that each arm looks for.
const LEAST_FOUND: usize = 60;

/// Factor by which more chunks are looked for if too few were left.
pub const GROWTH: usize = 4;

/// A search by words if there are any, and by the vector if there is one.
pub struct Arms<'a> {
    search: &'a Search<'a>,
    text: Option<TextArm<'a>>,
}

/// The arm of the words.
struct TextArm<'a> {
    question: Question,
    source: words::Source<'a>,
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
pub type Key = [u8; 16];

/// A chunk in the fused order.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The chunk.
    pub chunk: Key,
    /// The fused score, or that of the arm if there is one alone.
    pub score: f64,
    /// Its standing among what the vector has found.
    pub vector: Option<InArm>,
    /// Its standing among what the words have found.
    pub text: Option<InArm>,
}

impl<'a> Arms<'a> {
    /// Returns a search by the vector, if there is one, that has not begun.
    pub fn of_vector(search: &'a Search<'a>) -> Arms<'a> {
        Arms { search, text: None }
    }

    /// Returns a search for the words of a text, and by the vector if there is one, that has not begun.
    pub fn new(search: &'a Search<'a>, text: &str, collection: Rc<Collection>) -> Result<Arms<'a>, PgError> {
        let vectorizer = search.vectorizer;
        let (Some(words), Some(configuration)) = (&vectorizer.words, &search.configuration) else {
            return Err(without_words(&vectorizer.name));
        };
        let filter = search.request.filter.as_ref();
        let source = words::Source::new(words, vectorizer, &search.place, filter, search.steps);
        let question = Question::read(text, configuration, words, &collection)?;
        search.steps.note("words", |step| {
            step.rows = Some(question.len());
            step.detail("chunks_with", question.counts());
            Ok(())
        })?;
        Ok(Arms { search, text: Some(TextArm { question, source, collection }) })
    }

    /// Searches, and gives the rows that are found to the receiver.
    pub fn run(&self, receiver: &dyn Receiver) -> Result<(), PgError> {
        let mut most = self.depth(self.search.request.k);
        let limit = most_candidates(self.search.request, most);
        loop {
            let (fused, is_all) = self.fused(most)?;
            if self.answer(&fused, is_all || most >= limit, receiver)? {
                return Ok(());
            }
            most = most.saturating_mul(GROWTH).min(limit);
        }
    }

    /// Returns the number of chunks that each arm looks for first if so many are wanted.
    pub fn depth(&self, wanted: usize) -> usize {
        match self.text {
            // Of one arm alone, the first ones are the best.
            None => wanted,
            Some(_) => (FOUND_PER_ROW * wanted).max(LEAST_FOUND),
        }
    }

    /// Returns the chunks that the arms find if each looks for so many, the best first, and whether there are no more.
    pub fn fused(&self, most: usize) -> Result<(Vec<Standing>, bool), PgError> {
        let found = self.find(most)?;
        let fused = fuse(&found.arms, self.search.request.fusion);
        if found.arms.len() > 1 {
            self.note_fusion(&found, fused.len())?;
        }
        Ok((fused.iter().map(|fused| self.standing(&found, fused)).collect(), found.is_all))
    }

    fn note_fusion(&self, found: &Found, rows: usize) -> Result<(), PgError> {
        let Request { fusion, weights, .. } = self.search.request;
        self.search.steps.note("fusion", |step| {
            step.candidates = Some(found.arms.iter().map(|arm| arm.found.len()).sum());
            step.rows = Some(rows);
            step.detail("fusion", fusion.name());
            step.detail("vector_weight", weights.vector);
            step.detail("text_weight", weights.text);
            Ok(())
        })
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
        if let Some(TextArm { question, source, collection }) = &self.text {
            let (best, are_all) = source.best(question, collection, most)?;
            is_all &= are_all;
            arms.push(Arm { weight: weights.text, found: by_key(best) });
        }
        Ok(Found { arms, is_all })
    }

    /// Returns so many of the nearest chunks, the nearest first, with their scores, and whether there are no more.
    fn nearest(&self, most: usize) -> Result<(Vec<Scored>, bool), PgError> {
        let search = self.search;
        let statement = |way, most, candidates| search.statement.distances(way, most, candidates);
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

    /// Gives the rows that are chosen among the fused ones to the receiver, if they are enough or there are no more. Returns
    /// whether it did.
    fn answer(&self, fused: &[Standing], is_all: bool, receiver: &dyn Receiver) -> Result<bool, PgError> {
        let least = self.search.request.min_score.unwrap_or(f64::NEG_INFINITY);
        let good: Vec<&Standing> = fused.iter().filter(|standing| standing.score >= least).collect();
        let has_worse = good.len() < fused.len();
        let ids: Vec<Uuid> = good.iter().map(|standing| Uuid::from_bytes(standing.chunk)).collect();
        let args: [DatumWithOid<'_>; 2] = [self.search.vector(), ids.into()];

        with_rows(&self.search.statement.rows_of(), &args, Reads::AsTheCaller, |rows| {
            // What the arms have found on this snapshot is there, if the caller may see it.
            let by_id = rows_by_key(rows);
            let row_of = |standing: &&Standing| by_id.get(&standing.chunk).copied();
            let there: Vec<(&Standing, usize)> =
                good.iter().filter_map(|standing| Some((*standing, row_of(standing)?))).collect();
            let scored: Vec<(usize, f64)> =
                there.iter().map(|(standing, row)| (*row, standing.score)).collect();
            let chosen = chosen(self.search, rows, &scored);
            let is_enough = chosen.len() >= self.search.request.k || has_worse || is_all;
            note_choice(self.search, fused.len(), chosen.len(), is_enough)?;
            if !is_enough {
                return Ok(false);
            }

            for (place, index) in chosen.into_iter().enumerate() {
                let (standing, row) = there[index];
                let Standing { vector, text, .. } = *standing;
                let answer = Answer { place, score: standing.score, vector, text, rerank: None };
                answer::put(rows, row, receiver, &answer)?;
            }
            Ok(true)
        })
    }

    /// Returns the standing of a fused chunk in the arms.
    fn standing(&self, found: &Found, fused: &Fused<Key>) -> Standing {
        let of_arm = |number: usize| {
            let place = (*fused.places.get(number)?)?;
            Some(InArm { place, score: found.arms.get(number)?.found.get(place)?.1 })
        };
        let (vector, text) = match self.search.request.vector.is_some() {
            true => (of_arm(0), of_arm(1)),
            false => (None, of_arm(0)),
        };
        let score = match found.arms.len() {
            1 => vector.or(text).map_or(fused.score, |arm| arm.score),
            _ => fused.score,
        };
        Standing { chunk: fused.chunk, score, vector, text }
    }
}

/// Returns the rows of a result by the UUIDs of their chunks.
pub fn rows_by_key(rows: &ResultRows) -> HashMap<Key, usize> {
    let row_of = |row: usize| Some((*rows.value::<Uuid>(row, column::UUID)?.as_bytes(), row));
    (0..rows.len()).filter_map(row_of).collect()
}

/// Returns scored chunks by their UUIDs.
fn by_key(scored: Vec<Scored>) -> Vec<(Key, f64)> {
    scored.into_iter().map(|(id, score)| (*id.as_bytes(), score)).collect()
}
