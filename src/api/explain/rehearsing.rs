//! Taking rows through the stages of the worker, up to the model.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec;

use pgai_rs_pipeline::config::{Loading, VectorizerConfig};
use pgai_rs_pipeline::document;
use pgai_rs_pipeline::embed::cl100k_tokens;
use pgai_rs_pipeline::failure::{Failure, Scope};
use pgai_rs_pipeline::run::{Rehearsal, Rehearsed};
use pgai_rs_pipeline::usage::Meter;
use pgai_rs_queue::sample::Chosen;

use super::source::ExplainedSource;
use crate::access::s3;
use crate::api::chunking::StopOnDrop;
use crate::api::documents::failed;
use crate::api::network::{await_answer, await_work};
use crate::catalog::spending::{self, LoadedInSession};
use crate::guc;
use crate::pg::error::PgError;

/// The time that a document has beside that for loading and for parsing.
const MORE_TIME: Duration = Duration::from_secs(60);

/// The number of documents that are taken through before their tokens are counted.
const AT_A_TIME: usize = 32;

/// The number of bytes of their texts after which these are counted before there are more. One document's may be as many as the
/// worker allows.
const MOST_HELD: usize = 4 << 20;

/// A row that was looked at.
pub struct Looked {
    /// Its weight.
    pub weight: f64,
    /// The number of bytes that were loaded for it.
    pub loaded: f64,
    /// The number of its chunks.
    pub chunks: f64,
    /// The bytes of their texts.
    pub chunk_bytes: f64,
    /// The number of texts that would be sent.
    pub inputs: f64,
    /// The bytes of these.
    pub bytes: f64,
    /// Their tokens in `cl100k_base`.
    pub tokens: f64,
    /// The seconds that loading, parsing and cutting it took.
    pub seconds: f64,
    /// The failure with which the worker would set it aside.
    pub failure: Option<Failure>,
}

/// Takes rows through the stages, one after the other. Errors if a document could not be loaded for a reason that concerns all.
pub fn rehearse(
    source: &ExplainedSource,
    config: &VectorizerConfig,
    chosen: Vec<Chosen>,
) -> Result<Vec<Looked>, PgError> {
    let settings = Arc::new(guc::pipeline());
    let mut config = config.clone();
    if let Loading::Uri { s3: access, .. } = &mut config.loading {
        *access = s3::declared_by(access, source.author);
    }
    let loaded = LoadedInSession::new();
    let vectorizer = document::Vectorizer {
        id: 0,
        name: String::new(),
        config,
        author: source.author,
        api_key: None,
        account: loaded.account(),
        meter: Meter::default(),
        comes_last: false,
    };
    let rehearsal = Rehearsal::new(&Arc::new(vectorizer), &settings);
    let longest = 2 * settings.load_timeout + settings.parse_timeout + MORE_TIME;

    let mut looked = Vec::with_capacity(chosen.len());
    let mut chosen = chosen.into_iter();
    while !chosen.as_slice().is_empty() {
        if source.by_address {
            spending::require_bytes_in_session()?;
        }
        let rehearsed = await_answer(longest * AT_A_TIME as u32, rehearse_some(&rehearsal, &mut chosen))?;
        let rehearsed = rehearsed.ok_or_else(|| PgError::internal("documents were not read in time"))?;
        loaded.note();
        looked.extend(counted(rehearsed)?);
    }
    Ok(looked)
}

/// A row that was taken through the stages.
struct Done {
    weight: f64,
    seconds: f64,
    result: Result<Rehearsed, Failure>,
}

/// Takes the next rows through the stages, until one fails for a reason that concerns all, or there are enough texts to count.
async fn rehearse_some(rehearsal: &Rehearsal, rows: &mut vec::IntoIter<Chosen>) -> Vec<Done> {
    let mut done = Vec::with_capacity(AT_A_TIME);
    let mut held = 0;
    while done.len() < AT_A_TIME && held < MOST_HELD {
        let Some(Chosen { weight, payload, fields }) = rows.next() else { break };
        let began = Instant::now();
        let result = rehearsal.document(payload, fields).await;

        held += result.as_ref().map_or(0, |document| bytes(&document.inputs));
        let concerns_all = result.as_ref().is_err_and(|failure| failure.scope != Scope::Row);
        done.push(Done { weight, seconds: began.elapsed().as_secs_f64(), result });
        if concerns_all {
            break;
        }
    }
    done
}

fn bytes(inputs: &[Arc<str>]) -> usize {
    inputs.iter().map(|input| input.len()).sum()
}

/// Counts the tokens of documents, off this thread: a long text takes its time, and the session hears Ctrl-C, which ends the
/// counting, too.
fn counted(done: Vec<Done>) -> Result<Vec<Looked>, PgError> {
    let mut looked = Vec::with_capacity(done.len());
    let mut inputs = Vec::with_capacity(done.len());
    for Done { weight, seconds, result } in done {
        let (document, failure) = match result {
            Ok(document) => (document, None),
            Err(failure) if failure.scope == Scope::Row => (Rehearsed::default(), Some(failure)),
            Err(failure) => return Err(failed(failure)),
        };
        looked.push(Looked {
            weight,
            loaded: document.loaded as f64,
            chunks: document.chunks as f64,
            chunk_bytes: document.chunk_bytes as f64,
            inputs: document.inputs.len() as f64,
            bytes: bytes(&document.inputs) as f64,
            tokens: 0.0,
            seconds,
            failure,
        });
        inputs.push(document.inputs);
    }

    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    let count = move |inputs: Vec<Arc<str>>| -> u64 {
        inputs.iter().map(|input| cl100k_tokens(input, &stopped)).sum()
    };
    let tokens = await_work(move || inputs.into_iter().map(count).collect::<Vec<u64>>())?;
    for (looked, tokens) in looked.iter_mut().zip(tokens) {
        looked.tokens = tokens as f64;
    }
    Ok(looked)
}
