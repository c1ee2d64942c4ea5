//! The runner, with a queue in memory and servers that make mistakes.
#![allow(clippy::unwrap_used)]

mod isolation;
mod kept;
mod memory;
mod owners;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod unchanged;
mod writing;

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
use support::queue::{Driver, MemoryQueue, settings};
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

/// Starts a bucket with one object, whose text may change; it is not sent to whoever has it already.
fn bucket_of(text: &Arc<Mutex<&'static str>>) -> Server {
    let text = Arc::clone(text);
    Server::start(move |request| {
        let text = *text.lock().unwrap();
        let etag = format!("\"{text:?}\"");
        match request.header("if-none-match") == Some(etag.as_str()) {
            true => Reply::new(304, ""),
            false => Reply::new(200, text).with("ETag", &etag),
        }
    })
}

fn waits(driver: &Driver) -> Vec<(i32, Step, Scope)> {
    driver.runner.waiting().map(|(v, failure, _)| (v.id, failure.step, failure.scope)).collect()
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
    // A request leaves when it is full, however long its rows take to come.
    let full =
        Settings { embedding_max_inputs: 1000, embedding_linger: Duration::from_secs(3600), ..settings() };
    let mut driver = Driver::start(full);
    driver.settle(&mut queue, 2000);
    for ticket in 0..2000 {
        assert_eq!(queue.completed[&Ticket(ticket)], [new(&format!("text {ticket}"))]);
    }
    assert_eq!(model.requests().len(), 2);
    assert_eq!(driver.runner.in_flight(), 0);
    assert!(queue.claimed.is_empty());
}

#[test]
fn a_row_waits_for_no_others_where_none_are_on_their_way() {
    let model = support::openai::server();
    let vectorizer = Arc::new(column_vectorizer(1, &model.url));
    let mut queue = MemoryQueue::new([Arc::clone(&vectorizer)]);
    let mut driver = Driver::start(Settings { embedding_linger: Duration::from_secs(3600), ..settings() });
    for ticket in 0..3 {
        queue.push(row(&vectorizer, ticket, "one"));
        queue.push(row(&vectorizer, 10 + ticket, ""));
        driver.settle(&mut queue, 2 * (ticket as usize + 1));
    }
    assert_eq!(model.requests().len(), 3);
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
