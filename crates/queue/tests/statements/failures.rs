//! Failures: how long a row waits, and when it is set aside.

use std::time::Duration;

use pgai_rs_pipeline::failure::{Retry, Step};
use pgai_rs_queue::errors;
use pgai_rs_queue::work;
use serde_json::json;

use crate::queue::{Queue, done, failure, new};

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
