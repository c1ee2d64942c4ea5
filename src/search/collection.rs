//! The statistics of a vectorizer's words: how many chunks there are, how long they are, and which words are common.
//!
//! They are those of the caller: with row security nothing of other rows shows in a score.

use std::collections::HashMap;

use pgai_rs_pipeline::search::bm25;

use crate::catalog::words::Words;
use crate::pg::error::PgError;
use crate::pg::result::{Reads, with_rows};
use crate::pg::sql::{self, Row};
use crate::pg::tsvector::each_word;

/// The number of chunks by which the mean length is estimated. They are those with the lowest UUIDs, which are random.
const SAMPLE: usize = 300;

/// The number of chunks up to which they are counted where the table was not analyzed yet.
const MOST_COUNTED: usize = 100_000;

/// The statistics of a vectorizer's words.
#[derive(Debug, Clone)]
pub struct Collection {
    chunks: f64,
    mean_length: f64,
    /// The part of all chunks, from 0 to 1, that has each of the common words.
    common: HashMap<Vec<u8>, f64>,
    /// True if it is from ANALYZE, which Postgres tells of when it runs again, and so about all chunks.
    pub is_analyzed: bool,
}

/// The number of chunks by Postgres's estimate, less than 1 if there is none, or if the caller sees a part of them only.
const ESTIMATE: &str = "
    SELECT CASE WHEN pg_catalog.row_security_active(c.oid) THEN 0 ELSE c.reltuples END::pg_catalog.float8
    FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1";

/// The largest length in bytes of the list of common words that is read; the usual one has some 10,000. The table's owner may
/// have Postgres keep statistics of as many words as it likes.
const MOST_COMMON: i32 = 1 << 20;

/// The common words with the parts of all chunks that have them, of which the last few are other numbers. Postgres shows
/// them to those who may read all rows. `$3`: the largest length of the list.
const COMMON: &str = "
    SELECT s.most_common_elems::pg_catalog.text::pg_catalog.text[], s.most_common_elem_freqs::pg_catalog.float8[]
    FROM pg_catalog.pg_stats s
    WHERE s.schemaname::pg_catalog.text OPERATOR(pg_catalog.=) $1 AND s.tablename::pg_catalog.text OPERATOR(pg_catalog.=) $2
      AND s.attname::pg_catalog.text OPERATOR(pg_catalog.=) 'words'
      AND pg_catalog.octet_length(s.most_common_elems::pg_catalog.text) OPERATOR(pg_catalog.<=) $3";

impl Collection {
    /// Reads the statistics, as the current user.
    pub fn read(words: &Words) -> Result<Collection, PgError> {
        let estimate = sql::read_now(ESTIMATE, &[words.table.oid.into()], |row| row.get::<f64>(1))?;
        let estimate = estimate.first().copied().filter(|chunks| *chunks >= 1.0);
        let chunks = match estimate {
            Some(chunks) => chunks,
            None => count(words)?,
        };
        let common = if estimate.is_some() { common(words)? } else { HashMap::new() };
        Ok(Collection { chunks, mean_length: mean_length(words)?, common, is_analyzed: estimate.is_some() })
    }

    /// Returns the number of chunks that have a word; `None` if it is not one of the common ones.
    pub fn chunks_with(&self, word: &[u8]) -> Option<f64> {
        self.common.get(word).map(|part| part * self.chunks)
    }

    /// Returns what scores are made of.
    pub fn as_bm25(&self) -> bm25::Collection {
        bm25::Collection { texts: self.chunks, mean_length: self.mean_length }
    }
}

fn count(words: &Words) -> Result<f64, PgError> {
    let table = words.table.qualified();
    let count =
        format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {table} AS w LIMIT {MOST_COUNTED}) AS found");
    with_rows(&count, &[], Reads::AsTheCaller, |rows| Ok(rows.value::<i64>(0, 1).unwrap_or(0) as f64))
}

fn common(words: &Words) -> Result<HashMap<Vec<u8>, f64>, PgError> {
    let table = &words.table;
    let args = [table.schema.clone().into(), table.name.clone().into(), MOST_COMMON.into()];
    let read = |row: &Row<'_>| {
        let texts = row.get_opt::<Vec<Option<String>>>(1)?.unwrap_or_default();
        let parts = row.get_opt::<Vec<Option<f64>>>(2)?.unwrap_or_default();
        Ok(texts.into_iter().zip(parts))
    };
    let found = sql::read_now(COMMON, &args, read)?;
    let pairs = found.into_iter().flatten();
    Ok(pairs.filter_map(|(text, part)| Some((text?.into_bytes(), part?))).collect())
}

fn mean_length(words: &Words) -> Result<f64, PgError> {
    let table = words.table.qualified();
    let sample = format!(
        "SELECT w.words::pg_catalog.tsvector FROM {table} AS w ORDER BY w.embedding_uuid LIMIT {SAMPLE}"
    );
    with_rows(&sample, &[], Reads::AsTheCaller, |rows| {
        let mut length: u64 = 0;
        for words in (0..rows.len()).filter_map(|row| rows.datum(row, 1)) {
            // SAFETY: the query makes a `tsvector` of the column.
            unsafe { each_word(words, |_, times| length += u64::from(times)) };
        }
        Ok(length as f64 / rows.len().max(1) as f64)
    })
}
