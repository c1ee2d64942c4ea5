//! A source of addresses, with partitions and a column for the vectors.

use pgai_rs_pipeline::document::{self, Completed, Provenance};
use pgai_rs_pipeline::run::Addresses;
use pgai_rs_queue::gone;
use pgai_rs_queue::key::KeyValues;

use crate::queue::{Queue, done, new};

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
    let mut claimed = q.claim(10, 2);
    let document = q.read(&mut claimed).remove(0);
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
