//! The way of one document through the stages.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use futures_util::FutureExt;

use super::fingerprint::Basis;
use super::job::{Processed, Report, internal_error};
use super::plan::{cut, plan_fits};
use super::prepared::Prepared;
use super::progress::Progress;
use super::source::{self, Source};
use crate::chunk::Allowance;
use crate::config::Loading;
use crate::document::{Chunk, Document, ExistingChunk, Payload, Provenance};
use crate::embed::Groups;
use crate::failure::{Failure, Step};
use crate::load::Loaders;
use crate::memory_budget::Reservation;
use crate::offload::Stopped;
use crate::parse::Parsers;
use crate::settings::Settings;

/// The context that all documents share.
pub(super) struct Context {
    /// The settings under which the documents were claimed.
    pub settings: Arc<Settings>,
    /// The stage that fetches documents.
    pub loaders: Loaders,
    /// The stage that makes texts of them.
    pub parsers: Parsers,
    /// The groups in which inputs share requests.
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
    let Document { payload, fields, mut existing, provenance, .. } = document;
    existing.sort_by_key(|chunk| chunk.seq);

    let source = match load(context, prepared, payload, &fields, &existing, provenance, reservation).await? {
        Found::Document(source) => source,
        Found::Nothing => return Ok(Processed { chunks: Vec::new(), provenance: None, citations: None }),
        Found::Unchanged(provenance) => return Ok(unchanged(existing, provenance)),
    };
    let Source { input, load_reservation, etag, basis } = source;

    step.set(Step::Parsing);
    let owner = prepared.vectorizer.account.owner();
    let parsed = context.parsers.parse(owner, prepared.vectorizer.config.parsing, input).await?;

    // The text of an archive may be larger than the archive.
    reservation.set(prepared.estimated_bytes(parsed.text.len() as u64));

    let most = context.settings.largest_document_memory();
    let work = prepared.work(parsed.text.len(), &fields);
    let cut = {
        let prepared = Arc::clone(prepared);
        let step = Arc::clone(step);
        move |stop: &AtomicBool| {
            let allowance = Allowance::new(most, prepared.bytes_per_chunk()).until_stopped(stop);
            cut(&prepared, parsed, &fields, existing, basis.as_ref(), allowance, &step)
        }
    };
    let stopped = |stopped: Stopped| stopped.failure(Step::Chunking);
    let mut plan = context.loaders.offload().run(owner, work, cut).await.map_err(stopped)??;

    let bytes = plan.bytes(prepared.bytes_per_chunk());
    plan_fits(bytes, most)?;
    reservation.set(bytes);
    // From here on the plan's bytes count, not the source's bytes.
    drop(load_reservation);

    let fingerprint = plan.fingerprint.take();
    let citations = plan.citations.take();
    let provenance = etag.zip(fingerprint).map(|(etag, fingerprint)| Provenance { etag, fingerprint });
    if plan.inputs.is_empty() {
        return Ok(Processed { chunks: plan.into_chunks(Vec::new()), provenance, citations });
    }

    step.set(Step::Embedding);
    let group = context.groups.group(&prepared.vectorizer)?;
    prepared.vectorizer.account.spend_tokens(plan.tokens())?;
    let vectors = group.embed(plan.inputs.iter().cloned()).await?;
    Ok(Processed { chunks: plan.into_chunks(vectors), provenance, citations })
}

/// The document that a row's payload leads to, if there is something to do.
enum Found {
    /// A document to work on.
    Document(Source),
    /// There is no document, and so there are no chunks.
    Nothing,
    /// The chunks of this version of the object are there already.
    Unchanged(Option<Provenance>),
}

/// Takes the document from the row, or fetches the object that the row names.
async fn load(
    context: &Context,
    prepared: &Prepared,
    payload: Payload,
    fields: &[(String, String)],
    existing: &[ExistingChunk],
    provenance: Option<Provenance>,
    reservation: &mut Reservation,
) -> Result<Found, Failure> {
    let claimed = Instant::now();
    let s3 = match &prepared.vectorizer.config.loading {
        Loading::Column { .. } => {
            let input = source::column(payload, context.settings.max_document_size)?;
            return Ok(input.map_or(Found::Nothing, |input| Found::Document(Source::column(input))));
        }
        Loading::Uri { s3, .. } => s3,
    };
    let Some(uri) = source::address(payload)? else { return Ok(Found::Nothing) };

    let basis = Basis::new(&prepared.vectorizer.config, &uri, fields);
    let now = basis.as_ref().and_then(|basis| basis.fingerprint_of(existing));
    let provenance = provenance.filter(|provenance| now == Some(provenance.fingerprint));

    // Nothing is fetched before there is room for it.
    reservation.share().room().await;

    let known = provenance.as_ref().map(|provenance| provenance.etag.as_str());
    let account = &prepared.vectorizer.account;
    match context.loaders.load(&uri, s3, known, claimed, account).await? {
        Some(loaded) => {
            reservation.set(prepared.estimated_bytes(loaded.bytes.len() as u64));
            Ok(Found::Document(Source::object(loaded, basis)))
        }
        None => Ok(Found::Unchanged(provenance)),
    }
}

/// The chunks as they are.
fn unchanged(existing: Vec<ExistingChunk>, provenance: Option<Provenance>) -> Processed {
    Processed { chunks: existing.into_iter().map(Chunk::Kept).collect(), provenance, citations: None }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::thread::ThreadId;

    use super::super::job::{JobId, JobOutcome, Wake};
    use super::*;
    use crate::chunk::{ChunkError, Chunker};
    use crate::config::Author;
    use crate::document::{Ticket, Vectorizer};
    use crate::embed;
    use crate::failure::Retry;
    use crate::format::Template;
    use crate::memory_budget::{MemoryBudget, Share};
    use crate::offload::SMALL;
    use crate::quota::{Account, Owner};

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
        Arc::new(Context {
            parsers: Parsers::new(&settings, loaders.offload(), None),
            loaders,
            groups: Groups::new(
                embed::client().unwrap(),
                Arc::clone(&settings),
                Arc::new(crate::s3::Clients::new(&settings)),
            ),
            settings,
        })
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
        let lane = Share::new(&MemoryBudget::new(1), Owner::default());
        let (sender, outcomes) = mpsc::channel();
        let report = Report::new(JobId(1), 1, sender, Wake::new(|| ()));
        let document = Document {
            ticket: Ticket(1),
            vectorizer: Arc::clone(&prepared.vectorizer),
            payload: Payload::Text(text),
            fields: Vec::new(),
            existing: Vec::new(),
            provenance: None,
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
