//! `ai.chunk_text` and `ai.chunk_text_recursively`: chunking of given texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::chunk::{Allowance, ChunkError, Chunker, chunker};
use pgai_rs_pipeline::config::Chunking;

use super::network::await_work;
use crate::declare::config::readable;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::json::Json;

/// Memory in bytes that a chunk takes in addition to its text.
const PER_CHUNK: u64 = 64;
/// Texts of fewer bytes are chunked on the main thread: it takes no longer than pressing Ctrl-C, unless a
/// regular expression runs away.
const SHORT: usize = 8 << 10;

#[pg_extern(sql = false)]
fn chunks_given(
    input: Option<&str>,
    config: Option<Json>,
) -> Result<TableIterator<'static, (name!(seq, i64), name!(chunk, String))>, pg_sys::panic::ErrorReport> {
    let (Some(input), Some(config)) = (input, config) else { return Ok(TableIterator::new([])) };
    let chunking: Chunking = readable("chunking", Some(&config.0))?;
    let chunker = chunker(&chunking).map_err(refused)?;
    let most = guc::pipeline().largest_document_memory();

    let chunks = if input.len() < SHORT && !searches(&chunking) {
        chunker.chunk(input, Allowance::new(most, PER_CHUNK))
    } else {
        cut_aside(chunker, input.to_owned(), most)?
    };
    Ok(TableIterator::new((0..).zip(chunks.map_err(refused)?)))
}

/// Returns whether the chunker searches for a regular expression, which can take long even on a short text.
fn searches(chunking: &Chunking) -> bool {
    matches!(
        chunking,
        Chunking::CharacterTextSplitter { is_separator_regex: true, .. }
            | Chunking::RecursiveCharacterTextSplitter { is_separator_regex: true, .. }
    )
}

/// Chunks a text on a separate thread, while the main thread checks for Ctrl-C and `statement_timeout`, which
/// also stop the separate thread.
fn cut_aside(
    chunker: Box<dyn Chunker>,
    input: String,
    most: u64,
) -> Result<Result<Vec<String>, ChunkError>, PgError> {
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    await_work(move || chunker.chunk(&input, Allowance::new(most, PER_CHUNK).until_stopped(&stopped)))
}

/// Tells a thread on drop that nobody waits for it any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn refused(error: ChunkError) -> PgError {
    let code = match error {
        ChunkError::TooLarge { .. } | ChunkError::TooSlow { .. } => {
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED
        }
        _ => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
    };
    let reason = error.to_string();
    let message = format!("could not split the text: {}", reason.trim_end_matches('.'));
    PgError::new(code, message).with_hint(error.hint())
}
