//! A queue on a plain server: a source, a session that works on it, and a connection of a user's.

use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::document::{self, Chunk, Completed, Document, TextToKeep, Ticket};
use pgai_rs_pipeline::failure::{Failure, Retry, Scope, Step};
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::claim::{self, Request};
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::Session;
use pgai_rs_queue::work::Claimed;
use pgai_rs_queue::{complete, fail, inbox, suspects};

use crate::support::client::{ClientError, ClientSession};
use crate::support::server::server;
use crate::support::source::Source;
use crate::support::vectorizer::{create_errors, vectorizer};

/// The bounds of what is read, unless a test has its own.
pub const BOUNDS: Bounds = Bounds { document: 1_000, row: 1_000_000, all: 1_000_000, chunks: 1_000 };

/// A source, with a session that works on it and a connection of a user's.
pub struct Queue {
    /// The source, with the tables of its vectorizer.
    pub source: Source,
    /// The worker's session.
    pub session: ClientSession,
    /// A user's connection.
    pub user: postgres::Client,
    cursor: Cursor,
    vectorizer: Arc<document::Vectorizer>,
}

impl Queue {
    pub fn on(source: Source) -> Queue {
        let vectorizer = vectorizer(&source.definition);
        let (session, mut user) = (source.session(), source.connect());
        create_errors(&mut user);
        Queue { source, session, user, cursor: Cursor::default(), vectorizer }
    }

    /// A queue of texts; `None` if there is no Postgres at hand.
    pub fn of_texts() -> Option<Queue> {
        Some(Queue::on(Source::of_texts(server()?)))
    }

    pub fn of_addresses() -> Option<Queue> {
        Some(Queue::on(Source::of_addresses(server()?)))
    }

    /// Inserts a text and enqueues it, as the trigger would.
    pub fn insert(&mut self, id: i32, body: &str) {
        let row = "INSERT INTO blog (id, title, body, price) VALUES ($1, 'a title', $2, 1)
                   ON CONFLICT (id) DO UPDATE SET body = excluded.body";
        self.user.execute(row, &[&id, &body]).unwrap();
        self.enqueue(id);
    }

    pub fn enqueue(&mut self, id: i32) {
        self.user.execute("INSERT INTO _vectorizer_q_1 (id) VALUES ($1)", &[&id]).unwrap();
    }

    pub fn fold(&mut self) -> bool {
        let (v, cursor) = (&self.source.definition, &self.cursor);
        self.session.transaction(|s| s.as_owner(|s| inbox::fold(s, v, cursor))).unwrap().more
    }

    pub fn peek(&mut self) -> inbox::Peek {
        let (v, cursor) = (&self.source.definition, &self.cursor);
        self.session.transaction(|s| s.as_owner_of_queue(|s| inbox::peek(s, v, cursor))).unwrap()
    }

    pub fn claim(&mut self, rows: i64, lease: i64) -> Vec<Claimed> {
        self.claim_as(rows, u64::MAX, lease, &Addresses::Any)
    }

    pub fn claim_as(&mut self, rows: i64, bytes: u64, lease: i64, addresses: &Addresses) -> Vec<Claimed> {
        let v = &self.source.definition;
        let duration = Duration::from_secs(600);
        let wanted = Request {
            rows,
            bytes,
            largest: 1_000,
            addresses,
            lease,
            duration,
            suspects: false,
            looks_at_sizes: true,
        };
        self.session.transaction(|s| s.as_owner(|s| claim::claim(s, v, &wanted))).unwrap().rows
    }

    /// Claims rows that a worker held when it ended.
    pub fn claim_suspects(&mut self, lease: i64) -> Vec<Claimed> {
        let v = &self.source.definition;
        let wanted = Request {
            rows: 100,
            bytes: u64::MAX,
            largest: 1_000,
            addresses: &Addresses::Any,
            lease,
            duration: Duration::from_secs(600),
            suspects: true,
            looks_at_sizes: true,
        };
        self.session.transaction(|s| s.as_owner(|s| claim::claim(s, v, &wanted))).unwrap().rows
    }

    /// Releases what workers held that have ended. A row that was tried before is due at once, too.
    pub fn recover(&mut self) {
        let at_once = (Duration::ZERO, Duration::ZERO);
        suspects::recover(&mut self.session, &self.source.definition, (1_000_000, 2_000_000), at_once)
            .unwrap();
    }

    /// Inserts texts with the ids from 1, folds and claims them.
    pub fn claimed(&mut self, texts: &[&str]) -> Vec<Claimed> {
        for (text, id) in texts.iter().zip(1..) {
            self.insert(id, text);
        }
        self.fold();
        let mut claimed = self.claim(100, 1);
        claimed.sort_by_key(|c| c.key.0[0].parse::<i32>().unwrap());
        claimed
    }

    pub fn read(&mut self, claimed: &mut [Claimed]) -> Vec<Document> {
        self.read_within(claimed, BOUNDS).0
    }

    /// Returns the documents of claims within bounds, and the number of claims that were given back.
    pub fn read_within(&mut self, claimed: &mut [Claimed], bounds: Bounds) -> (Vec<Document>, usize) {
        let tickets: Vec<Ticket> = (0..claimed.len() as u64).map(Ticket).collect();
        let (v, shared) = (&self.source.definition, &self.vectorizer);
        let read = |s: &mut ClientSession| claim::read(s, v, shared, claimed, &tickets, bounds);
        let found = self.session.transaction(|s| s.as_owner(read)).unwrap();
        let mut documents: Vec<Document> = found.documents.into_values().collect();
        documents.sort_by_key(|document| document.ticket);
        (documents, found.left.len())
    }

    pub fn complete(&mut self, done: &[Completed], claims: &[Claimed]) -> Result<Vec<Ticket>, ClientError> {
        let results = done.iter().zip(claims).map(|(done, claim)| Outcome { done, claim: claim.clone() });
        complete::complete(&mut self.session, &self.source.definition, results.collect())
            .map(|written| written.busy)
    }

    pub fn fail(&mut self, claims: &[Claimed], failure: &Failure) {
        self.try_fail(claims, failure).unwrap();
    }

    pub fn try_fail(&mut self, claims: &[Claimed], failure: &Failure) -> Result<(), ClientError> {
        let failed: Vec<(&Claimed, &Failure)> = claims.iter().map(|claim| (claim, failure)).collect();
        let backoff = (Duration::from_secs(60), Duration::from_secs(600));
        let limits = fail::Limits { retries: 3, backoff, errors: 2 };
        let v = &self.source.definition;
        fail::fail(&mut self.session, v, &self.vectorizer, &failed, &limits)
    }

    /// Returns what a user sees: the first column of each row, as text.
    pub fn see(&mut self, query: &str) -> Vec<String> {
        let rows = self.user.query(&format!("SELECT x::text FROM ({query}) q (x)"), &[]).unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_owned())).collect()
    }

    pub fn work(&mut self) -> Vec<String> {
        self.see(
            "SELECT format('%s: generation %s, %s tries, %s, %s', id, generation, attempts,
                           CASE WHEN lease IS NULL THEN 'free' ELSE 'leased' END,
                           CASE WHEN available_at <= now() THEN 'due' ELSE 'later' END)
             FROM _vectorizer_work_1 ORDER BY id",
        )
    }

    pub fn chunks(&mut self) -> Vec<String> {
        self.see("SELECT format('%s/%s %s %s', id, chunk_seq, chunk, embedding) FROM blog_store ORDER BY id, chunk_seq")
    }
}

pub fn new(text: &str, number: f32) -> Chunk {
    Chunk::New { text: text.to_owned(), embedding: vec![number, 0.5, -1.0] }
}

pub fn done(ticket: u64, chunks: Vec<Chunk>) -> Completed {
    Completed { ticket: Ticket(ticket), chunks, provenance: None, citations: None, text: TextToKeep::Nothing }
}

pub fn failure(step: Step, retry: Retry) -> Failure {
    Failure {
        step,
        scope: Scope::Row,
        code: "broken",
        message: "it is broken".to_owned(),
        hint: Some("Mend it.".to_owned()),
        retry,
    }
}
