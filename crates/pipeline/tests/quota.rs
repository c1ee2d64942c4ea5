//! Vectorizers whose owner has spent what it may in a day.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use pgai_rs_pipeline::document::{Ticket, Vectorizer};
use pgai_rs_pipeline::failure::Scope;
use pgai_rs_pipeline::quota::{Account, QuotaLimits, Quotas};
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};
use support::http::{Reply, Server};
use support::openai::inputs;
use support::queue::{Driver, MemoryQueue, settings};
use support::{column_vectorizer, row, uri_vectorizer};

const OWNER: u32 = 7;

fn charged(vectorizer: Vectorizer, quotas: &Arc<Quotas>) -> Arc<Vectorizer> {
    Arc::new(Vectorizer { account: Account::new(quotas, OWNER), ..vectorizer })
}

fn queue(vectorizer: &Arc<Vectorizer>, texts: impl Iterator<Item = String>) -> MemoryQueue {
    let mut queue = MemoryQueue::new([Arc::clone(vectorizer)]);
    queue.brings_back = true;
    for (ticket, text) in (0..).zip(texts) {
        queue.push(row(vectorizer, ticket, &text));
    }
    queue
}

fn has_waited_after(completed: usize) -> impl Fn(&MemoryQueue) -> bool {
    move |queue| {
        queue.completed.len() == completed && !queue.given_back.is_empty() && queue.claimed.is_empty()
    }
}

#[test]
fn what_is_beyond_the_tokens_of_a_day_is_not_sent_and_costs_no_try() {
    let (model, quotas) = (support::openai::server(), Arc::new(Quotas::default()));
    quotas.limit_role(OWNER, QuotaLimits { tokens: Some(3), bytes: None });
    let vectorizer = charged(column_vectorizer(1, &model.url), &quotas);
    // A token each.
    let mut queue = queue(&vectorizer, (0..100).map(|row| format!("r{row}")));
    let mut driver = Driver::start(settings());
    driver.until(&mut queue, has_waited_after(3));

    assert_eq!(model.requests().iter().map(|request| inputs(request).len()).sum::<usize>(), 3);
    assert!(queue.failed.is_empty());

    // The last that were let through have come to their end: nothing shows any more that anything gets
    // through.
    queue.push(row(&vectorizer, 100, "one more"));
    driver.until(&mut queue, |queue| queue.given_back.contains_key(&Ticket(100)));
    let waits: Vec<_> = driver.runner.waiting().map(|(_, why, _)| (why.code, why.scope)).collect();
    assert_eq!(waits, [("quota_exceeded", Scope::Limit)]);

    let spent: u64 = quotas.take_unwritten().iter().map(|(_, _, spent)| spent.tokens).sum();
    assert_eq!(spent, 3);
}

#[test]
fn no_object_is_loaded_beyond_the_bytes_of_a_day() {
    let (model, quotas) = (support::openai::server(), Arc::new(Quotas::default()));
    let bucket = Server::start(|_| Reply::new(200, "0123456789"));
    quotas.limit_role(OWNER, QuotaLimits { tokens: None, bytes: Some(25) });
    let vectorizer = charged(uri_vectorizer(1, &model.url), &quotas);
    let mut queue = queue(&vectorizer, (0..100).map(|row| format!("s3://bucket/{row}.txt")));
    let settings = Settings {
        // One at a time: of those that are loaded at once each may be the one that exceeds the quota.
        load_concurrency: 1,
        max_documents_in_flight: 1,
        s3: S3Settings {
            region: Some("us-east-1".into()),
            endpoint_url: Some(bucket.url.clone()),
            url_style: UrlStyle::Path,
            access_key: Some(("AKID".into(), Secret::new("secret"))),
            ..S3Settings::default()
        },
        ..settings()
    };
    let mut driver = Driver::start(settings);
    driver.until(&mut queue, has_waited_after(3));

    assert_eq!(bucket.requests().len(), 3);
    assert!(queue.failed.is_empty());
}
