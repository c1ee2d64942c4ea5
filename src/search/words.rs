//! The words of a question, and the chunks that have them.
//!
//! The chunks with the rarer words of a question are read, and scored here. A word that most chunks have says little about
//! any of them: it counts where it occurs, but no chunk is read for its sake alone, unless there are too few otherwise.

use std::collections::HashMap;

use pgrx::PgSqlErrorCode;
use pgrx::datum::{DatumWithOid, Uuid};
use serde_json::{Map, Value, json};

use pgai_rs_pipeline::search::bm25;
use pgai_rs_queue::quote::literal;
use pgai_rs_queue::sql::words::of_text;

use super::collection::Collection;
use super::described;
use super::filter::Filter;
use super::place::Place;
use super::steps::Steps;
use crate::catalog::vectorizer::Vectorizer;
use crate::catalog::words::{Configuration, Words};
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::pg::result::{Reads, ResultRows, with_rows};
use crate::pg::tsvector::each_word;

/// The largest number of chunks that are read and scored.
const MOST_CHUNKS: usize = 5_000;

/// The largest number of words of a question. Of a longer one the first in the order of Postgres's `tsvector` count.
const MOST_WORDS: usize = 256;

/// The alias of the table of words itself in a statement.
const WORDS_ALIAS: &str = "w";

/// The words of a question as the language of a vectorizer has them, without those that it leaves out.
pub struct Question {
    words: Vec<Word>,
}

/// A word of a question.
struct Word {
    text: Vec<u8>,
    /// The word as a `tsquery`.
    query: String,
    /// The number of chunks that have it.
    chunks: f64,
}

/// A chunk that has words of the question, with its score.
pub type Scored = (Uuid, f64);

impl Question {
    /// Reads a question, by the configuration that made the words of the chunks.
    pub fn read(
        question: &str,
        configuration: &Configuration,
        words: &Words,
        collection: &Collection,
    ) -> Result<Question, PgError> {
        let mut found = Vec::new();
        let read = format!("SELECT {}", of_text(configuration.oid.to_u32(), "$1"));
        with_pinned_path(|| {
            with_rows(&read, &[question.into()], Reads::AsTheCaller, |rows| {
                let note = |word: &[u8], _| found.push(word.to_vec());
                if let Some(datum) = rows.datum(0, 1) {
                    // SAFETY: the query returns a `tsvector`.
                    unsafe { each_word(datum, note) };
                }
                Ok(())
            })
        })?;

        found.truncate(MOST_WORDS);
        let queries: Vec<String> = found.iter().map(|word| query(word)).collect();
        let counts = counts(&found, &queries, words, collection)?;
        let parts = found.into_iter().zip(queries).zip(counts);
        let mut words: Vec<Word> =
            parts.map(|((text, query), chunks)| Word { text, query, chunks }).collect();
        words.sort_by(|left, right| left.chunks.total_cmp(&right.chunks));
        Ok(Question { words })
    }

    /// Returns the number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns the number of chunks with each word, by the word. Of common words it is an estimate.
    pub fn counts(&self) -> Map<String, Value> {
        let count = |word: &Word| {
            (String::from_utf8_lossy(&word.text).into_owned(), json!(word.chunks.round() as u64))
        };
        self.words.iter().map(count).collect()
    }

    /// Returns the conditions by which chunks are looked for, each to be tried if the one before has found too few.
    fn conditions(&self) -> Vec<String> {
        let joined = |words: &[Word], operator: &str| {
            words.iter().map(|word| word.query.as_str()).collect::<Vec<_>>().join(operator)
        };
        let mut read = 0.0;
        let is_within = |word: &&Word| {
            read += word.chunks;
            read <= MOST_CHUNKS as f64
        };
        let rare = self.words.iter().take_while(is_within).count();

        let all = joined(&self.words, " | ");
        match rare {
            _ if self.words.is_empty() => Vec::new(),
            0 => vec![joined(&self.words, " & "), all],
            rare if rare == self.words.len() => vec![all],
            rare => vec![joined(&self.words[..rare], " | "), all],
        }
    }
}

/// Returns a word as a `tsquery`.
fn query(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Returns the number of chunks with each word: that of Postgres's statistics if it is among the common ones, else it is
/// counted.
fn counts(
    words: &[Vec<u8>],
    queries: &[String],
    of: &Words,
    collection: &Collection,
) -> Result<Vec<f64>, PgError> {
    let known: Vec<Option<f64>> = words.iter().map(|word| collection.chunks_with(word)).collect();
    let unknown: Vec<&String> =
        queries.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(query, _)| query).collect();
    if unknown.is_empty() {
        return Ok(known.into_iter().flatten().collect());
    }

    let table = of.table.qualified();
    let counted = unknown.iter().map(|query| {
        format!(
            "(SELECT pg_catalog.count(*) FROM (SELECT FROM {table} AS w
              WHERE w.words OPERATOR(pg_catalog.@@) {}::pg_catalog.tsquery LIMIT {}) AS found)",
            literal(query),
            MOST_CHUNKS + 1,
        )
    });
    let count = format!("SELECT {}", counted.collect::<Vec<_>>().join(", "));
    let counted: Vec<f64> = with_rows(&count, &[], Reads::AsTheCaller, |rows| {
        Ok((1..=unknown.len()).map(|column| rows.value::<i64>(0, column).unwrap_or(0) as f64).collect())
    })?;

    let mut counted = counted.into_iter();
    Ok(known.into_iter().map(|known| known.or_else(|| counted.next()).unwrap_or(0.0)).collect())
}

/// The relation in which chunks are looked for by their words.
pub struct Source<'a> {
    /// The table of words.
    words: &'a Words,
    /// Its alias, which is not the name of the source, by which a filter may call its columns. Of its own columns none has
    /// a name of a column of the view, which a filter may call as well.
    alias: &'static str,
    /// What is joined to it, after a blank; empty if nothing is.
    joined: String,
    /// The condition beside that on the words, after `AND`; empty if there is none.
    condition: String,
    /// The steps of the search.
    steps: &'a Steps,
}

impl<'a> Source<'a> {
    /// Returns where a search finds words: in their table alone, unless a filter looks at the rows as well.
    pub fn new(
        words: &'a Words,
        vectorizer: &Vectorizer,
        place: &Place,
        filter: Option<&Filter>,
        steps: &'a Steps,
    ) -> Source<'a> {
        let alias = match vectorizer.source.name.as_str() {
            "_words" => "_words_of",
            _ => "_words",
        };
        let Some(filter) = filter else {
            return Source { words, alias, joined: String::new(), condition: String::new(), steps };
        };
        let chunk = place.alias(vectorizer);
        Source {
            words,
            alias,
            joined: format!(
                " JOIN {} ON {chunk}.embedding_uuid OPERATOR(pg_catalog.=) {alias}._uuid",
                place.relation(vectorizer)
            ),
            condition: format!(" AND {}", place.condition(vectorizer, &filter.in_parentheses())),
            steps,
        }
    }

    /// Returns at most `most` of the chunks that share words with the question, the best first, and whether there are no
    /// more.
    pub fn best(
        &self,
        question: &Question,
        collection: &Collection,
        most: usize,
    ) -> Result<(Vec<Scored>, bool), PgError> {
        let texts_with: Vec<f64> = question.words.iter().map(|word| word.chunks).collect();
        let scores = bm25::Question::new(collection.as_bm25(), &texts_with);
        let places: HashMap<&[u8], usize> =
            question.words.iter().enumerate().map(|(place, word)| (word.text.as_slice(), place)).collect();

        let mut best = Vec::new();
        let conditions = question.conditions();
        for condition in &conditions {
            best = self.scored(condition, most, |rows| score_rows(rows, &scores, &places))?;
            if best.len() >= most {
                break;
            }
        }
        let is_all = best.len() < most || best.len() == MOST_CHUNKS;
        // Of equals the order must not depend on how Postgres found them.
        best.sort_by(|(one, left), (other, right)| {
            right.total_cmp(left).then_with(|| one.as_bytes().cmp(other.as_bytes()))
        });
        best.truncate(most);
        Ok((best, is_all))
    }

    /// Returns the chunks that satisfy a condition on their words, of which `most` will be left.
    fn scored(
        &self,
        condition: &str,
        most: usize,
        score: impl FnOnce(&ResultRows) -> Result<Vec<Scored>, PgError>,
    ) -> Result<Vec<Scored>, PgError> {
        let Source { words, alias, joined, condition: also, .. } = self;
        let table = words.table.qualified();
        let text = format!(
            "SELECT {alias}._uuid::pg_catalog.uuid, {alias}._lexemes::pg_catalog.tsvector
             FROM (SELECT {WORDS_ALIAS}.embedding_uuid AS _uuid, {WORDS_ALIAS}.words AS _lexemes FROM {table} AS {WORDS_ALIAS}) AS {alias}{joined}
             WHERE {alias}._lexemes OPERATOR(pg_catalog.@@) {}::pg_catalog.tsquery{also} LIMIT {MOST_CHUNKS}",
            literal(condition),
        );
        let none: [DatumWithOid<'_>; 0] = [];
        let scored = with_rows(&text, &none, Reads::AsTheCaller, score)?;
        self.steps.note("text", |step| {
            step.candidates = Some(scored.len());
            step.rows = Some(scored.len().min(most));
            described::words(step, WORDS_ALIAS, &text)
        })?;
        Ok(scored)
    }
}

/// Returns the chunks of a result, with their scores.
fn score_rows(
    rows: &ResultRows,
    scores: &bm25::Question,
    places: &HashMap<&[u8], usize>,
) -> Result<Vec<Scored>, PgError> {
    let mut scored = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        pgrx::check_for_interrupts!();
        let (Some(id), Some(words)) = (rows.value::<Uuid>(row, 1), rows.datum(row, 2)) else { continue };
        let mut occurrences = vec![0; places.len()];
        let mut length: u32 = 0;
        let note = |word: &[u8], times: u32| {
            length = length.saturating_add(times);
            if let Some(place) = places.get(word) {
                occurrences[*place] = times;
            }
        };
        // SAFETY: the query makes a `tsvector` of the column.
        unsafe { each_word(words, note) };
        scored.push((id, scores.score(&occurrences, length)));
    }
    Ok(scored)
}

/// Returns the error for a search for words where there are none.
pub fn without_words(name: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("vectorizer \"{name}\" does not keep the words of its chunks"),
    )
    .with_hint(format!(
        "SELECT ai.alter_vectorizer({}, search => ai.search_hybrid()); or search with mode => 'vector'.",
        literal(name)
    ))
}
