//! `ai.chunk_text` and `ai.chunk_text_recursively`: chunking of given texts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pgrx::pg_sys;
use pgrx::prelude::*;

use pgai_rs_pipeline::chunk::{Allowance, ChunkError, chunker};
use pgai_rs_pipeline::config::Chunking;

use super::network::await_work;
use crate::declare::chunking::sqlstate;
use crate::declare::config::ConfigPart;
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
    let config: ConfigPart<Chunking> = ConfigPart::parse("chunking", Some(config.0));
    let chunking = config.readable()?;
    let most = guc::pipeline().largest_document_memory();

    let chunks = if input.len() < SHORT && !searches(chunking) {
        chunker(chunking).and_then(|chunker| chunker.chunk(input, Allowance::new(most, PER_CHUNK)))
    } else {
        cut_aside(chunking.clone(), input.to_owned(), most)?
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

/// Held by the thread that chunks. One that is abandoned ends soon, but until then no other begins.
static CUTTING: Mutex<()> = Mutex::new(());

/// Compiles separators and chunks a text on a separate thread, while the main thread checks for Ctrl-C and
/// `statement_timeout`, which also stop the separate thread.
fn cut_aside(
    chunking: Chunking,
    input: String,
    most: u64,
) -> Result<Result<Vec<String>, ChunkError>, PgError> {
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    await_work(move || {
        let _alone = CUTTING.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = Allowance::new(most, PER_CHUNK).until_stopped(&stopped);
        chunker(&chunking)?.chunk(&input, allowance)
    })
}

/// Tells a thread on drop that nobody waits for it any more.
#[derive(Default)]
pub(super) struct StopOnDrop(pub(super) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn refused(error: ChunkError) -> PgError {
    let reason = error.to_string();
    let message = format!("could not split the text: {}", reason.trim_end_matches('.'));
    PgError::new(sqlstate(&error), message).with_hint(error.hint())
}
