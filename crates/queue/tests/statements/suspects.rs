//! Rows that a worker held when it ended: they are claimed apart from the others, and the fewer at a time the more often.

use std::time::Duration;

use pgai_rs_pipeline::failure::{Retry, Step};
use pgai_rs_queue::bounds::Bounds;
use pgai_rs_queue::suspects;

use crate::queue::{BOUNDS, Queue, failure};

/// Has a worker that claims all rows end, as often as it is said, and returns the queue of the next one.
fn after_ends(ends: usize, rows: i32) -> Option<Queue> {
    let mut q = Queue::of_texts()?;
    (1..=rows).for_each(|id| q.insert(id, "a"));
    q.fold();
    for lease in 0..ends {
        q.claim(100, lease as i64);
        q.recover();
        q.user.batch_execute("UPDATE _vectorizer_work_1 SET leased_by = NULL").unwrap();
    }
    q.user.batch_execute("UPDATE _vectorizer_work_1 SET leased_by = 0").unwrap();
    Some(q)
}

#[test]
fn suspects_are_claimed_apart_from_other_rows() {
    let mut q = queue!(Queue::of_texts());
    q.claimed(&["a", "b"]);
    q.recover();
    q.insert(3, "c");
    q.fold();
    assert_eq!(q.work()[0], "1: generation 1, 1 tries, free, due");

    let others = q.claim(100, 2);
    assert_eq!(others.iter().map(|claim| claim.key.0[0].as_str()).collect::<Vec<_>>(), ["3"]);
    let suspects = q.claim_suspects(3);
    assert!(suspects.iter().all(|claim| claim.is_suspect && claim.attempts == 2));
    assert_eq!(suspects.len(), 2);
    assert_eq!(suspects::next(&mut q.session, &q.source.definition).unwrap(), None);
}

#[test]
fn the_more_often_the_worker_has_ended_the_fewer_suspects_are_claimed_together() {
    for (ends, together) in [(1, 32), (2, 4), (3, 1), (20, 1)] {
        let mut q = queue!(after_ends(ends, 40));
        assert_eq!(q.claim_suspects(100).len(), together, "after {ends}");
    }
}

#[test]
fn a_suspect_that_comes_to_an_end_is_like_any_other_row() {
    let mut q = queue!(after_ends(2, 1));
    let claimed = q.claim_suspects(7);
    q.fail(&claimed, &failure(Step::Embedding, Retry::After(Duration::ZERO)));
    assert_eq!(q.work(), ["1: generation 1, 2 tries, free, due"]);
    assert!(q.claim_suspects(8).is_empty());
    assert_eq!(q.claim(100, 9).len(), 1);
}

#[test]
fn a_suspect_that_is_given_back_stays_one() {
    let mut q = queue!(after_ends(1, 2));
    let mut claimed = q.claim_suspects(7);
    let (documents, left) = q.read_within(&mut claimed, Bounds { all: 1, ..BOUNDS });
    assert_eq!((documents.len(), left), (1, 1));
    assert_eq!(q.claim_suspects(8).len(), 1);
}

#[test]
fn what_this_process_has_left_itself_is_no_suspect_and_was_not_tried() {
    let mut q = queue!(Queue::of_texts());
    q.claimed(&["a"]);
    let hour = Duration::from_secs(3_600);
    suspects::recover(&mut q.session, &q.source.definition, (1, 1), (hour, hour)).unwrap();
    assert_eq!(q.work(), ["1: generation 1, 0 tries, free, due"]);
    assert_eq!(q.claim(100, 2).len(), 1);
}

#[test]
fn a_suspect_that_was_tried_before_is_due_after_a_pause() {
    let mut q = queue!(after_ends(1, 1));
    q.claim_suspects(7);
    let hour = Duration::from_secs(3_600);
    suspects::recover(&mut q.session, &q.source.definition, (100, 200), (hour, hour)).unwrap();
    assert_eq!(q.work(), ["1: generation 1, 2 tries, free, later"]);
    let left = suspects::next(&mut q.session, &q.source.definition).unwrap().unwrap();
    assert!((hour / 3..=hour).contains(&left), "{left:?}");
}
