//! Ranking what was found by a model that reads the question with each chunk.
//!
//! It is asked between two readings, both on the snapshot of the statement that calls the search: nothing is being read
//! meanwhile, and it is asked as the caller, whoever reads.

use std::collections::HashMap;

use pgrx::datum::{DatumWithOid, Uuid};

use super::answer::{self, Answer, InArm, Receiver};
use super::arms::{Arms, GROWTH, Key, Standing, rows_by_key};
use super::choosing::{chosen, most_candidates, note_choice};
use super::prepared::Search;
use super::statement::column;
use super::steps::Step;
use crate::pg::error::PgError;
use crate::pg::result::{Reads, with_rows};

/// A model that tells how relevant chunks are to the question of a search.
pub trait Reranker {
    /// Returns the number of chunks that it is asked about.
    fn candidates(&self) -> usize;

    /// Returns the relevance of each text, in their order; `None` if it can't be told now, and the caller wants the order in
    /// which they were found.
    fn relevance(&self, texts: &[String]) -> Result<Option<Vec<f64>>, PgError>;

    /// Describes a step in which it was asked about these texts.
    fn describe(&self, step: &mut Step, texts: &[String]);
}

/// The chunks that were found for a model to rank.
pub struct Candidates {
    /// The chunks, the best first.
    chunks: Vec<Standing>,
    /// The text of each.
    texts: Vec<String>,
}

impl Candidates {
    /// Finds at most so many, as the current user. A chunk without text is none.
    pub fn find(search: &Search<'_>, arms: &Arms<'_>, most: usize) -> Result<Candidates, PgError> {
        let mut looked_for = arms.depth(most);
        let limit = most_candidates(search.request, looked_for);
        loop {
            let (fused, is_all) = arms.fused(looked_for)?;
            let candidates = Candidates::among(search, &fused, most)?;
            if candidates.chunks.len() == most || is_all || looked_for >= limit {
                candidates.note(search, fused.len())?;
                return Ok(candidates);
            }
            looked_for = looked_for.saturating_mul(GROWTH).min(limit);
        }
    }

    /// Notes that they were read, among so many.
    fn note(&self, search: &Search<'_>, fused: usize) -> Result<(), PgError> {
        search.steps.note("candidates", |step| {
            step.candidates = Some(fused);
            step.rows = Some(self.chunks.len());
            Ok(())
        })
    }

    /// Has a model tell their relevance; `None` if it can't.
    pub fn relevance(
        &self,
        search: &Search<'_>,
        reranker: &dyn Reranker,
    ) -> Result<Option<Vec<f64>>, PgError> {
        let relevance = reranker.relevance(&self.texts)?;
        search.steps.note("rerank", |step| {
            step.candidates = Some(self.texts.len());
            step.rows = relevance.as_ref().map(Vec::len);
            reranker.describe(step, &self.texts);
            if relevance.is_none() {
                step.detail("is_down", true);
            }
            Ok(())
        })?;
        Ok(relevance)
    }

    /// Returns the first of these chunks, at most so many, and reads the texts of few others.
    fn among(search: &Search<'_>, fused: &[Standing], most: usize) -> Result<Candidates, PgError> {
        let mut candidates = Candidates { chunks: Vec::new(), texts: Vec::new() };
        for part in fused.chunks(most.max(1)) {
            if candidates.chunks.len() == most {
                break;
            }
            let mut texts = texts(search, part)?;
            let missing = most - candidates.chunks.len();
            let with_text =
                part.iter().filter_map(|standing| Some((standing, texts.remove(&standing.chunk)?)));
            for (standing, text) in with_text.take(missing) {
                candidates.chunks.push(standing.clone());
                candidates.texts.push(text);
            }
        }
        Ok(candidates)
    }

    /// Gives the rows that are chosen to the receiver, as the current user. They are chosen by their relevance, of which `min_score` is the
    /// least; if that is not known, in the order in which they were found.
    pub fn answer(
        &self,
        search: &Search<'_>,
        relevance: Option<&[f64]>,
        receiver: &dyn Receiver,
    ) -> Result<(), PgError> {
        let ranked = self.ranked(relevance, search.request.min_score);
        let ids: Vec<Uuid> = ranked.iter().map(|(standing, _)| Uuid::from_bytes(standing.chunk)).collect();
        let args: [DatumWithOid<'_>; 2] = [search.vector(), ids.into()];

        with_rows(&search.statement.rows_of(), &args, Reads::AsTheCaller, |rows| {
            let by_id = rows_by_key(rows);
            let there: Vec<(&Standing, Option<InArm>, usize)> = ranked
                .iter()
                .filter_map(|(standing, rerank)| Some((*standing, *rerank, *by_id.get(&standing.chunk)?)))
                .collect();
            let score = |standing: &Standing, rerank: Option<InArm>| {
                rerank.map_or(standing.score, |in_arm| in_arm.score)
            };
            let scored: Vec<(usize, f64)> =
                there.iter().map(|(standing, rerank, row)| (*row, score(standing, *rerank))).collect();

            let chosen = chosen(search, rows, &scored);
            note_choice(search, self.chunks.len(), chosen.len(), true)?;
            for (place, index) in chosen.into_iter().enumerate() {
                let (Standing { vector, text, .. }, rerank, row) = there[index];
                let score = scored[index].1;
                let answer = Answer { place, score, vector: *vector, text: *text, rerank };
                answer::put(rows, row, receiver, &answer)?;
            }
            Ok(())
        })
    }

    /// Returns the chunks in their order, with their standing in that of the relevance.
    fn ranked(&self, relevance: Option<&[f64]>, least: Option<f64>) -> Vec<(&Standing, Option<InArm>)> {
        let Some(relevance) = relevance else {
            return self.chunks.iter().map(|standing| (standing, None)).collect();
        };

        let mut ranked: Vec<(&Standing, f64)> = self.chunks.iter().zip(relevance.iter().copied()).collect();
        // A stable sort: of equals the first comes first.
        ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        let with_place = |(place, (standing, score))| (standing, Some(InArm { place, score }));
        let least = least.unwrap_or(f64::NEG_INFINITY);
        ranked.into_iter().enumerate().take_while(|(_, (_, score))| *score >= least).map(with_place).collect()
    }
}

/// Returns the texts of chunks.
fn texts(search: &Search<'_>, chunks: &[Standing]) -> Result<HashMap<Key, String>, PgError> {
    let ids: Vec<Uuid> = chunks.iter().map(|standing| Uuid::from_bytes(standing.chunk)).collect();
    let args: [DatumWithOid<'_>; 2] = [search.vector(), ids.into()];
    with_rows(&search.statement.rows_of(), &args, Reads::AsTheCaller, |rows| {
        let text_of = |(key, row): (Key, usize)| {
            let text = rows.value::<String>(row, column::CHUNK).filter(|text| !text.trim().is_empty())?;
            Some((key, text))
        };
        Ok(rows_by_key(rows).into_iter().filter_map(text_of).collect())
    })
}
