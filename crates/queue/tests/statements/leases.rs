//! Leases, and rows and tables that are no longer what they were.

use std::time::Duration;

use pgai_rs_queue::gone;
use pgai_rs_queue::session::QueueError;
use pgai_rs_queue::work::{self, Claimed};

use crate::queue::{Queue, done, new};

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
    new.recover();
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_work_1 WHERE lease IS NOT NULL"), ["2"]);
    q.recover();
    assert_eq!(q.see("SELECT count(*) FROM _vectorizer_work_1 WHERE lease IS NOT NULL"), ["1"], "one's own");
}

#[test]
fn a_row_that_is_gone_is_forgotten_unless_it_is_there_again() {
    let mut q = queue!(Queue::of_texts());
    let mut claimed = q.claimed(&["a", "b"]);
    q.user.execute("DELETE FROM blog", &[]).unwrap();
    assert!(q.read(&mut claimed).is_empty());
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
