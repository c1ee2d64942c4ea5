//! The words of chunks: written with them, and added to those that were there before.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use pgai_rs_pipeline::document::{Chunk, Completed, TextToKeep, Ticket};
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::claim::{self, Request};
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::{QueueError, Session};
use pgai_rs_queue::words::{Pass, Step, fill};
use pgai_rs_queue::{complete, inbox};
use support::client::{ClientError, ClientSession};
use support::server::server;
use support::source::Source;
use support::vectorizer::create_errors;

/// A source of texts whose words are kept.
struct Queue {
    source: Source,
    session: ClientSession,
    user: postgres::Client,
    leases: i64,
}

impl Queue {
    /// A queue; `None` if there is no Postgres at hand.
    fn new() -> Option<Queue> {
        let source = Source::of_words(server()?);
        let (session, mut user) = (source.session(), source.connect());
        create_errors(&mut user);
        Some(Queue { source, session, user, leases: 0 })
    }

    /// Writes a row and its chunks.
    fn write(&mut self, id: i32, chunks: &[&str]) -> Result<(), ClientError> {
        self.user.execute("INSERT INTO blog (id) VALUES ($1) ON CONFLICT DO NOTHING", &[&id]).unwrap();
        self.user.execute("INSERT INTO _vectorizer_q_1 (id) VALUES ($1)", &[&id]).unwrap();
        self.leases += 1;
        let (v, cursor) = (&self.source.definition, Cursor::default());
        let wanted = Request {
            rows: 1,
            bytes: u64::MAX,
            largest: 1_000,
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
        let claimed = self.session.transaction(|s| s.as_owner(claim)).unwrap().rows;

        let new = |text: &&str| Chunk::New { text: (*text).to_owned(), embedding: vec![1.0, 0.5, -1.0] };
        let done = Completed {
            ticket: Ticket(0),
            chunks: chunks.iter().map(new).collect(),
            provenance: None,
            citations: None,
            text: TextToKeep::Nothing,
        };
        let results = claimed.iter().map(|claim| Outcome { done: &done, claim: claim.clone() });
        complete::complete(&mut self.session, v, results.collect()).map(drop)
    }

    /// Makes a pass over the store, `limit` chunks at a time. Returns the number of steps, and whether chunks were left out.
    fn fill(&mut self, limit: u16) -> (usize, bool) {
        let mut pass = Pass::default();
        for steps in 1.. {
            match fill(&mut self.session, &self.source.definition, pass, limit).unwrap() {
                Step::Further(next) => pass = next,
                Step::Over { has_skipped } => return (steps, has_skipped),
            }
        }
        unreachable!("a pass comes to an end")
    }

    /// The chunks with their words.
    fn words(&mut self) -> Vec<String> {
        let look = "SELECT format('%s: %s', s.chunk, coalesce(w.words::text, 'none'))
                    FROM blog_store s FULL JOIN blog_store_words w USING (embedding_uuid) ORDER BY s.id, s.chunk_seq";
        self.user.query(look, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// Prepares a test's queue, or ends the test if there is no Postgres.
macro_rules! queue {
    () => {
        match Queue::new() {
            Some(queue) => queue,
            None => return,
        }
    };
}

#[test]
fn words_are_written_with_their_chunks_and_deleted_with_them() {
    let mut q = queue!();
    q.write(1, &["some words", "more words"]).unwrap();
    assert_eq!(q.words(), ["some words: 'some':1 'words':2", "more words: 'more':1 'words':2"]);
    q.write(1, &["others"]).unwrap();
    assert_eq!(q.words(), ["others: 'others':1"]);
}

#[test]
fn a_text_that_is_too_long_is_cut_off() {
    let mut q = queue!();
    let long: String = (0..60_000).map(|number| format!("{number:030} ")).collect();
    q.write(1, &[&long]).unwrap();
    let found = q.user.query_one("SELECT length(words) FROM blog_store_words", &[]).unwrap();
    assert_eq!(found.get::<_, i32>(0), 3226);
}

/// An error that a text has too many words comes from dictionaries, which this server has none of.
fn too_many(table: &str) -> String {
    format!(
        "CREATE FUNCTION too_many() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF new.words <> ''::tsvector THEN
                 RAISE program_limit_exceeded USING MESSAGE = 'string is too long for tsvector';
             END IF;
             RETURN new;
         END $$;
         CREATE TRIGGER too_many BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION too_many()"
    )
}

#[test]
fn a_document_with_too_many_words_is_written_without() {
    let mut q = queue!();
    q.user.batch_execute(&too_many("blog_store_words")).unwrap();
    q.write(1, &["one", "two"]).unwrap();
    assert_eq!(q.words(), ["one: ", "two: "]);
}

#[test]
fn another_error_of_that_kind_is_not_hidden() {
    let mut q = queue!();
    q.user.batch_execute(&too_many("blog_store").replace("new.words <> ''::tsvector", "true")).unwrap();
    assert!(q.write(1, &["one"]).is_err());
}

#[test]
fn older_chunks_get_their_words_a_few_at_a_time() {
    let mut q = queue!();
    for id in 1..=5 {
        q.write(id, &["a chunk", "another"]).unwrap();
    }
    q.user.execute("DELETE FROM blog_store_words WHERE embedding_uuid IN (SELECT embedding_uuid FROM blog_store WHERE id > 1)", &[])
        .unwrap();
    assert_eq!(q.fill(3), (4, false));
    let expected = ["a chunk: 'a':1 'chunk':2", "another: 'another':1"].repeat(5);
    assert_eq!(q.words(), expected);
    assert_eq!(q.fill(10), (2, false));
    assert_eq!(q.fill(11), (1, false));
}

#[test]
fn the_last_uuid_that_there_can_be_ends_a_pass() {
    let mut q = queue!();
    q.user
        .execute(
            "INSERT INTO blog_store (embedding_uuid, id, chunk_seq, chunk, embedding)
             VALUES ('00000000-0000-0000-0000-000000000000', 1, 0, 'first', '[1,2,3]'),
                    ('ffffffff-ffff-ffff-ffff-ffffffffffff', 1, 1, 'last', '[1,2,3]')",
            &[],
        )
        .unwrap();
    assert_eq!(q.fill(1), (2, false));
    assert_eq!(q.words(), ["first: 'first':1", "last: 'last':1"]);
}

#[test]
fn a_chunk_that_is_locked_is_left_for_another_pass() {
    let mut q = queue!();
    q.write(1, &["one", "two"]).unwrap();
    q.user.execute("DELETE FROM blog_store_words", &[]).unwrap();
    let mut other = q.source.connect();
    other.batch_execute("BEGIN; SELECT FROM blog_store WHERE chunk = 'one' FOR UPDATE").unwrap();
    assert_eq!(q.fill(10), (1, true));
    assert_eq!(q.words(), ["one: none", "two: 'two':1"]);
    other.batch_execute("DELETE FROM blog_store WHERE chunk = 'one'; COMMIT").unwrap();
    assert_eq!(q.fill(10), (1, false));
    assert_eq!(q.words(), ["two: 'two':1"]);
}

#[test]
fn no_words_are_added_by_a_definition_that_changes_meanwhile() {
    let mut q = queue!();
    q.write(1, &["one", "two"]).unwrap();
    q.user.execute("DELETE FROM blog_store_words", &[]).unwrap();
    // A table that the statement does not need.
    q.user
        .batch_execute(
            "CREATE FUNCTION redefine() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN ALTER TABLE IF EXISTS public._vectorizer_q_1 RENAME TO another; RETURN NULL; END $$;
             CREATE TRIGGER redefine AFTER INSERT ON blog_store_words EXECUTE FUNCTION redefine()",
        )
        .unwrap();
    let error = fill(&mut q.session, &q.source.definition, Pass::default(), 10).unwrap_err();
    assert!(error.is_contention(), "{error}");
    assert_eq!(q.words(), ["one: none", "two: none"]);
}
