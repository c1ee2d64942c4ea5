//! The queue's statements on a plain server: what each does to the rows of its tables.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::document::{self, Chunk, Completed, Document, Payload, Provenance, TextToKeep, Ticket};
use pgai_rs_pipeline::failure::{Failure, Retry, Scope, Step};
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::claim::{self, Request};
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::key::KeyValues;
use pgai_rs_queue::outcome::Outcome;
use pgai_rs_queue::session::{QueueError, Session};
use pgai_rs_queue::work::{self, Claimed};
use pgai_rs_queue::{complete, errors, fail, gone, inbox, unheld};
use serde_json::json;
use support::client::{ClientError, ClientSession};
use support::server::server;
use support::source::Source;
use support::vectorizer::{create_errors, vectorizer};

/// A source, with a session that works on it and a connection of a user's.
struct Queue {
    source: Source,
    session: ClientSession,
    user: postgres::Client,
    cursor: Cursor,
    vectorizer: Arc<document::Vectorizer>,
}

impl Queue {
    fn on(source: Source) -> Queue {
        let vectorizer = vectorizer(&source.definition);
        let (session, mut user) = (source.session(), source.connect());
        create_errors(&mut user);
        Queue { source, session, user, cursor: Cursor::default(), vectorizer }
    }

    /// A queue of texts; `None` if there is no Postgres at hand.
    fn of_texts() -> Option<Queue> {
        Some(Queue::on(Source::of_texts(server()?)))
    }

    fn of_addresses() -> Option<Queue> {
        Some(Queue::on(Source::of_addresses(server()?)))
    }

    /// Inserts a text and enqueues it, as the trigger would.
    fn insert(&mut self, id: i32, body: &str) {
        let row = "INSERT INTO blog (id, title, body, price) VALUES ($1, 'a title', $2, 1)
                   ON CONFLICT (id) DO UPDATE SET body = excluded.body";
        self.user.execute(row, &[&id, &body]).unwrap();
        self.enqueue(id);
    }

    fn enqueue(&mut self, id: i32) {
        self.user.execute("INSERT INTO _vectorizer_q_1 (id) VALUES ($1)", &[&id]).unwrap();
    }

    fn fold(&mut self) -> bool {
        let (v, cursor) = (&self.source.definition, &self.cursor);
        self.session.transaction(|s| s.as_owner(|s| inbox::fold(s, v, cursor))).unwrap().more
    }

    fn peek(&mut self) -> inbox::Peek {
        let (v, cursor) = (&self.source.definition, &self.cursor);
        self.session.transaction(|s| s.as_owner_of_queue(|s| inbox::peek(s, v, cursor))).unwrap()
    }

    fn claim(&mut self, rows: i64, lease: i64) -> Vec<Claimed> {
        self.claim_as(rows, u64::MAX, lease, &Addresses::Any)
    }

    fn claim_as(&mut self, rows: i64, bytes: u64, lease: i64, addresses: &Addresses) -> Vec<Claimed> {
        let v = &self.source.definition;
        let duration = Duration::from_secs(600);
        let wanted = Request { rows, bytes, largest: 1_000, addresses, lease, duration };
        self.session.transaction(|s| s.as_owner(|s| claim::claim(s, v, &wanted))).unwrap().rows
    }

    /// Inserts texts with the ids from 1, folds and claims them.
    fn claimed(&mut self, texts: &[&str]) -> Vec<Claimed> {
        for (text, id) in texts.iter().zip(1..) {
            self.insert(id, text);
        }
        self.fold();
        let mut claimed = self.claim(100, 1);
        claimed.sort_by_key(|c| c.key.0[0].parse::<i32>().unwrap());
        claimed
    }

    fn read(&mut self, claimed: &[Claimed]) -> Vec<Document> {
        let tickets: Vec<Ticket> = (0..claimed.len() as u64).map(Ticket).collect();
        let (v, shared) = (&self.source.definition, &self.vectorizer);
        let read = |s: &mut ClientSession| claim::read(s, v, shared, claimed, &tickets, 1_000);
        let documents = self.session.transaction(|s| s.as_owner(read)).unwrap();
        let mut documents: Vec<Document> = documents.into_values().collect();
        documents.sort_by_key(|document| document.ticket);
        documents
    }

    fn complete(&mut self, done: &[Completed], claims: &[Claimed]) -> Result<Vec<Ticket>, ClientError> {
        let results = done.iter().zip(claims).map(|(done, claim)| Outcome { done, claim: claim.clone() });
        complete::complete(&mut self.session, &self.source.definition, results.collect())
            .map(|written| written.busy)
    }

    fn fail(&mut self, claims: &[Claimed], failure: &Failure) {
        let failed: Vec<(&Claimed, &Failure)> = claims.iter().map(|claim| (claim, failure)).collect();
        let backoff = (Duration::from_secs(60), Duration::from_secs(600));
        let limits = fail::Limits { retries: 3, backoff, errors: 2 };
        let v = &self.source.definition;
        fail::fail(&mut self.session, v, &self.vectorizer, &failed, &limits).unwrap();
    }

    /// Returns what a user sees: the first column of each row, as text.
    fn see(&mut self, query: &str) -> Vec<String> {
        let rows = self.user.query(&format!("SELECT x::text FROM ({query}) q (x)"), &[]).unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_owned())).collect()
    }

    fn work(&mut self) -> Vec<String> {
        self.see(
            "SELECT format('%s: generation %s, %s tries, %s, %s', id, generation, attempts,
                           CASE WHEN lease IS NULL THEN 'free' ELSE 'leased' END,
                           CASE WHEN available_at <= now() THEN 'due' ELSE 'later' END)
             FROM _vectorizer_work_1 ORDER BY id",
        )
    }

    fn chunks(&mut self) -> Vec<String> {
        self.see("SELECT format('%s/%s %s %s', id, chunk_seq, chunk, embedding) FROM blog_store ORDER BY id, chunk_seq")
    }
}

fn new(text: &str, number: f32) -> Chunk {
    Chunk::New { text: text.to_owned(), embedding: vec![number, 0.5, -1.0] }
}

fn done(ticket: u64, chunks: Vec<Chunk>) -> Completed {
    Completed { ticket: Ticket(ticket), chunks, provenance: None, citations: None, text: TextToKeep::Nothing }
}

fn failure(step: Step, retry: Retry) -> Failure {
    Failure {
        step,
        scope: Scope::Row,
        code: "broken",
        message: "it is broken".to_owned(),
        hint: Some("Mend it.".to_owned()),
        retry,
    }
}

/// Prepares a test's queue, or ends the test if there is no Postgres.
macro_rules! queue {
    ($queue:expr) => {
        match $queue {
            Some(queue) => queue,
            None => return,
        }
    };
}

#[test]
fn fold_makes_one_row_of_many_and_counts_changes_as_generations() {
    let mut q = queue!(Queue::of_texts());
    assert!(!q.peek().now);
    q.insert(1, "a");
    q.insert(1, "b");
    q.insert(2, "c");
    assert!(q.peek().now);
    assert!(!q.fold(), "there is nothing more to fold");
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, due", "2: generation 1, 0 tries, free, due"]);
    q.insert(1, "d");
    q.fold();
    assert_eq!(q.work(), ["1: generation 2, 0 tries, free, due", "2: generation 1, 0 tries, free, due"]);
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_q_1"), ["0"]);
}

#[test]
fn a_change_keeps_the_lease_of_a_row_that_is_under_way() {
    let mut q = queue!(Queue::of_texts());
    q.claimed(&["a"]);
    q.insert(1, "b");
    q.fold();
    assert_eq!(q.work(), ["1: generation 2, 0 tries, leased, later"]);
    assert!(!q.peek().now, "the row is due when its lease ends");
}

#[test]
fn claim_takes_what_is_due_and_as_many_bytes_as_fit() {
    let mut q = queue!(Queue::of_texts());
    for id in 1..=4 {
        q.insert(id, &"x".repeat(100));
        q.fold();
    }
    let first = q.claim_as(100, 350, 7, &Addresses::Any);
    assert_eq!(first.len(), 3, "each has 100 bytes and its fields");
    assert!(first.iter().all(|claimed| claimed.attempts == 1 && claimed.lease == 7));
    let second = q.claim_as(100, 1, 8, &Addresses::Any);
    assert_eq!(second.len(), 1, "the first is claimed whatever its size");
    assert!(q.claim(100, 9).is_empty());
}

#[test]
fn two_sessions_never_claim_the_same_row() {
    let mut q = queue!(Queue::of_texts());
    (1..=20).for_each(|id| q.insert(id, "a"));
    q.fold();
    let mut other = Queue::on(q.source.clone());
    let mut keys = HashSet::new();
    let mut count = 0;
    for lease in 0..10 {
        for claimed in [q.claim(3, lease), other.claim(3, 100 + lease)].concat() {
            count += 1;
            keys.insert(claimed.key.0);
        }
    }
    assert_eq!((count, keys.len()), (20, 20));
}

#[test]
fn read_returns_the_texts_and_fields_as_python_writes_them() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a text", &"x".repeat(2_000)]);
    q.user.execute("UPDATE blog SET title = NULL, price = 3 WHERE id = 1", &[]).unwrap();
    let documents = q.read(&claimed);
    assert_eq!(documents[0].payload, Payload::Text("a text".to_owned()));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(documents[0].fields, [field("title", "None"), field("price", "3.0")]);
    assert_eq!(documents[1].payload, Payload::TooLarge(2_000));
}

#[test]
fn complete_writes_chunks_and_settles_the_row() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    assert!(q.complete(&[done(0, vec![new("one", 1.0), new("two", 2.0)])], &claimed).unwrap().is_empty());
    assert_eq!(q.chunks(), ["1/0 one [1,0.5,-1]", "1/1 two [2,0.5,-1]"]);
    assert!(q.work().is_empty());
}

#[test]
fn kept_chunks_move_and_keep_their_vectors() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.complete(&[done(0, vec![new("one", 1.0), new("two", 2.0), new("three", 3.0)])], &claimed).unwrap();
    let claimed = q.claimed(&["b"]);
    let mut existing = q.read(&claimed).remove(0).existing;
    assert_eq!(existing.len(), 3);
    let (third, second) = (existing.remove(2), existing.remove(1));
    let chunks = vec![Chunk::Kept(third), new("four", 4.0), Chunk::Kept(second)];
    q.complete(&[done(0, chunks)], &claimed).unwrap();
    assert_eq!(q.chunks(), ["1/0 three [3,0.5,-1]", "1/1 four [4,0.5,-1]", "1/2 two [2,0.5,-1]"]);
}

#[test]
fn new_chunks_and_kept_ones_get_their_places_in_the_document() {
    let mut q = queue!(Queue::of_texts());
    q.user.execute("ALTER TABLE blog_store ADD citation jsonb", &[]).unwrap();
    q.source.definition.cited = true;
    let cited = |starts: &[i32], chunks| Completed {
        citations: Some(starts.iter().map(|start| format!("{{\"start\": {start}}}")).collect()),
        ..done(0, chunks)
    };

    let claimed = q.claimed(&["a"]);
    q.complete(&[cited(&[0, 5], vec![new("one", 1.0), new("two", 2.0)])], &claimed).unwrap();
    let claimed = q.claimed(&["b"]);
    let second = q.read(&claimed).remove(0).existing.remove(1);
    q.complete(&[cited(&[7, 9], vec![Chunk::Kept(second), new("three", 3.0)])], &claimed).unwrap();

    let places = "SELECT chunk || ' ' || (citation->>'start') FROM blog_store ORDER BY chunk_seq";
    assert_eq!(q.see(places), ["two 7", "three 9"]);
}

#[test]
fn a_document_whose_kept_chunk_is_gone_runs_again() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap();
    let claimed = q.claimed(&["b"]);
    let existing = q.read(&claimed).remove(0).existing.remove(0);
    q.user.execute("DELETE FROM blog_store", &[]).unwrap();
    q.complete(&[done(0, vec![Chunk::Kept(existing), new("two", 2.0)])], &claimed).unwrap();
    assert!(q.chunks().is_empty());
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, due"]);
}

#[test]
fn a_row_that_changed_meanwhile_is_written_and_runs_again() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.insert(1, "b");
    q.fold();
    q.complete(&[done(0, vec![new("of a", 1.0)])], &claimed).unwrap();
    assert_eq!(q.chunks(), ["1/0 of a [1,0.5,-1]"]);
    assert_eq!(q.work(), ["1: generation 2, 0 tries, free, due"]);
}

#[test]
fn a_lease_that_another_has_taken_over_writes_nothing() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.user.execute("UPDATE _vectorizer_work_1 SET lease = 99", &[]).unwrap();
    q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap();
    q.fail(&claimed, &failure(Step::Embedding, Retry::Never));
    gone::settle(&mut q.session, &q.source.definition, &claimed).unwrap();
    assert!(q.chunks().is_empty());
    assert_eq!(q.work(), ["1: generation 1, 1 tries, leased, later"]);
    let tickets: Vec<_> = claimed.iter().map(|claim| (Ticket(5), claim.clone())).collect();
    assert_eq!(unheld::unheld(&mut q.session, &q.source.definition, &tickets), [Ticket(5)]);
}

#[test]
fn a_row_that_is_being_deleted_is_offered_again_and_then_gone() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a", "b"]);
    let results = || [done(0, vec![new("one", 1.0)]), done(1, vec![new("two", 2.0)])];
    let mut other = q.source.connect();
    let mut deleting = other.transaction().unwrap();
    deleting.execute("DELETE FROM blog WHERE id = 1", &[]).unwrap();
    assert_eq!(q.complete(&results(), &claimed).unwrap(), [Ticket(0)]);
    assert_eq!(q.chunks(), ["2/0 two [2,0.5,-1]"]);

    deleting.commit().unwrap();
    q.user
        .execute("INSERT INTO blog_store (id, chunk_seq, chunk, embedding) VALUES (1, 0, '', '[1,2,3]')", &[])
        .unwrap();
    assert!(q.complete(&results()[..1], &claimed[..1]).unwrap().is_empty());
    assert_eq!(q.chunks(), ["2/0 two [2,0.5,-1]"], "the chunks of a row that is gone are removed");
    assert!(q.work().is_empty());
}

#[test]
fn a_row_that_a_user_updates_is_written_meanwhile() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    let mut other = q.source.connect();
    let mut updating = other.transaction().unwrap();
    updating.execute("UPDATE blog SET body = 'b' WHERE id = 1", &[]).unwrap();
    assert!(q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap().is_empty());
    assert_eq!(q.chunks(), ["1/0 one [1,0.5,-1]"]);
}

#[test]
fn a_failed_row_waits_longer_each_time_and_is_set_aside_in_the_end() {
    let mut q = queue!(Queue::of_texts());
    let mut claimed = q.claimed(&["a"]);
    let broken = failure(Step::Embedding, Retry::Backoff);
    for tries in 1..=3 {
        q.fail(&claimed, &broken);
        assert_eq!(q.work(), [format!("1: generation 1, {tries} tries, free, later")]);
        q.user.execute("UPDATE _vectorizer_work_1 SET available_at = now()", &[]).unwrap();
        claimed = q.claim(1, 10 + tries);
    }
    q.fail(&claimed, &broken);
    assert!(q.work().is_empty());
    let failed = "SELECT row(id, failure_step, failure_code, failure_message, failure_hint, attempts)
                  FROM _vectorizer_q_failed_1";
    assert_eq!(q.see(failed), ["(1,embedding,broken,\"it is broken\",\"Mend it.\",4)"]);

    q.insert(1, "b");
    q.fold();
    let claimed = q.claim(1, 20);
    q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap();
    assert!(q.see(failed).is_empty(), "what succeeds is no longer set aside");
}

#[test]
fn what_is_not_the_rows_fault_costs_it_no_try() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.fail(&claimed, &failure(Step::Embedding, Retry::After(Duration::from_secs(3_600))));
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, later"]);
    work::resume(&mut q.session, &q.source.definition).unwrap();
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, due"]);
}

#[test]
fn a_row_is_not_set_aside_while_somebody_deletes_it() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    let mut other = q.source.connect();
    let mut deleting = other.transaction().unwrap();
    deleting.execute("DELETE FROM blog", &[]).unwrap();
    q.fail(&claimed, &failure(Step::Parsing, Retry::Never));
    assert_eq!(q.work(), ["1: generation 1, 1 tries, free, later"]);
    deleting.commit().unwrap();
    q.user.execute("UPDATE _vectorizer_work_1 SET available_at = now()", &[]).unwrap();
    let claimed = q.claim(1, 2);
    q.fail(&claimed, &failure(Step::Parsing, Retry::Never));
    assert!(q.work().is_empty());
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_q_failed_1"), ["0"]);
}

#[test]
fn errors_are_counted_and_limited() {
    let mut q = queue!(Queue::of_texts());
    for (message, code) in [("a", "x"), ("a", "x"), ("b", "x"), ("c", "y")] {
        errors::record(&mut q.session, 1, message, &json!({"code": code})).unwrap();
    }
    let all = "SELECT format('%s %s %s', message, details ->> 'code', details ->> 'count')
               FROM ai._vectorizer_errors ORDER BY recorded, message";
    assert_eq!(q.see(all), ["a x 2", "b x 1", "c y 1"]);
    errors::trim(&mut q.session, 1, 1).unwrap();
    assert_eq!(q.see(all), ["c y 1"]);
}

#[test]
fn leases_are_prolonged_while_they_are_ones_own() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a", "b"]);
    q.user
        .execute("UPDATE _vectorizer_work_1 SET available_at = now(), lease = lease + (id - 1)", &[])
        .unwrap();
    let held: Vec<&Claimed> = claimed.iter().collect();
    work::renew(&mut q.session, &q.source.definition, &held, Duration::from_secs(60)).unwrap();
    assert_eq!(
        q.work(),
        ["1: generation 1, 1 tries, leased, later", "2: generation 1, 1 tries, leased, due"]
    );
}

#[test]
fn the_leases_of_the_dead_are_given_back_and_those_of_the_living_stay() {
    let mut q = queue!(Queue::of_texts());
    (1..=3).for_each(|id| q.insert(id, "a"));
    q.fold();
    let mut other = Queue::on(q.source.clone());
    other.claim(1, 1);
    q.claim(1, 2);
    // The third is held by a process that there is not.
    q.user
        .execute("UPDATE _vectorizer_work_1 SET lease = 3, leased_by = 2147483647 WHERE lease IS NULL", &[])
        .unwrap();
    let mut new = Queue::on(q.source.clone());
    work::recover(&mut new.session, &new.source.definition).unwrap();
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_work_1 WHERE lease IS NOT NULL"), ["2"]);
    work::recover(&mut q.session, &q.source.definition).unwrap();
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_work_1 WHERE lease IS NOT NULL"), ["1"], "one's own");
}

#[test]
fn a_row_that_is_gone_is_forgotten_unless_it_is_there_again() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a", "b"]);
    q.user.execute("DELETE FROM blog", &[]).unwrap();
    assert!(q.read(&claimed).is_empty());
    q.user.execute("INSERT INTO blog (id, body) VALUES (2, 'there again')", &[]).unwrap();
    gone::settle(&mut q.session, &q.source.definition, &claimed).unwrap();
    assert_eq!(q.work(), ["2: generation 1, 0 tries, free, due"]);
}

#[test]
fn a_table_that_was_replaced_is_not_touched() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.user
        .batch_execute(
            "ALTER TABLE blog_store RENAME TO old; CREATE TABLE blog_store (LIKE old INCLUDING ALL)",
        )
        .unwrap();
    let error = q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap_err();
    assert!(error.is_contention(), "{error}");
    assert!(q.chunks().is_empty());
}

#[test]
fn statements_are_prepared_once() {
    let mut q = queue!(Queue::of_texts());
    let round = |q: &mut Queue, text: &str| {
        let claimed = q.claimed(&[text]);
        q.read(&claimed);
        q.complete(&[done(0, vec![new(text, 1.0)])], &claimed).unwrap();
    };
    round(&mut q, "a");
    let prepared = q.session.preparations;
    round(&mut q, "b");
    assert_eq!(q.session.preparations, prepared);
}

fn insert_event(q: &mut Queue, tenant: &str, uri: &str) {
    let row = "INSERT INTO events (created_at, \"tenant \"\"of\"\"\", uri) VALUES ('2026-02-03', $1, $2)";
    q.user.execute(row, &[&tenant, &uri]).unwrap();
    let key = "INSERT INTO _vectorizer_q_2 (created_at, \"tenant \"\"of\"\"\") VALUES ('2026-02-03', $1)";
    q.user.execute(key, &[&tenant]).unwrap();
}

#[test]
fn rows_are_claimed_by_their_addresses() {
    let mut q = queue!(Queue::of_addresses());
    insert_event(&mut q, "one", "s3://a/x");
    insert_event(&mut q, "two", "s3://b/x");
    q.fold();
    let only = |prefix: &str| Addresses::Of(prefix.into());
    assert!(q.claim_as(10, u64::MAX, 1, &only("s3://c/")).is_empty());
    let first = q.claim_as(10, u64::MAX, 2, &only("s3://b/"));
    assert_eq!(first[0].key.0[0], "two");
    let rest = q.claim_as(10, u64::MAX, 3, &Addresses::Except(vec!["s3://b/".into()]));
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].key, KeyValues(vec!["one".to_owned(), rest[0].key.0[1].clone()]));
}

#[test]
fn a_vector_is_written_to_its_column_with_its_provenance() {
    let mut q = queue!(Queue::of_addresses());
    insert_event(&mut q, "one", "s3://a/x");
    q.fold();
    let claimed = q.claim(10, 1);
    let provenance = Provenance { etag: "v1".to_owned(), fingerprint: [7; 32] };
    let written = Completed { provenance: Some(provenance.clone()), ..done(0, vec![new("text", 1.0)]) };
    q.complete(&[written], &claimed).unwrap();
    assert_eq!(q.see("SELECT embedding FROM events"), ["[1,0.5,-1]"]);

    q.user.execute("INSERT INTO _vectorizer_q_2 (created_at, \"tenant \"\"of\"\"\") SELECT created_at, \"tenant \"\"of\"\"\" FROM events", &[]).unwrap();
    q.fold();
    let claimed = q.claim(10, 2);
    let document = q.read(&claimed).remove(0);
    assert_eq!(document.provenance, Some(provenance));
    assert_eq!(document.existing[0].digest, document::digest("text"));

    q.complete(&[done(0, Vec::new())], &claimed).unwrap();
    assert_eq!(q.see("SELECT embedding FROM events"), ["NULL"]);
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_origin_2"), ["0"]);
}

#[test]
fn rows_are_not_taken_for_gone_while_a_partition_may_be_being_added() {
    let mut q = queue!(Queue::of_addresses());
    insert_event(&mut q, "one", "s3://a/x");
    q.fold();
    let claimed = q.claim(10, 1);
    q.user.execute("DELETE FROM events", &[]).unwrap();
    let mut other = q.source.connect();
    let mut adding = other.transaction().unwrap();
    adding.batch_execute("LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE").unwrap();
    gone::settle(&mut q.session, &q.source.definition, &claimed).unwrap();
    let waits = "SELECT count(*) FROM _vectorizer_work_2 WHERE lease IS NULL AND attempts = 0 AND available_at > now()";
    assert_eq!(q.see(waits), ["1"]);

    adding.rollback().unwrap();
    q.user.execute("UPDATE _vectorizer_work_2 SET available_at = now()", &[]).unwrap();
    let claimed = q.claim(10, 2);
    gone::settle(&mut q.session, &q.source.definition, &claimed).unwrap();
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_work_2"), ["0"]);
}
