//! Texts that are kept of documents: written with the chunks, and read with the claims that want them.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::config::TextFormat;
use pgai_rs_pipeline::document::{
    self, Chunk, Completed, Document, Kept, NewText, Provenance, TextToKeep, Ticket,
};
use pgai_rs_pipeline::parse::Parsed;
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::claim::{self, Request};
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::Session;
use pgai_rs_queue::tables::{Remembered, Texts};
use pgai_rs_queue::work::Claimed;
use pgai_rs_queue::{complete, inbox};
use support::client::ClientSession;
use support::server::server;
use support::source::Source;
use support::vectorizer::{create_errors, vectorizer};

/// The version of the document from which each text of the tests was made.
const MADE_OF: [u8; 32] = [7; 32];

/// The largest document that is read, in bytes.
const LARGEST: u64 = 1_000;
const BOUNDS: Bounds = Bounds { document: LARGEST, row: 1_000_000, all: 10_000, chunks: 1_000 };

/// A source of documents whose texts are kept.
struct Queue {
    source: Source,
    session: ClientSession,
    user: postgres::Client,
    vectorizer: Arc<document::Vectorizer>,
    leases: i64,
}

impl Queue {
    /// A queue; `None` if there is no Postgres at hand.
    fn new() -> Option<Queue> {
        let source = Source::of_documents(server()?);
        let vectorizer = vectorizer(&source.definition);
        let (session, mut user) = (source.session(), source.connect());
        create_errors(&mut user);
        user.execute("INSERT INTO blog (id, body) SELECT id, 'bytes' FROM generate_series(1, 2) id", &[])
            .unwrap();
        Some(Queue { source, session, user, vectorizer, leases: 0 })
    }

    /// Enqueues all rows, and claims those that have room in so many bytes, in their order.
    fn claimed(&mut self, bytes: u64) -> Vec<Claimed> {
        self.user.execute("INSERT INTO _vectorizer_q_1 (id) SELECT id FROM blog", &[]).unwrap();
        self.leases += 1;
        let (v, cursor) = (&self.source.definition, Cursor::default());
        let wanted = Request {
            rows: 10,
            bytes,
            largest: LARGEST,
            addresses: &Addresses::Any,
            lease: self.leases,
            duration: Duration::from_secs(600),
            suspects: false,
            looks_at_sizes: true,
        };
        let claim = |s: &mut ClientSession| {
            inbox::fold(s, v, &cursor)?;
            claim::claim(s, v, &wanted)
        };
        let mut claimed = self.session.transaction(|s| s.as_owner(claim)).unwrap().rows;
        claimed.sort_by(|a, b| a.key.0.cmp(&b.key.0));
        claimed
    }

    fn read(&mut self, claimed: &mut [Claimed]) -> Vec<Document> {
        let tickets: Vec<Ticket> = (0..claimed.len() as u64).map(Ticket).collect();
        let (v, shared) = (&self.source.definition, &self.vectorizer);
        let read = |s: &mut ClientSession| claim::read(s, v, shared, claimed, &tickets, BOUNDS);
        let found = self.session.transaction(|s| s.as_owner(read)).unwrap();
        let mut documents: Vec<Document> = found.documents.into_values().collect();
        documents.sort_by_key(|document| document.ticket);
        documents
    }

    /// Writes a document for each claim, of these texts.
    fn complete(&mut self, claimed: &[Claimed], texts: &[TextToKeep]) {
        let done: Vec<Completed> = texts.iter().map(done).collect();
        let results = done.iter().zip(claimed).map(|(done, claim)| Outcome { done, claim: claim.clone() });
        complete::complete(&mut self.session, &self.source.definition, results.collect()).unwrap();
    }

    /// Claims all rows and writes these texts.
    fn keep(&mut self, texts: &[TextToKeep]) {
        let claimed = self.claimed(u64::MAX);
        assert_eq!(claimed.len(), texts.len());
        self.complete(&claimed, texts);
    }

    /// The texts that are kept, of rows in the table of what is remembered.
    fn texts(&mut self) -> Vec<String> {
        let look = "SELECT format('%s: %s %s', id, parsed_text, parsed_at <= now()) FROM _vectorizer_origin_1 ORDER BY id";
        self.user.query(look, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn done(text: &TextToKeep) -> Completed {
    let chunks = vec![Chunk::New { text: "a chunk".to_owned(), embedding: vec![1.0, 0.5, -1.0] }];
    Completed { ticket: Ticket(0), chunks, provenance: None, citations: None, text: text.clone() }
}

fn new(text: &str) -> TextToKeep {
    let outline = Parsed::plain(String::new(), TextFormat::Text).outline().unwrap();
    TextToKeep::New(NewText { made_of: MADE_OF, text: text.to_owned(), outline })
}

/// Returns the kept form of a document that has this text.
fn kept(text: &str) -> Option<Kept> {
    let parsed = Parsed::plain(text.to_owned(), TextFormat::Text);
    Some(Kept { made_of: MADE_OF, parsed: Some(parsed) })
}

/// Returns the queue, or ends the test if there is no Postgres at hand.
macro_rules! queue {
    () => {
        match Queue::new() {
            Some(queue) => queue,
            None => return,
        }
    };
}

#[test]
fn a_text_is_kept_and_read_with_the_next_claim() {
    let mut q = queue!();
    q.keep(&[new("one"), new("two")]);
    assert_eq!(q.texts(), ["1: one t", "2: two t"]);

    let mut claimed = q.claimed(u64::MAX);
    let read: Vec<_> = q.read(&mut claimed).into_iter().map(|document| document.kept).collect();
    assert_eq!(read, [kept("one"), kept("two")]);
    q.complete(&claimed, &[TextToKeep::Same, new("three")]);
    assert_eq!(q.texts(), ["1: one t", "2: three t"]);

    q.keep(&[TextToKeep::Nothing, TextToKeep::Same]);
    assert_eq!(q.texts(), ["2: three t"]);
}

#[test]
fn the_sizes_of_texts_count_before_they_are_read() {
    let mut q = queue!();
    q.keep(&[new(&"x".repeat(500)), new(&"y".repeat(500))]);
    // Each with five bytes of its own, and an outline.
    assert_eq!(q.claimed(800).len(), 1);
    assert_eq!(q.claimed(500).len(), 1);

    let mut q = queue!();
    q.keep(&[new(&"x".repeat(2_000)), new(&"y".repeat(2_000))]);
    let mut claimed = q.claimed(800);
    assert_eq!(claimed.len(), 2);
    assert_eq!(q.read(&mut claimed).into_iter().filter_map(|document| document.kept).count(), 0);
}

#[test]
fn a_text_whose_outline_is_larger_than_it_looks_counts_as_none() {
    let mut q = queue!();
    q.keep(&[new("one"), new("two")]);
    // Compressed, it takes less than a document may.
    let forged = "UPDATE _vectorizer_origin_1
                  SET parsed_outline = jsonb_set(parsed_outline, '{metadata,title}', to_jsonb(repeat('x', 30000)))
                  WHERE id = 2";
    q.user.batch_execute(forged).unwrap();
    let size = q.user.query_one("SELECT max(pg_column_size(parsed_outline)) FROM _vectorizer_origin_1", &[]);
    assert!(size.unwrap().get::<_, i32>(0) < 900);
    let mut claimed = q.claimed(u64::MAX);
    let read: Vec<_> = q.read(&mut claimed).into_iter().map(|document| document.kept).collect();
    assert_eq!(read, [kept("one"), Some(Kept { made_of: MADE_OF, parsed: None })]);
}

#[test]
fn what_is_no_text_counts_as_none() {
    let mut q = queue!();
    q.keep(&[new("one"), new("two")]);
    let broken = "UPDATE _vectorizer_origin_1 SET parsed_from = 'x' WHERE id = 1;
                  UPDATE _vectorizer_origin_1 SET parsed_outline = '[]' WHERE id = 2";
    q.user.batch_execute(broken).unwrap();
    let mut claimed = q.claimed(u64::MAX);
    let read: Vec<_> = q.read(&mut claimed).into_iter().map(|document| document.kept).collect();
    assert_eq!(read, [None, Some(Kept { made_of: MADE_OF, parsed: None })]);
}

#[test]
fn what_is_not_to_be_kept_any_more_is_removed() {
    let mut q = queue!();
    q.keep(&[new("one"), new("two")]);
    q.source.definition.texts = Texts::Removed;
    q.keep(&[TextToKeep::Same, new("two")]);
    assert!(q.texts().is_empty());

    // Where something else is remembered, too, the rest stays.
    q.source.definition.remembered = Remembered::Object;
    let columns = "ALTER TABLE _vectorizer_origin_1 ADD etag text, ADD fingerprint bytea;
                   INSERT INTO _vectorizer_origin_1 (id, etag, fingerprint, parsed_text, parsed_from)
                   VALUES (1, 'v1', decode(repeat('01', 32), 'hex'), 'one', 'x')";
    q.user.batch_execute(columns).unwrap();
    let claimed = q.claimed(u64::MAX);
    let provenance = Some(Provenance { etag: "v1".to_owned(), fingerprint: [1; 32] });
    let done = Completed { provenance, ..done(&TextToKeep::Same) };
    let outcome = Outcome { done: &done, claim: claimed[0].clone() };
    complete::complete(&mut q.session, &q.source.definition, vec![outcome]).unwrap();
    assert_eq!(q.texts(), ["1:  "]);
    let etags = q.user.query("SELECT etag FROM _vectorizer_origin_1", &[]).unwrap();
    assert_eq!(etags[0].get::<_, String>(0), "v1");
}
