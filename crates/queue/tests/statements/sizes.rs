//! The bytes and the chunks of claimed rows, which are bounded however small a row looks while it is not read.

use pgai_rs_pipeline::document::{Chunk, ExistingChunk, Payload, digest};
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::work::Claimed;

use crate::queue::{BOUNDS, Queue, done, new};
use crate::support::definitions::field;

/// Adds a column to the source, which the template names, with the same value in rows with the ids from 1 to 3.
fn with_column(q: &mut Queue, type_name: &str, value: &str) {
    q.source.definition.fields.push(field("extra", type_name));
    let rows = format!(
        "ALTER TABLE blog ADD extra {type_name};
         INSERT INTO blog (id, title, body, price, extra)
         SELECT i, 'a title', 'a text', 1, {value} FROM generate_series(1, 3) i;
         INSERT INTO _vectorizer_q_1 (id) SELECT generate_series(1, 3)"
    );
    q.user.batch_execute(&rows).unwrap();
    q.fold();
}

fn claim_all(q: &mut Queue) -> Vec<Claimed> {
    let mut claimed = q.claim(100, 1);
    claimed.sort_by_key(|claim| claim.key.0[0].parse::<i32>().unwrap());
    claimed
}

#[test]
fn what_is_compressed_counts_in_a_claim_as_the_most_that_it_may_come_to() {
    let mut q = queue!(Queue::of_texts());
    with_column(&mut q, "jsonb", "to_jsonb(repeat('x', 1000000))");
    let stored = "SELECT max(pg_column_size(extra)) < 20000 FROM blog";
    assert_eq!(q.see(stored), ["true"]);
    let claimed = q.claim_as(100, 1_500_000, 1, &pgai_rs_pipeline::run::Addresses::Any);
    assert_eq!(claimed.len(), 1, "each has a megabyte");
}

#[test]
fn rows_that_are_too_much_together_are_given_back_without_an_attempt() {
    let mut q = queue!(Queue::of_texts());
    // A few bytes, and a hundred thousand digits.
    with_column(&mut q, "numeric", "'1e100000'::numeric");
    let mut claimed = claim_all(&mut q);
    let (documents, left) = q.read_within(&mut claimed, Bounds { all: 250_000, ..BOUNDS });
    assert_eq!((documents.len(), left), (2, 1));
    assert!(documents.iter().all(|document| document.fields[2].1.len() == 100_001));
    assert_eq!(
        q.work(),
        [
            "1: generation 1, 1 tries, leased, later",
            "2: generation 1, 1 tries, leased, later",
            "3: generation 1, 0 tries, free, due"
        ]
    );
}

#[test]
fn the_first_row_is_read_whatever_its_size_as_long_as_a_document_may_have_it() {
    let mut q = queue!(Queue::of_texts());
    with_column(&mut q, "numeric", "'1e100000'::numeric");
    let mut claimed = claim_all(&mut q);
    let (documents, left) = q.read_within(&mut claimed, Bounds { all: 1, ..BOUNDS });
    assert_eq!((documents.len(), left), (1, 2));
    assert_eq!(documents[0].payload, Payload::Text("a text".to_owned()));

    let mut claimed = claim_all(&mut q);
    let (documents, left) = q.read_within(&mut claimed, Bounds { row: 50_000, ..BOUNDS });
    assert_eq!((documents.len(), left), (1, 1), "the next claim finds the other one");
    assert!(matches!(documents[0].payload, Payload::RowTooLarge(100_001..100_200)), "{documents:?}");
    assert!(documents[0].fields.is_empty());
}

#[test]
fn nothing_is_unpacked_of_what_is_too_large_as_it_is_stored() {
    let mut q = queue!(Queue::of_texts());
    // No text of it could be made: it would have more than a gigabyte.
    with_column(&mut q, "bytea", "convert_to(repeat('x', 1 << 20), 'UTF8')");
    q.user.batch_execute("UPDATE blog SET title = repeat('x', 1 << 20)").unwrap();
    let mut claimed = claim_all(&mut q);
    let (documents, left) = q.read_within(&mut claimed, BOUNDS);
    assert_eq!((documents.len(), left), (1, 2));
    assert!(matches!(documents[0].payload, Payload::RowTooLarge(2_000_000..)), "{documents:?}");
}

/// Fills the store with so many chunks of each of the rows with the ids 1 and 2, and claims these.
fn with_chunks(q: &mut Queue, chunks: u32) -> Vec<Claimed> {
    let claimed = q.claimed(&["a", "b"]);
    let rows = format!(
        "INSERT INTO blog_store (id, chunk_seq, chunk, embedding)
         SELECT id, i, 'chunk ' || i, '[1,2,3]' FROM generate_series(1, 2) id, generate_series(0, {chunks} - 1) i"
    );
    q.user.batch_execute(&rows).unwrap();
    claimed
}

#[test]
fn rows_whose_chunks_are_too_many_with_those_before_them_are_given_back() {
    let mut q = queue!(Queue::of_texts());
    let mut claimed = with_chunks(&mut q, 5);
    let (documents, left) = q.read_within(&mut claimed, Bounds { chunks: 7, ..BOUNDS });
    assert_eq!((documents.len(), left), (1, 1));
    assert_eq!((documents[0].existing.len(), claimed[0].chunks), (5, Some(5)));
    assert_eq!(q.work()[1], "2: generation 1, 0 tries, free, due");
}

#[test]
fn chunks_of_a_row_that_has_too_many_are_replaced() {
    let mut q = queue!(Queue::of_texts());
    let mut claimed = with_chunks(&mut q, 5);
    let (mut documents, left) = q.read_within(&mut claimed, Bounds { chunks: 3, ..BOUNDS });
    assert_eq!((documents.len(), left), (1, 1));
    let existing: Vec<ExistingChunk> = std::mem::take(&mut documents[0].existing);
    assert_eq!(existing.len(), 3);

    let kept = existing.into_iter().map(Chunk::Kept).collect();
    q.complete(&[done(0, kept)], &claimed[..1]).unwrap();
    assert_eq!(
        q.see("SELECT chunk FROM blog_store WHERE id = 1 ORDER BY chunk_seq"),
        ["chunk 0", "chunk 1", "chunk 2"]
    );
}

#[test]
fn a_chunk_that_is_larger_than_a_document_may_be_is_not_read() {
    let mut q = queue!(Queue::of_texts());
    let mut claimed = q.claimed(&["a"]);
    q.complete(&[done(0, vec![new("one", 1.0), new("two", 1.0)])], &claimed).unwrap();
    q.user.batch_execute("UPDATE blog_store SET chunk = repeat('x', 2000000) WHERE chunk_seq = 1").unwrap();
    claimed = q.claimed(&["b"]);
    let digests: Vec<_> = q.read(&mut claimed)[0].existing.iter().map(|chunk| chunk.digest).collect();
    assert_eq!((digests, claimed[0].chunks), (vec![digest("one")], Some(2)));
}
