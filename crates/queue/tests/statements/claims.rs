//! The inbox and the claim: what is due is folded into rows, claimed and read.

use std::collections::HashSet;

use pgai_rs_pipeline::document::Payload;
use pgai_rs_pipeline::run::Addresses;

use crate::queue::{Queue, done, new};

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
    let mut claimed = q.claimed(&["a text", &"x".repeat(2_000)]);
    q.user.execute("UPDATE blog SET title = NULL, price = 3 WHERE id = 1", &[]).unwrap();
    let documents = q.read(&mut claimed);
    assert_eq!(documents[0].payload, Payload::Text("a text".to_owned()));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(documents[0].fields, [field("title", "None"), field("price", "3.0")]);
    assert_eq!(documents[1].payload, Payload::TooLarge(2_000));
}

#[test]
fn statements_are_prepared_once() {
    let mut q = queue!(Queue::of_texts());
    let round = |q: &mut Queue, text: &str| {
        let mut claimed = q.claimed(&[text]);
        q.read(&mut claimed);
        q.complete(&[done(0, vec![new(text, 1.0)])], &claimed).unwrap();
    };
    round(&mut q, "a");
    // The first time there was nothing to delete.
    round(&mut q, "b");
    let prepared = q.session.preparations;
    round(&mut q, "c");
    assert_eq!(q.session.preparations, prepared);
}
