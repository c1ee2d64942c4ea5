//! A definition that changes while rows are settled.

use pgai_rs_pipeline::failure::{Retry, Step};
use pgai_rs_queue::gone;
use pgai_rs_queue::session::QueueError;
use pgai_rs_queue::work::Claimed;

use crate::queue::{Queue, done, failure, new};
use crate::support::client::ClientError;

/// A way to settle claims.
type Settle = fn(&mut Queue, &[Claimed]) -> Result<(), ClientError>;

#[test]
fn nothing_is_settled_by_a_definition_that_changes_meanwhile() {
    let settles: [Settle; 3] = [
        |q, claimed| q.complete(&[done(0, vec![new("one", 1.0)])], claimed).map(drop),
        |q, claimed| q.try_fail(claimed, &failure(Step::Embedding, Retry::Never)),
        |q, claimed| {
            q.user.execute("DELETE FROM blog", &[]).unwrap();
            gone::settle(&mut q.session, &q.source.definition, claimed)
        },
    ];
    for settle in settles {
        let mut q = queue!(Queue::of_texts());
        let claimed = q.claimed(&["a"]);
        // A table that none of these statements needs.
        q.user
            .batch_execute(
                "CREATE FUNCTION redefine() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN ALTER TABLE IF EXISTS public._vectorizer_q_1 RENAME TO another; RETURN NULL; END $$;
                 CREATE TRIGGER redefine BEFORE UPDATE OR DELETE ON _vectorizer_work_1 EXECUTE FUNCTION redefine()",
            )
            .unwrap();
        let error = settle(&mut q, &claimed).unwrap_err();
        assert!(error.is_contention(), "{error}");
        assert!(q.chunks().is_empty());
        assert_eq!(q.work(), ["1: generation 1, 1 tries, leased, later"]);
        assert_eq!(q.see("SELECT count(*) FROM _vectorizer_q_failed_1"), ["0"]);
    }
}
