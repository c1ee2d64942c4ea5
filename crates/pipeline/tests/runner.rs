//! The runner, with a queue in memory and servers that make mistakes.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pgai_rs_pipeline::config::{Author, ChunkUnit, Chunking, Embedding, Formatting, Loading, TextFormat};
use pgai_rs_pipeline::document::{Chunk, Document, ExistingChunk, Payload, Ticket, Vectorizer};
use pgai_rs_pipeline::failure::{Retry, Scope, Step};
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use sha2::{Digest, Sha256};
use support::http::{Reply, Server};
use support::openai::{answer, inputs, refusal, vector};
use support::queue::{settings, Driver, MemoryQueue};
use support::{column_vectorizer, row, uri_vectorizer};

fn s3(server: &Server) -> Settings {
    Settings {
        s3: S3Settings {
            region: Some("us-east-1".into()),
            endpoint_url: Some(server.url.clone()),
            url_style: UrlStyle::Path,
            access_key: Some(("AKID".into(), Secret::new("secret"))),
            ..S3Settings::default()
        },
        ..settings()
    }
}

fn new(text: &str) -> Chunk {
    Chunk::New { text: text.into(), embedding: vector(text) }
}

fn tickets(range: std::ops::Range<u64>) -> HashSet<Ticket> {
    range.map(Ticket).collect()
}

#[test]
fn rows_share_requests() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..2000 {
        queue.push(row(&vectorizer, ticket, &format!("text {ticket}")));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 2000);
    for ticket in 0..2000 {
        assert_eq!(queue.completed[&Ticket(ticket)], [new(&format!("text {ticket}"))]);
    }
    assert!(model.requests().len() <= 2, "{}", model.requests().len());
    assert_eq!(driver.runner.in_flight(), 0);
    assert!(queue.claimed.is_empty());
}

#[test]
fn nothing_to_embed_is_nothing_to_ask() {
    let vectorizer = Arc::new(column_vectorizer(1, "http://127.0.0.1:1"));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for (ticket, payload) in
        [Payload::Null, Payload::Text(String::new()), Payload::Bytes(vec![])].into_iter().enumerate()
    {
        let mut document = row(&vectorizer, ticket as u64, "");
        document.payload = payload;
        queue.push(document);
    }
    Driver::start(settings()).settle(&mut queue, 3);
    assert!(queue.completed.values().all(Vec::is_empty), "{:?}", queue.failed);
}

#[test]
fn a_row_without_an_address_has_no_document() {
    let vectorizer = Arc::new(uri_vectorizer(1, "http://127.0.0.1:1"));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for (ticket, payload) in [Payload::Null, Payload::Text(String::new())].into_iter().enumerate() {
        let mut document = row(&vectorizer, ticket as u64, "");
        document.payload = payload;
        document.existing = vec![existing(1, 0, "what it was")];
        queue.push(document);
    }
    queue.push(row(&vectorizer, 2, " "));
    Driver::start(settings()).settle(&mut queue, 3);
    // What was there goes, as with a text that is NULL.
    assert_eq!(queue.completed.len(), 2, "{:?}", queue.failed);
    assert!(queue.completed.values().all(Vec::is_empty));
    assert_eq!(queue.failed[&Ticket(2)].code, "unsupported_scheme");
}

fn existing(id: u8, seq: i32, text: &str) -> ExistingChunk {
    ExistingChunk { id: [id; 16], seq, digest: Sha256::digest(text).into() }
}

#[test]
fn unchanged_chunks_are_not_sent() {
    let model = support::openai::server();
    let mut vectorizer = column_vectorizer(1, &model.url);
    vectorizer.config.chunking = Chunking::CharacterTextSplitter {
        chunk_size: 1,
        chunk_overlap: 0,
        separator: "\n".into(),
        is_separator_regex: false,
    };
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    let mut unchanged = row(&vectorizer, 0, "a\nb");
    unchanged.existing = vec![existing(1, 0, "a"), existing(2, 1, "b")];
    queue.push(unchanged);
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 1);
    assert_eq!(
        queue.completed[&Ticket(0)],
        [Chunk::Kept(existing(1, 0, "a")), Chunk::Kept(existing(2, 1, "b"))]
    );
    assert!(model.requests().is_empty());

    let mut changed = row(&vectorizer, 1, "a\nc\nb\nc");
    changed.existing = vec![existing(1, 0, "a"), existing(2, 1, "b")];
    queue.push(changed);
    driver.settle(&mut queue, 2);
    let expected = [Chunk::Kept(existing(1, 0, "a")), new("c"), Chunk::Kept(existing(2, 1, "b")), new("c")];
    assert_eq!(queue.completed[&Ticket(1)], expected);
    assert_eq!(inputs(&model.requests()[0]), ["c"]);
}

/// A store with one object, and a vectorizer that embeds its lines with a column of the row.
struct Touched {
    bucket: Server,
    model: Server,
    text: Arc<Mutex<&'static str>>,
    vectorizer: Arc<Vectorizer>,
    queue: MemoryQueue,
    driver: Driver,
}

impl Touched {
    fn new() -> Self {
        let text = Arc::new(Mutex::new("a\nb"));
        let stored = Arc::clone(&text);
        let bucket = Server::start(move |request| {
            let text = *stored.lock().unwrap();
            let etag = format!("\"{text:?}\"");
            match request.header("if-none-match") == Some(etag.as_str()) {
                true => Reply::new(304, ""),
                false => Reply::new(200, text).with("ETag", &etag),
            }
        });
        let model = support::openai::server();
        let mut vectorizer = uri_vectorizer(1, &model.url);
        vectorizer.config.chunking = Chunking::CharacterTextSplitter {
            chunk_size: 1,
            chunk_overlap: 0,
            separator: "\n".into(),
            is_separator_regex: false,
        };
        vectorizer.config.formatting = Formatting::PythonTemplate { template: "$title: $chunk".into() };
        let vectorizer = Arc::new(vectorizer);
        let queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
        let driver = Driver::start(s3(&bucket));
        Touched { bucket, model, text, vectorizer, queue, driver }
    }

    /// The row as it is claimed for the `ticket`th time, with what was stored and remembered the
    /// time before.
    fn claimed(&self, ticket: u64) -> Document {
        let mut document = row(&self.vectorizer, ticket, "s3://bucket/key.txt");
        document.fields = vec![("title".into(), "T".into())];
        if let Some(before) = ticket.checked_sub(1).map(Ticket) {
            document.provenance = self.queue.provenances[&before].clone();
            document.existing = stored(&self.queue.completed[&before]);
        }
        document
    }

    /// Whether objects were read, and inputs were sent, for this document.
    fn processed(&mut self, document: Document) -> (bool, bool) {
        let before = (self.bucket.requests().len(), self.model.requests().len());
        let ticket = document.ticket;
        self.queue.push(document);
        self.driver.until(&mut self.queue, |queue| queue.completed.contains_key(&ticket));
        let asked = &self.bucket.requests()[before.0..];
        assert_eq!(asked.len(), 1);
        (asked[0].header("if-none-match").is_none(), self.model.requests().len() > before.1)
    }
}

/// What the store has when these chunks are written.
fn stored(chunks: &[Chunk]) -> Vec<ExistingChunk> {
    let stored = chunks.iter().zip(0..).map(|(chunk, seq)| match chunk {
        Chunk::Kept(kept) => ExistingChunk { seq, ..kept.clone() },
        Chunk::New { text, .. } => existing(u8::try_from(seq).unwrap(), seq, text),
    });
    stored.collect()
}

#[test]
fn a_touched_row_of_an_unchanged_object_costs_one_conditional_request() {
    let mut touched = Touched::new();
    let first = touched.claimed(0);
    assert_eq!(touched.processed(first), (true, true));
    let chunks = stored(&touched.queue.completed[&Ticket(0)]);
    for ticket in 1..3 {
        let mut document = touched.claimed(ticket);
        // In whatever order the store gives them.
        document.existing.reverse();
        assert_eq!(touched.processed(document), (false, false));
        let kept: Vec<_> = chunks.iter().cloned().map(Chunk::Kept).collect();
        assert_eq!(touched.queue.completed[&Ticket(ticket)], kept);
        assert_eq!(touched.queue.provenances[&Ticket(ticket)], touched.queue.provenances[&Ticket(0)]);
    }
}

#[test]
fn whatever_decides_the_chunks_makes_the_object_be_read_again() {
    let mut touched = Touched::new();
    let first = touched.claimed(0);
    touched.processed(first);

    let mut retitled = touched.claimed(1);
    retitled.fields = vec![("title".into(), "U".into())];
    assert_eq!(touched.processed(retitled), (true, true));
    assert_eq!(touched.queue.completed[&Ticket(1)], [new("U: a"), new("U: b")]);

    let mut incomplete = touched.claimed(2);
    incomplete.fields = vec![("title".into(), "U".into())];
    incomplete.existing.pop();
    assert_eq!(touched.processed(incomplete), (true, true));

    let back = touched.claimed(3);
    assert_eq!(touched.processed(back), (true, true));

    *touched.text.lock().unwrap() = "a\nc";
    let changed = touched.claimed(4);
    // It was asked for with a condition, and came.
    assert_eq!(touched.processed(changed), (false, true));
    let kept = stored(&touched.queue.completed[&Ticket(3)]).remove(0);
    assert_eq!(touched.queue.completed[&Ticket(4)], [Chunk::Kept(kept), new("T: c")]);

    let mut config = touched.vectorizer.config.clone();
    config.formatting = Formatting::PythonTemplate { template: "$title $chunk".into() };
    let vectorizer =
        Vectorizer { id: 1, name: "other".into(), config, author: Author::Superuser, api_key: None };
    touched.vectorizer = Arc::new(Vectorizer { api_key: touched.vectorizer.api_key.clone(), ..vectorizer });
    touched.queue.vectorizers = vec![Arc::clone(&touched.vectorizer)];
    let reformatted = touched.claimed(5);
    assert_eq!(touched.processed(reformatted), (true, true));
}

#[test]
fn an_object_without_a_version_is_read_each_time() {
    let model = support::openai::server();
    let bucket = Server::start(|_| Reply::new(200, "text"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 0, "s3://bucket/key.txt"));
    Driver::start(s3(&bucket)).settle(&mut queue, 1);
    assert_eq!(queue.provenances[&Ticket(0)], None);
}

#[test]
fn a_slow_document_delays_nobody() {
    let model = support::openai::server();
    let bucket = Server::start_gated(|request, gate| {
        if request.target.contains("slow") {
            gate.wait();
        }
        Reply::new(200, format!("object {}", request.target.split(['/', '?', '.']).nth(2).unwrap()))
    });
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 0, "s3://bucket/slow.txt"));
    for ticket in 1..100 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(s3(&bucket));
    driver.settle(&mut queue, 99);
    assert_eq!(queue.failed, Default::default());
    assert_eq!(queue.completed[&Ticket(7)], [new("object 7")]);
    assert_eq!(driver.runner.tickets().collect::<Vec<_>>(), [Ticket(0)]);
    bucket.gate.open();
    driver.settle(&mut queue, 100);
    assert_eq!(queue.completed[&Ticket(0)], [new("object slow")]);
}

#[test]
fn an_outage_of_one_provider_slows_no_other() {
    let model = support::openai::server();
    let hung = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let throttled = Server::start(|_| Reply::new(429, "").with("Retry-After", "30"));
    let sick: Vec<_> = [&hung, &throttled]
        .iter()
        .zip(1..)
        .map(|(server, id)| Arc::new(column_vectorizer(id, &server.url)))
        .collect();
    let well = Arc::new(column_vectorizer(9, &model.url));
    let mut queue = MemoryQueue::new(sick.iter().cloned().chain([Arc::clone(&well)]));
    for ticket in 0..3000 {
        queue.push(row(&sick[ticket as usize % 2], ticket, "text"));
        queue.push(row(&well, 10_000 + ticket, "text"));
    }
    // So little that the sick hold all of it.
    let settings = Settings { memory_limit: 1 << 20, ..settings() };
    let mut driver = Driver::start(settings);
    driver.settle(&mut queue, 3000);
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 10_000));
}

#[test]
fn a_poisoned_input_harms_no_other() {
    let model = Server::start(|request| match inputs(request).iter().any(|input| input.contains("poison")) {
        true => refusal(400, "no", Some("input")),
        false => answer(request),
    });
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..300 {
        queue.push(row(&vectorizer, ticket, if ticket == 111 { "poison" } else { "text" }));
    }
    Driver::start(settings()).settle(&mut queue, 300);
    assert_eq!(queue.completed.len(), 299);
    assert_eq!(queue.failed[&Ticket(111)].code, "input_refused");
}

#[test]
fn what_cannot_be_written_harms_no_other() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.poison.insert(Ticket(5));
    for ticket in 0..100 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 100);
    assert_eq!(queue.completed.len(), 99);
    let failure = &queue.failed[&Ticket(5)];
    assert_eq!((failure.step, failure.code, failure.retry), (Step::Writing, "not_writable", Retry::Backoff));
    assert_eq!(failure.message, "the chunks can't be written: can't write 5");
}

#[test]
fn what_is_locked_is_offered_again() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.locked.insert(Ticket(1));
    for ticket in 0..3 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    let turn = driver.until(&mut queue, |queue| queue.completed.len() == 2 && queue.offers.len() >= 3);
    assert!(turn.retry_in.is_some());
    assert_eq!(driver.runner.in_flight(), 1);
    queue.locked.clear();
    driver.settle(&mut queue, 3);
    assert_eq!(model.requests().len(), 1);
}

#[test]
fn what_takes_too_long_is_offered_in_smaller_parts_later() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.too_many = 10;
    for ticket in 0..100 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 100);
    assert_eq!((queue.completed.len(), queue.failed.len()), (100, 0));
}

#[test]
fn one_that_takes_too_long_alone_fails_and_is_not_offered_again() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.slow.insert(Ticket(5));
    for ticket in 0..20 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    driver.settle(&mut queue, 20);
    assert_eq!(queue.completed.len(), 19);
    assert_eq!(queue.failed[&Ticket(5)].message, "the chunks can't be written: took too long");
}

#[test]
fn one_whose_turn_it_is_not_gets_nothing_and_the_others_do() {
    let model = support::openai::server();
    let vectorizers = [1, 2].map(|id| Arc::new(column_vectorizer(id, &model.url)));
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    queue.others_first.insert(1);
    queue.push(row(&vectorizers[0], 1, "text"));
    queue.push(row(&vectorizers[1], 2, "text"));
    let mut driver = Driver::start(settings());
    let turn = driver.until(&mut queue, |queue| queue.completed.len() == 1);
    assert!(queue.completed.contains_key(&Ticket(2)));
    assert!(turn.more, "the next turn may be the other's");
    queue.others_first.clear();
    driver.settle(&mut queue, 2);
}

#[test]
fn a_broken_queue_loses_nothing() {
    let vectorizer = Arc::new(column_vectorizer(1, "http://127.0.0.1:1"));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.broken = true;
    for ticket in 0..5 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(settings());
    let mut errors = 0;
    while errors < 2 {
        errors += usize::from(driver.runner.turn(&mut queue).is_err());
        std::thread::yield_now();
    }
    assert_eq!(driver.runner.in_flight(), 5);
    assert_eq!(driver.runner.tickets().collect::<HashSet<_>>(), tickets(0..5));
    queue.broken = false;
    driver.settle(&mut queue, 5);
    assert_eq!(queue.failed[&Ticket(4)].code, "provider_unavailable");
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let model = Server::start_gated(|request, gate| {
        if inputs(request)[0] == "old" {
            gate.wait();
        }
        answer(request)
    });
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 1, "old"));
    let mut driver = Driver::start(settings());
    while model.requests().is_empty() {
        driver.runner.turn(&mut queue).unwrap();
        std::thread::yield_now();
    }
    driver.runner.forget(1);
    assert_eq!(driver.runner.in_flight(), 0);
    // The same row, claimed anew under the same ticket.
    queue.claimed.clear();
    queue.push(row(&vectorizer, 1, "new"));
    driver.settle(&mut queue, 1);
    model.gate.open();
    queue.push(row(&vectorizer, 2, "later"));
    driver.settle(&mut queue, 2);
    assert_eq!(queue.completed[&Ticket(1)], [new("new")]);
}

#[test]
fn dropping_waits_for_nobody() {
    let hung = Server::start_gated(|_, gate| {
        gate.wait();
        Reply::Close
    });
    let vectorizers = [Arc::new(column_vectorizer(1, &hung.url)), Arc::new(uri_vectorizer(2, &hung.url))];
    let mut queue = MemoryQueue::new(vectorizers.iter().cloned());
    queue.push(row(&vectorizers[0], 1, "text"));
    queue.push(row(&vectorizers[1], 2, "s3://bucket/key"));
    let mut driver = Driver::start(s3(&hung));
    while hung.requests().len() < 2 {
        driver.runner.turn(&mut queue).unwrap();
        std::thread::yield_now();
    }
    // The test hangs if this does.
    drop(driver);
}

#[test]
fn a_vectorizer_without_a_key_rests() {
    let mut vectorizer = column_vectorizer(1, "https://api.openai.com/v1");
    vectorizer.api_key = None;
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..5000 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 100, ..settings() });
    let turn = driver.until(&mut queue, |queue| queue.settled() > 0 && queue.claimed.is_empty());
    assert!(queue.failed.values().all(|failure| failure.code == "no_api_key"));
    assert!(queue.settled() < 1000, "{}", queue.settled());
    assert!(!turn.more && turn.retry_in.is_some_and(|pause| pause > Duration::from_secs(30)), "{turn:?}");

    // A key, once there is one, is used at once.
    let model = support::openai::server();
    queue.vectorizers = vec![Arc::new(column_vectorizer(1, &model.url))];
    driver.settle(&mut queue, 5000);
    assert!(queue.completed.len() > 4000);
}

/// A store whose buckets are down as long as a test says so: those whose name holds a word.
struct Buckets {
    server: Server,
    down: Arc<Mutex<Option<&'static str>>>,
}

impl Buckets {
    fn down(word: &'static str) -> Self {
        let down = Arc::new(Mutex::new(Some(word)));
        let is_down = Arc::clone(&down);
        let server = Server::start(move |request| match *is_down.lock().unwrap() {
            Some(word) if request.target.contains(word) => Reply::Close,
            _ => Reply::new(200, "text"),
        });
        Buckets { server, down }
    }

    fn heal(&self) {
        *self.down.lock().unwrap() = None;
    }
}

fn waits(driver: &Driver) -> Vec<(i32, Step, Scope)> {
    driver.runner.waiting().map(|(v, failure, _)| (v.id, failure.step, failure.scope)).collect()
}

#[test]
fn an_outage_of_the_store_costs_no_tries_and_leaves_the_queue_alone() {
    let (model, buckets) = (support::openai::server(), Buckets::down("bucket"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..s3(&buckets.server) });
    driver.until(&mut queue, |queue| queue.given_back.values().sum::<usize>() > 50);
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Store)]);
    // Those that were under way when it began, and one at a time since.
    assert!(queue.claims.len() <= 50 + 2, "{}", queue.claims.len());
    assert_eq!(queue.settled(), 0);

    buckets.heal();
    driver.settle(&mut queue, 1000);
    assert_eq!((queue.failed, waits(&driver)), (HashMap::new(), Vec::new()));
}

#[test]
fn rows_of_another_bucket_go_on() {
    let (model, buckets) = (support::openai::server(), Buckets::down("broken"));
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        let bucket = if ticket < 500 { "broken" } else { "whole" };
        queue.push(row(&vectorizer, ticket, &format!("s3://{bucket}/{ticket}.txt")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..s3(&buckets.server) });
    driver.settle(&mut queue, 500);
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 500), "{:?}", queue.failed);
    let touched = queue.claims.keys().filter(|ticket| ticket.0 < 500).count();
    assert!(touched <= 50 + 20, "{touched}");
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Store)]);

    buckets.heal();
    driver.settle(&mut queue, 1000);
    assert_eq!(queue.failed, HashMap::new());
}

#[test]
fn one_object_that_fails_stops_neither_its_bucket_nor_itself_for_ever() {
    let model = support::openai::server();
    let bucket = Server::start(|request| match request.target.contains("forbidden") {
        true => Reply::new(403, ""),
        false => Reply::new(200, "text"),
    });
    let vectorizer = Arc::new(uri_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.brings_back = true;
    queue.push(row(&vectorizer, 0, "s3://bucket/forbidden"));
    for ticket in 1..300 {
        queue.push(row(&vectorizer, ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut driver = Driver::start(s3(&bucket));
    driver.settle(&mut queue, 300);
    assert_eq!(queue.failed.len(), 1);
    let failure = &queue.failed[&Ticket(0)];
    assert_eq!((failure.code, failure.scope, failure.retry), ("access_denied", Scope::Row, Retry::Backoff));
    assert_eq!(waits(&driver), []);
}

#[test]
fn a_role_that_is_refused_stops_its_vectorizer_and_no_other() {
    let model = support::openai::server();
    let granted = Arc::new(AtomicBool::new(false));
    let is_granted = Arc::clone(&granted);
    let store = Server::start(move |request| match support::s3::is_sts(request) {
        false => Reply::new(200, "text"),
        true if is_granted.load(Ordering::SeqCst) => {
            let expiry = SystemTime::now() + Duration::from_secs(3600);
            support::s3::session_credentials("token", expiry)
        }
        true => support::s3::sts_error(403, "AccessDenied", "no"),
    });
    let mut refused = uri_vectorizer(1, &model.url);
    let Loading::Uri { s3: access, .. } = &mut refused.config.loading else { unreachable!() };
    access.aws_role_arn = Some(support::s3::ROLE.into());
    let (refused, own) = (Arc::new(refused), Arc::new(uri_vectorizer(2, &model.url)));
    let mut queue = MemoryQueue::new([Arc::clone(&refused), Arc::clone(&own)]);
    queue.brings_back = true;
    for ticket in 0..300 {
        queue.push(row(&refused, ticket, &format!("s3://bucket/{ticket}.txt")));
        queue.push(row(&own, 1000 + ticket, &format!("s3://bucket/{ticket}.txt")));
    }
    let mut settings = Settings { max_documents_in_flight: 50, ..s3(&store) };
    settings.s3.allowed_role_arns = vec!["arn:".into()];
    let mut driver = Driver::start(settings);
    driver.until(&mut queue, |queue| queue.settled() == 300 && !queue.given_back.is_empty());
    assert!(queue.completed.keys().all(|ticket| ticket.0 >= 1000), "{:?}", queue.failed);
    assert_eq!(waits(&driver), [(1, Step::Loading, Scope::Vectorizer)]);

    granted.store(true, Ordering::SeqCst);
    driver.settle(&mut queue, 600);
    assert_eq!(queue.failed, HashMap::new());
}

#[test]
fn a_misnamed_model_costs_no_row_and_one_that_is_renamed_goes_on() {
    let model = Server::start(|request| match request.json()["model"] == "test-model" {
        true => answer(request),
        false => refusal(400, "Invalid model name passed in", None),
    });
    let mut misnamed = column_vectorizer(1, &model.url);
    let Embedding::Openai { model: name, .. } = &mut misnamed.config.embedding else { unreachable!() };
    *name = "tset-model".into();
    let misnamed = Arc::new(misnamed);
    let mut queue = MemoryQueue::new([Arc::clone(&misnamed)]);
    queue.brings_back = true;
    for ticket in 0..1000 {
        queue.push(row(&misnamed, ticket, &format!("text {ticket}")));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 50, ..settings() });
    driver.until(&mut queue, |queue| !queue.given_back.is_empty() && queue.claimed.is_empty());
    assert_eq!((queue.settled(), waits(&driver)), (0, vec![(1, Step::Embedding, Scope::Provider)]));
    assert!(queue.claims.len() <= 50, "{}", queue.claims.len());
}

#[test]
fn a_config_that_cannot_work_is_each_documents_failure() {
    let mut vectorizer = column_vectorizer(1, "http://127.0.0.1:1");
    vectorizer.config.chunking = Chunking::TextSplitter {
        chunk_size: 10,
        chunk_overlap: 10,
        unit: ChunkUnit::Characters,
        format: TextFormat::Text,
    };
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 1, "text"));
    Driver::start(settings()).settle(&mut queue, 1);
    assert_eq!(queue.failed[&Ticket(1)].step, Step::Chunking);
}

#[test]
fn documents_in_flight_are_bounded() {
    let model = Server::start_gated(|request, gate| {
        gate.wait();
        answer(request)
    });
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    for ticket in 0..100 {
        queue.push(row(&vectorizer, ticket, "text"));
    }
    let mut driver = Driver::start(Settings { max_documents_in_flight: 10, ..settings() });
    while model.requests().is_empty() {
        driver.runner.turn(&mut queue).unwrap();
        assert!(driver.runner.in_flight() <= 10);
        std::thread::yield_now();
    }
    model.gate.open();
    driver.settle(&mut queue, 100);
}

#[test]
fn a_large_document_is_cut_off_the_network() {
    let model = support::openai::server();
    let mut vectorizer = column_vectorizer(1, &model.url);
    vectorizer.config.chunking = Chunking::default();
    let vectorizer = Arc::new(vectorizer);
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    queue.push(row(&vectorizer, 1, &"A sentence of a book. ".repeat(20_000)));
    Driver::start(settings()).settle(&mut queue, 1);
    let chunks = &queue.completed[&Ticket(1)];
    assert!(chunks.len() > 500, "{:?}", queue.failed);
    for chunk in chunks {
        let Chunk::New { text, embedding } = chunk else { panic!("{chunk:?}") };
        assert_eq!(*embedding, vector(text));
    }
}
