//! The way of one document through the stages.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use futures_util::FutureExt;

use super::context::{Context, Stages};
use super::embedding;
use super::fingerprint::{Basis, Original, text_fingerprint};
use super::job::{Processed, Report, internal_error};
use super::kept::{Keeping, Known, Reusable, usable};
use super::memory::Hold;
use super::plan::{DocumentPlan, Uncut, cut, plan_fits, vectors_fit};
use super::prepared::Prepared;
use super::progress::Progress;
use super::source::{self, DocumentContent, DocumentSource};
use crate::chunk::Allowance;
use crate::config::Loading;
use crate::document::{
    Chunk, Digest, Document, ExistingChunk, Kept, Payload, Provenance, TextToKeep, digest,
};
use crate::embed::Expected;
use crate::failure::{Failure, Step};
use crate::parse::{Input, Parsed};

/// Takes a document through the stages and reports how it ended. Others' inputs wait for it for as long as it is
/// `expected`.
pub(super) async fn run(
    context: Arc<Context>,
    prepared: Arc<Prepared>,
    document: Document,
    expected: Expected,
    mut reservation: Hold,
    report: Report,
) {
    let step = Arc::new(Progress::default());
    let processed = process(&context, &prepared, document, expected, &mut reservation, &step);
    let result = AssertUnwindSafe(processed).catch_unwind().await;
    report.send(result.unwrap_or_else(|_| Err(internal_error(step.get()))), reservation);
}

/// A document on its way to the model.
pub(super) struct Ready {
    /// The texts that are to be sent, and the chunks that stay.
    pub plan: DocumentPlan,
    /// The facts that its text is to be kept with.
    keeping: Keeping,
    /// Its version, as its store names it.
    etag: Option<String>,
    /// The size of the document as it was loaded, in bytes.
    pub loaded: u64,
}

/// The end of a document's way to the model.
pub(super) enum Arrival {
    /// It is to be sent.
    Ready(Box<Ready>),
    /// There is no document, and so there are no chunks.
    Nothing,
    /// The chunks of this version of the object are there already.
    Unchanged(Vec<ExistingChunk>, Option<Provenance>),
}

/// Loads, parses and cuts a document.
pub(super) async fn prepare(
    stages: &Stages,
    prepared: &Arc<Prepared>,
    mut document: Document,
    reservation: &mut Hold,
    step: &Arc<Progress>,
) -> Result<Arrival, Failure> {
    document.existing.sort_by_key(|chunk| chunk.seq);

    let source = match load(stages, prepared, &mut document, reservation).await? {
        Found::Document(source) => *source,
        Found::Nothing => return Ok(Arrival::Nothing),
        Found::Unchanged(provenance) => return Ok(Arrival::Unchanged(document.existing, provenance)),
    };
    let DocumentSource { content, load_reservation, etag, basis, made_of } = source;
    let loaded = content.size();

    step.set(Step::Parsing);
    let (parsed, keeping) = parse(stages, prepared, content, made_of).await?;
    // The text of an archive may be larger than the archive.
    reservation.set(prepared.estimated_bytes(parsed.text.len() as u64, &document.fields));

    let Document { fields, existing, .. } = document;
    let uncut = Uncut { parsed, fields, existing, basis, keeps_text: keeping.needs_text() };
    let plan = cut_aside(stages, prepared, uncut, reservation, step).await?;
    let bytes = plan.bytes(prepared.bytes_per_chunk()).saturating_add(keeping.held());
    plan_fits(bytes, stages.settings.largest_document_memory())?;
    reservation.set(bytes);
    // From here on the plan's bytes count, not the source's bytes.
    drop(load_reservation);
    Ok(Arrival::Ready(Box::new(Ready { plan, keeping, etag, loaded })))
}

async fn process(
    context: &Context,
    prepared: &Arc<Prepared>,
    document: Document,
    expected: Expected,
    reservation: &mut Hold,
    step: &Arc<Progress>,
) -> Result<Processed, Failure> {
    let ticket = document.ticket;
    let arrival = prepare(&context.stages, prepared, document, reservation, step).await?;
    let Ready { mut plan, keeping, etag, .. } = match arrival {
        Arrival::Ready(ready) => *ready,
        Arrival::Nothing => return Ok(nothing()),
        Arrival::Unchanged(existing, provenance) => return Ok(unchanged(existing, provenance)),
    };

    let text = keeping.with(plan.text.take());
    let fingerprint = plan.fingerprint.take();
    let citations = plan.citations.take();
    let provenance = etag.zip(fingerprint).map(|(etag, fingerprint)| Provenance { etag, fingerprint });
    if plan.inputs.is_empty() {
        return Ok(Processed { chunks: plan.into_chunks(Vec::new()), provenance, citations, text });
    }

    step.set(Step::Embedding);
    let vectors = embedding::vectors(context, prepared, ticket, &plan, expected).await?;
    vectors_fit(&vectors, prepared.vectorizer.config.destination.vector_type())?;
    Ok(Processed { chunks: plan.into_chunks(vectors), provenance, citations, text })
}

/// Takes the text that was kept, or makes one of the document. Returns it with the facts that it is to be kept with.
async fn parse(
    stages: &Stages,
    prepared: &Prepared,
    content: DocumentContent,
    made_of: Option<Digest>,
) -> Result<(Parsed, Keeping), Failure> {
    match content {
        DocumentContent::Kept(parsed) => Ok((parsed, Keeping::Same)),
        DocumentContent::Unparsed(input) => {
            let parser = prepared.vectorizer.config.parsing.parser;
            let owner = prepared.vectorizer.account.owner();
            let parsed = stages.parsers.parse(owner, parser, input).await?;
            let keeping = Keeping::of(&parsed, made_of);
            Ok((parsed, keeping))
        }
    }
}

/// Cuts a document and fills its template, off the network's threads if that may take long. In between it waits for the memory
/// that its chunks will take.
async fn cut_aside(
    stages: &Stages,
    prepared: &Arc<Prepared>,
    uncut: Uncut,
    reservation: &mut Hold,
    step: &Arc<Progress>,
) -> Result<DocumentPlan, Failure> {
    let most = stages.settings.largest_document_memory();
    let work = prepared.work(uncut.parsed.text.len(), &uncut.fields);
    let owner = prepared.vectorizer.account.owner();
    let offload = stages.loaders.offload();

    let (shared, noted) = (Arc::clone(prepared), Arc::clone(step));
    let cut = move |stop: &AtomicBool| {
        let allowance = Allowance::new(most, shared.bytes_per_chunk()).until_stopped(stop);
        cut(&shared, uncut, allowance, &noted)
    };
    let cut = offload.run(owner, work, cut).await;
    let unfilled = cut.map_err(|stopped| stopped.failure(Step::Chunking))??;

    reservation.fill(unfilled.held(), unfilled.bytes).await;

    let shared = Arc::clone(prepared);
    let fill = move |stop: &AtomicBool| {
        let allowance = Allowance::new(most, shared.bytes_per_chunk()).until_stopped(stop);
        unfilled.fill(&shared, allowance)
    };
    offload.run(owner, work, fill).await.map_err(|stopped| stopped.failure(Step::Formatting))?
}

/// The document that a row's payload leads to, if there is something to do.
enum Found {
    /// A document to work on.
    Document(Box<DocumentSource>),
    /// There is no document, and so there are no chunks.
    Nothing,
    /// The chunks of this version of the object are there already.
    Unchanged(Option<Provenance>),
}

/// Takes the document from the row, or fetches the object that the row names.
async fn load(
    stages: &Stages,
    prepared: &Prepared,
    document: &mut Document,
    reservation: &mut Hold,
) -> Result<Found, Failure> {
    let claimed = Instant::now();
    let payload = std::mem::replace(&mut document.payload, Payload::Null);
    let config = &prepared.vectorizer.config;
    let s3 = match &config.loading {
        Loading::Column { .. } => {
            return match source::column(payload, &stages.settings)? {
                Some(input) => of_column(stages, prepared, input, document.kept.take()).await,
                None => Ok(Found::Nothing),
            };
        }
        Loading::Uri { s3, .. } => s3,
    };
    let Some(uri) = source::address(payload, &stages.settings)? else { return Ok(Found::Nothing) };

    let basis = Basis::new(config, &uri, &document.fields);
    let now = basis.as_ref().and_then(|basis| basis.fingerprint_of(&document.existing));
    let known = Known::of(config, &uri, now, document.provenance.take(), document.kept.take());

    // Nothing is fetched before there is room for it.
    reservation.room().await;

    prepared.vectorizer.meter.require_left()?;
    let etag = known.as_ref().map(Known::etag);
    let loaded = stages.loaders.load(&uri, s3, etag, claimed, &prepared.vectorizer.account).await?;
    Ok(match (loaded, known) {
        (Some(loaded), _) => {
            reservation.set(prepared.estimated_bytes(loaded.bytes.len() as u64, &document.fields));
            let original = Original::Object(&uri, loaded.etag.as_deref().unwrap_or_default());
            let made_of = kept_under(prepared, original);
            Found::Document(Box::new(DocumentSource { made_of, ..DocumentSource::object(loaded, basis) }))
        }
        (None, Some(Known { provenance, reusable: Reusable::Text(parsed) })) => {
            let etag = Some(provenance.etag);
            Found::Document(Box::new(DocumentSource { etag, basis, ..DocumentSource::kept(*parsed) }))
        }
        (None, known) => Found::Unchanged(known.map(|known| known.provenance)),
    })
}

/// Takes the document that a column holds, or the text that was kept of it.
async fn of_column(
    stages: &Stages,
    prepared: &Prepared,
    input: Input,
    kept: Option<Kept>,
) -> Result<Found, Failure> {
    let bytes = match &input {
        Input::Document(document) if prepared.vectorizer.config.parsing.keep_text => document.bytes.clone(),
        _ => return Ok(Found::Document(Box::new(DocumentSource::column(input)))),
    };
    let owner = prepared.vectorizer.account.owner();
    let digested = stages.loaders.offload().run(owner, bytes.len(), move |_| digest(&bytes)).await;
    let digest = digested.map_err(|stopped| stopped.failure(Step::Loading))?;

    let made_of = kept_under(prepared, Original::Content(&digest));
    let source = match usable(kept, made_of) {
        Some(parsed) => DocumentSource::kept(parsed),
        None => DocumentSource { made_of, ..DocumentSource::column(input) },
    };
    Ok(Found::Document(Box::new(source)))
}

/// Returns the fingerprint under which the text of a document is kept; `None` if it is not.
fn kept_under(prepared: &Prepared, original: Original<'_>) -> Option<Digest> {
    let config = &prepared.vectorizer.config;
    text_fingerprint(config, original).filter(|_| config.parsing.keep_text)
}

/// The result of a row without a document.
fn nothing() -> Processed {
    Processed { chunks: Vec::new(), provenance: None, citations: None, text: TextToKeep::Nothing }
}

/// The chunks as they are.
fn unchanged(existing: Vec<ExistingChunk>, provenance: Option<Provenance>) -> Processed {
    let chunks = existing.into_iter().map(Chunk::Kept).collect();
    Processed { chunks, provenance, citations: None, text: TextToKeep::Same }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::thread::ThreadId;

    use super::super::inquiry::Inquiries;
    use super::super::job::{JobId, JobOutcome, Wake};
    use super::super::memory::{DocumentMemory, LaneMemory};
    use super::*;
    use crate::chunk::{ChunkError, Chunker};
    use crate::config::Author;
    use crate::document::{Ticket, Vectorizer};
    use crate::embed::{self, Arrivals, Groups};
    use crate::failure::Retry;
    use crate::format::Template;
    use crate::load::Loaders;
    use crate::offload::SMALL;
    use crate::parse::Parsers;
    use crate::quota::{Account, Owner};
    use crate::settings::Settings;
    use crate::usage::Meter;

    struct Panics;

    impl Chunker for Panics {
        fn chunk(&self, _: &str, _: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
            panic!("with a part of the document")
        }
    }

    /// Notes on which thread it cuts.
    struct Notes(Arc<Mutex<Option<ThreadId>>>);

    impl Chunker for Notes {
        fn chunk(&self, _: &str, _: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
            *self.0.lock().unwrap() = Some(std::thread::current().id());
            Ok(Vec::new())
        }
    }

    fn prepared(chunker: impl Chunker + 'static, chunking: serde_json::Value) -> Arc<Prepared> {
        let config = serde_json::json!({
            "version": "0.12.1",
            "loading": {"implementation": "column", "column_name": "body"},
            "chunking": chunking,
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
            account: Account::default(),
            meter: Meter::default(),
            comes_last: false,
        });
        Arc::new(Prepared {
            vectorizer,
            chunker: Ok(Box::new(chunker)),
            template: Ok(Template::parse("$chunk").unwrap()),
        })
    }

    fn context() -> Arc<Context> {
        let settings = Arc::new(Settings::default());
        let loaders = Loaders::new(&settings, None);
        let groups = Groups::new(
            embed::client().unwrap(),
            Arc::clone(&settings),
            Arc::new(crate::s3::Clients::new(&settings)),
        );
        let parsers = Parsers::new(&settings, loaders.offload(), None);
        let inquiries = Inquiries::new(mpsc::channel().0, Wake::new(|| ()));
        Arc::new(Context { groups, inquiries, stages: Stages { settings, loaders, parsers } })
    }

    /// The one outcome of a document that is left to `task`.
    async fn outcome(text: String, task: impl AsyncFnOnce(tokio::task::JoinHandle<()>)) -> JobOutcome {
        let prepared = prepared(Panics, serde_json::json!({"implementation": "none"}));
        outcome_of(prepared, text, task).await
    }

    async fn outcome_of(
        prepared: Arc<Prepared>,
        text: String,
        task: impl AsyncFnOnce(tokio::task::JoinHandle<()>),
    ) -> JobOutcome {
        let lane = LaneMemory::new(&DocumentMemory::new(1), Owner::default());
        let (sender, outcomes) = mpsc::channel();
        let report = Report::new(JobId(1), 1, sender, Wake::new(|| ()));
        let document = Document {
            ticket: Ticket(1),
            vectorizer: Arc::clone(&prepared.vectorizer),
            payload: Payload::Text(text),
            fields: Vec::new(),
            existing: Vec::new(),
            provenance: None,
            kept: None,
        };
        let reservation = lane.hold(1);
        let expected = Arc::new(Arrivals::default()).announce();
        task(tokio::spawn(run(context(), prepared, document, expected, reservation, report))).await;
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
    async fn what_may_take_long_is_cut_off_the_network_however_short_the_text_is() {
        let regex = serde_json::json!({"implementation": "character_text_splitter", "chunk_size": 100,
            "chunk_overlap": 0, "separator": "(a|aa)+b", "is_separator_regex": true});
        let overlapping = serde_json::json!({"implementation": "recursive_character_text_splitter",
            "chunk_size": 4000, "chunk_overlap": 3999, "separators": [""], "is_separator_regex": false});
        let tokens = serde_json::json!({"implementation": "text_splitter", "chunk_size": 100,
            "chunk_overlap": 0, "unit": "tokens", "format": "text"});
        let plain = serde_json::json!({"implementation": "recursive_character_text_splitter",
            "chunk_size": 800, "chunk_overlap": 400, "separators": ["\n\n", "\n", " ", ""],
            "is_separator_regex": false});
        for (chunking, is_aside) in [(regex, true), (overlapping, true), (tokens, true), (plain, false)] {
            let thread = Arc::new(Mutex::new(None));
            let prepared = prepared(Notes(Arc::clone(&thread)), chunking.clone());
            let text = "x".repeat(2000);
            let outcome = outcome_of(prepared, text, async |task| task.await.unwrap()).await;
            assert!(outcome.result.is_ok());
            let cut_on = thread.lock().unwrap().unwrap();
            assert_eq!(cut_on != std::thread::current().id(), is_aside, "{chunking}");
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
