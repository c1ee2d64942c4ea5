//! The way of one document through the stages.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;

use super::job::{internal_error, Processed, Report};
use super::origin::Basis;
use super::prepared::Prepared;
use super::reuse::reuse;
use crate::chunk::{Allowance, ChunkError};
use crate::config::{Embedding, Loading};
use crate::document::{digest, Chunk, Digest, Document, ExistingChunk, Origin, Payload};
use crate::embed::{truncate, Groups};
use crate::failure::{Failure, Retry, Step};
use crate::load::{LoadReservation, Loaded, Loaders};
use crate::memory_budget::Reservation;
use crate::offload::Stopped;
use crate::parse::{self, Input};
use crate::settings::Settings;

/// What all documents share.
pub(super) struct Context {
    pub settings: Arc<Settings>,
    pub loaders: Loaders,
    pub groups: Groups,
}

/// Takes a document through the stages and reports how it ended.
pub(super) async fn run(
    context: Arc<Context>,
    prepared: Arc<Prepared>,
    document: Document,
    mut reservation: Reservation,
    report: Report,
) {
    let step = Arc::new(Progress::default());
    let processed = process(&context, &prepared, document, &mut reservation, &step);
    let result = AssertUnwindSafe(processed).catch_unwind().await;
    report.send(result.unwrap_or_else(|_| Err(internal_error(step.get()))), reservation);
}

async fn process(
    context: &Context,
    prepared: &Arc<Prepared>,
    document: Document,
    reservation: &mut Reservation,
    step: &Arc<Progress>,
) -> Result<Processed, Failure> {
    let claimed = Instant::now();
    let Document { payload, fields, mut existing, origin, .. } = document;
    existing.sort_by_key(|chunk| chunk.seq);
    let Source { input, load_reservation, etag, basis } = match &prepared.vectorizer.config.loading {
        Loading::Column { .. } => match column(payload, context.settings.max_document_size)? {
            Some(input) => Source::column(input),
            None => return Ok(Processed { chunks: Vec::new(), origin: None }),
        },
        Loading::Uri { s3, .. } => {
            let Some(uri) = address(payload)? else {
                return Ok(Processed { chunks: Vec::new(), origin: None });
            };
            let basis = Basis::new(&prepared.vectorizer.config, &uri, &fields);
            let now = basis.as_ref().and_then(|basis| basis.fingerprint_of(&existing));
            let origin = origin.filter(|origin| now == Some(origin.fingerprint));
            reservation.share().room().await;
            let known = origin.as_ref().map(|origin| origin.etag.as_str());
            match context.loaders.load(&uri, s3, known, claimed).await? {
                Some(loaded) => {
                    reservation.set(prepared.estimated_bytes(loaded.bytes.len() as u64));
                    Source::object(loaded, basis)
                }
                None => return Ok(unchanged(existing, origin)),
            }
        }
    };
    let size = input_size(&input);
    let most = context.settings.largest_document_memory();
    let cut = {
        let (prepared, step) = (Arc::clone(prepared), Arc::clone(step));
        move || cut(&prepared, input, &fields, existing, basis.as_ref(), most, &step)
    };
    let stopped = |stopped: Stopped| stopped.failure(Step::Chunking);
    let mut plan = context.loaders.offload().run(size, cut).await.map_err(stopped)??;
    let bytes = plan.bytes(prepared.bytes_per_chunk());
    plan_fits(bytes, most)?;
    reservation.set(bytes);
    // From here on the plan's bytes count, not the source's bytes.
    drop(load_reservation);
    let fingerprint = plan.fingerprint.take();
    let origin = etag.zip(fingerprint).map(|(etag, fingerprint)| Origin { etag, fingerprint });
    if plan.inputs.is_empty() {
        return Ok(Processed { chunks: plan.into_chunks(Vec::new()), origin });
    }
    step.set(Step::Embedding);
    let group = context.groups.group(&prepared.vectorizer)?;
    let vectors = group.embed(plan.inputs.iter().cloned()).await?;
    Ok(Processed { chunks: plan.into_chunks(vectors), origin })
}

/// The document itself.
struct Source {
    input: Input,
    /// Its part of the bytes being loaded.
    load_reservation: LoadReservation,
    /// Its version, as its store names it.
    etag: Option<String>,
    /// What decides its chunks beside.
    basis: Option<Basis>,
}

impl Source {
    fn column(input: Input) -> Self {
        Source { input, load_reservation: LoadReservation::default(), etag: None, basis: None }
    }

    fn object(loaded: Loaded, basis: Option<Basis>) -> Self {
        let Loaded { bytes, name, content_type, etag, reservation } = loaded;
        let input = Input::Document(parse::Loaded { bytes, name, content_type });
        Source { input, load_reservation: reservation, etag, basis }
    }
}

/// What was made of this version of the object is there already.
fn unchanged(existing: Vec<ExistingChunk>, origin: Option<Origin>) -> Processed {
    Processed { chunks: existing.into_iter().map(Chunk::Kept).collect(), origin }
}

/// The address that a row holds; none if it is NULL or empty, and so there is no document, as with a text.
fn address(payload: Payload) -> Result<Option<String>, Failure> {
    match payload {
        Payload::Null => Ok(None),
        Payload::Text(uri) => Ok(Some(uri).filter(|uri| !uri.is_empty())),
        Payload::Bytes(_) => Err(no_uri("the column of addresses holds bytes, not text")),
        Payload::TooLarge(_) => Err(no_uri("what the column of addresses holds is too long for one")),
    }
}

fn column(payload: Payload, max_size: u64) -> Result<Option<Input>, Failure> {
    Ok(match payload {
        Payload::TooLarge(size) => return Err(too_large(size, max_size)),
        empty if empty.is_empty() => None,
        Payload::Null => None,
        Payload::Text(text) => Some(Input::Text(text)),
        Payload::Bytes(bytes) => {
            Some(Input::Document(parse::Loaded { bytes: bytes.into(), name: None, content_type: None }))
        }
    })
}

fn too_large(size: u64, max_size: u64) -> Failure {
    let message = format!("the column holds {size} bytes, more than the {max_size} bytes of a document");
    Failure::new(Step::Loading, "too_large", message, Retry::Never)
        .with_hint("Split the document, or raise pgai_rs.max_document_size.")
}

/// What does not fit is not begun: it would take the memory of the whole server with it.
fn plan_fits(bytes: u64, most: u64) -> Result<(), Failure> {
    if bytes <= most {
        return Ok(());
    }
    Err(ChunkError::TooLarge { limit: most }.into())
}

fn no_uri(message: &str) -> Failure {
    Failure::new(Step::Loading, "no_uri", message, Retry::Never)
        .with_hint("Give the row an address of the form s3://bucket/key.")
}

fn input_size(input: &Input) -> usize {
    match input {
        Input::Text(text) => text.len(),
        Input::Document(document) => document.bytes.len(),
    }
}

/// What becomes of a document: chunks that stay, and texts that need a vector.
struct Plan {
    chunks: Vec<Planned>,
    /// What is sent, without repetition.
    inputs: Vec<Arc<str>>,
    /// Of what decided the chunks, and of the chunks.
    fingerprint: Option<Digest>,
}

enum Planned {
    Kept(ExistingChunk),
    New {
        /// The text, if more of it is stored than is sent.
        text: Option<String>,
        input: usize,
    },
}

/// Parses, chunks and formats a document, and finds out what is new in it.
fn cut(
    prepared: &Prepared,
    input: Input,
    fields: &[(String, String)],
    existing: Vec<ExistingChunk>,
    basis: Option<&Basis>,
    most: u64,
    step: &Progress,
) -> Result<Plan, Failure> {
    let config = &prepared.vectorizer.config;
    step.set(Step::Parsing);
    let parsed = parse::parse(config.parsing, input)?;
    step.set(Step::Chunking);
    let chunker = prepared.chunker.as_ref().map_err(Failure::clone)?;
    let chunks = chunker.chunk(&parsed.text, Allowance::new(most, prepared.bytes_per_chunk()))?;
    drop(parsed);
    step.set(Step::Formatting);
    let texts = fill(prepared, chunks, fields, most)?;
    Ok(plan(&config.embedding, texts, existing, basis))
}

/// Fills the template for each chunk, as far as what comes of it fits: it may repeat a long column in each.
fn fill(
    prepared: &Prepared,
    chunks: Vec<String>,
    fields: &[(String, String)],
    most: u64,
) -> Result<Vec<String>, Failure> {
    let template = prepared.template.as_ref().map_err(Failure::clone)?;
    let mut texts = Vec::with_capacity(chunks.len());
    let mut bytes = 0_u64;
    for chunk in chunks {
        let length = template.length(&chunk, fields) as u64;
        bytes = bytes.saturating_add(length).saturating_add(prepared.bytes_per_chunk());
        plan_fits(bytes, most)?;
        texts.push(template.render(&chunk, fields)?);
    }
    Ok(texts)
}

fn plan(
    embedding: &Embedding,
    texts: Vec<String>,
    existing: Vec<ExistingChunk>,
    basis: Option<&Basis>,
) -> Plan {
    let digests: Vec<Digest> = texts.iter().map(|text| digest(text)).collect();
    let fingerprint = basis.map(|basis| basis.fingerprint(&digests));
    let kept = reuse(existing, &digests);
    let mut inputs: Vec<Arc<str>> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    let planned = texts.into_iter().zip(digests).zip(kept).map(|((text, digest), kept)| match kept {
        Some(chunk) => Planned::Kept(chunk),
        None => {
            let sent = truncate(embedding, &text);
            let cut = sent.len() < text.len();
            let input = *places.entry(digest).or_insert_with(|| {
                inputs.push(sent.into());
                inputs.len() - 1
            });
            Planned::New { text: cut.then_some(text), input }
        }
    });
    let chunks = planned.collect();
    Plan { chunks, inputs, fingerprint }
}

impl Plan {
    /// Bytes that the document holds until it is settled, if a chunk takes so many beside its text.
    fn bytes(&self, chunk: u64) -> u64 {
        let input = |place: usize| self.inputs.get(place).map_or(0, |input| input.len() as u64);
        let cut: u64 = self.inputs.iter().map(|input| input.len() as u64).sum();
        let chunks = self.chunks.iter().map(|planned| match planned {
            Planned::Kept(_) => size_of::<ExistingChunk>() as u64,
            Planned::New { text: Some(text), .. } => text.len() as u64 + chunk,
            Planned::New { text: None, input: place } => input(*place) + chunk,
        });
        chunks.sum::<u64>() + if self.is_cut() { cut } else { 0 }
    }

    fn is_cut(&self) -> bool {
        self.chunks.iter().any(|planned| matches!(planned, Planned::New { text: Some(_), .. }))
    }

    /// The chunks, with the vectors of the inputs.
    fn into_chunks(self, mut vectors: Vec<Vec<f32>>) -> Vec<Chunk> {
        let mut uses = vec![0_usize; self.inputs.len()];
        for planned in &self.chunks {
            if let Planned::New { input, .. } = planned {
                uses[*input] += 1;
            }
        }
        let chunk = |planned| match planned {
            Planned::Kept(chunk) => Chunk::Kept(chunk),
            Planned::New { text, input } => {
                uses[input] -= 1;
                let vector = &mut vectors[input];
                let embedding = if uses[input] == 0 { std::mem::take(vector) } else { vector.clone() };
                Chunk::New { text: text.unwrap_or_else(|| self.inputs[input].as_ref().to_owned()), embedding }
            }
        };
        self.chunks.into_iter().map(chunk).collect()
    }
}

/// The stage that a document is in, for the report of a panic.
#[derive(Debug, Default)]
struct Progress(AtomicU8);

impl Progress {
    const STEPS: [Step; 5] =
        [Step::Loading, Step::Parsing, Step::Chunking, Step::Formatting, Step::Embedding];

    fn set(&self, step: Step) {
        if let Some(at) = Self::STEPS.iter().position(|&known| known == step) {
            self.0.store(at as u8, Ordering::Relaxed);
        }
    }

    fn get(&self) -> Step {
        Self::STEPS.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Step::Loading)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::job::{JobId, Outcome, Wake};
    use super::*;
    use crate::chunk::Chunker;
    use crate::config::Author;
    use crate::document::{Ticket, Vectorizer};
    use crate::embed;
    use crate::format::Template;
    use crate::memory_budget::{MemoryBudget, Share};
    use crate::offload::SMALL;

    struct Panics;

    impl Chunker for Panics {
        fn chunk(&self, _: &str, _: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
            panic!("with a part of the document")
        }
    }

    fn prepared() -> Arc<Prepared> {
        let config = serde_json::json!({
            "version": "0.12.1",
            "loading": {"implementation": "column", "column_name": "body"},
            "embedding": {"implementation": "openai", "model": "m", "dimensions": 3},
            "destination": {"implementation": "table", "target_schema": "s", "target_table": "t",
                            "view_schema": "s", "view_name": "v"},
        });
        let config = serde_json::from_value(config).unwrap();
        let vectorizer = Arc::new(Vectorizer {
            id: 1,
            name: "v".into(),
            config,
            author: Author::Superuser,
            api_key: None,
        });
        Arc::new(Prepared {
            vectorizer,
            chunker: Ok(Box::new(Panics)),
            template: Ok(Template::parse("$chunk").unwrap()),
        })
    }

    fn context() -> Arc<Context> {
        let settings = Arc::new(Settings::default());
        Arc::new(Context {
            loaders: Loaders::new(&settings, None),
            groups: Groups::new(
                embed::client().unwrap(),
                Arc::clone(&settings),
                Arc::new(crate::s3::Clients::new(&settings)),
            ),
            settings,
        })
    }

    /// The one outcome of a document that is left to `task`.
    async fn outcome(text: String, task: impl AsyncFnOnce(tokio::task::JoinHandle<()>)) -> Outcome {
        let prepared = prepared();
        let lane = Share::new(&MemoryBudget::new(1));
        let (sender, outcomes) = mpsc::channel();
        let report = Report::new(JobId(1), 1, sender, Wake::new(|| ()));
        let document = Document {
            ticket: Ticket(1),
            vectorizer: Arc::clone(&prepared.vectorizer),
            payload: Payload::Text(text),
            fields: Vec::new(),
            existing: Vec::new(),
            origin: None,
        };
        let reservation = Reservation::new(&lane, 1);
        task(tokio::spawn(run(context(), prepared, document, reservation, report))).await;
        let outcome = outcomes.recv().unwrap();
        assert!(outcomes.try_recv().is_err());
        outcome
    }

    #[tokio::test]
    async fn a_panic_is_the_documents_failure() {
        for size in [1, SMALL] {
            let outcome = outcome("x".repeat(size), async |task| task.await.unwrap()).await;
            let failure = outcome.result.unwrap_err();
            assert_eq!(
                (failure.step, failure.code, failure.retry),
                (Step::Chunking, "internal_error", Retry::Backoff)
            );
            assert!(!failure.message.contains("part of the document"));
            assert!(outcome.reservation.is_none());
        }
    }

    #[tokio::test]
    async fn a_task_that_is_stopped_reports_that() {
        let outcome = outcome("x".into(), async |task| {
            task.abort();
            let _ = task.await;
        });
        assert_eq!(outcome.await.result.unwrap_err().code, "internal_error");
    }
}
