//! Results: what is written to the store, and what becomes of a row that changed meanwhile.

use pgai_rs_pipeline::document::{Chunk, Completed, Ticket};
use pgai_rs_pipeline::failure::{Retry, Step};
use pgai_rs_queue::{gone, unheld};

use crate::queue::{Queue, done, failure, new};

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
    let mut claimed = q.claimed(&["b"]);
    let mut existing = q.read(&mut claimed).remove(0).existing;
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
    let mut claimed = q.claimed(&["b"]);
    let second = q.read(&mut claimed).remove(0).existing.remove(1);
    q.complete(&[cited(&[7, 9], vec![Chunk::Kept(second), new("three", 3.0)])], &claimed).unwrap();

    let places = "SELECT chunk || ' ' || (citation->>'start') FROM blog_store ORDER BY chunk_seq";
    assert_eq!(q.see(places), ["two 7", "three 9"]);
}

#[test]
fn a_document_whose_kept_chunk_is_gone_runs_again() {
    let mut q = queue!(Queue::of_texts());
    let claimed = q.claimed(&["a"]);
    q.complete(&[done(0, vec![new("one", 1.0)])], &claimed).unwrap();
    let mut claimed = q.claimed(&["b"]);
    let existing = q.read(&mut claimed).remove(0).existing.remove(0);
    q.user.execute("DELETE FROM blog_store", &[]).unwrap();
    q.complete(&[done(0, vec![Chunk::Kept(existing), new("two", 2.0)])], &claimed).unwrap();
    assert!(q.chunks().is_empty());
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, due"]);
}

/// A DELETE that finds nothing is a good part of what a row costs that comes alone.
#[test]
fn chunks_are_only_deleted_where_some_are_outdated() {
    let mut q = queue!(Queue::of_texts());
    q.user
        .batch_execute(
            "CREATE TABLE deletion ();
             GRANT INSERT ON deletion TO PUBLIC;
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN INSERT INTO deletion DEFAULT VALUES; RETURN NULL; END';
             CREATE TRIGGER note AFTER DELETE ON blog_store EXECUTE FUNCTION note()",
        )
        .unwrap();
    let deletions = |q: &mut Queue| q.see("SELECT count(*) FROM deletion");

    let mut claimed = q.claimed(&["a"]);
    assert!(q.read(&mut claimed).remove(0).existing.is_empty());
    q.complete(&[done(0, vec![new("one", 1.0), new("two", 2.0)])], &claimed).unwrap();
    let mut claimed = q.claimed(&["b"]);
    let existing = q.read(&mut claimed).remove(0).existing;
    let kept = existing.into_iter().map(Chunk::Kept).chain([new("three", 3.0)]).collect();
    q.complete(&[done(0, kept)], &claimed).unwrap();
    assert_eq!(deletions(&mut q), ["0"]);

    let mut claimed = q.claimed(&["c"]);
    let first = q.read(&mut claimed).remove(0).existing.remove(0);
    q.complete(&[done(0, vec![Chunk::Kept(first), new("four", 4.0)])], &claimed).unwrap();
    assert_eq!(q.chunks(), ["1/0 one [1,0.5,-1]", "1/1 four [4,0.5,-1]"]);
    assert_eq!(deletions(&mut q), ["1"]);
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
