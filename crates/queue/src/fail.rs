//! The second transaction of documents that failed: they are postponed, or moved to the failed queue.

use std::time::Duration;

use serde_json::{Value, json};

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::config::Loading;
use pgai_rs_pipeline::document;
use pgai_rs_pipeline::failure::{Failure, Retry, Step};

use crate::definition::Definition;
use crate::session::{Connection, Param, QueueError, Session};
use crate::sql::work;
use crate::work::{Claimed, SourceRows, forget_failed, held, lock_rows, postpone, settle_or_release, wait};
use crate::{errors, gone};

/// The limits on retries and on error rows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The number of retries after which a row is given up, except for loading, where the vectorizer's config
    /// sets it.
    pub retries: u32,
    /// The pause before the first retry, and the longest pause.
    pub backoff: (Duration, Duration),
    /// The largest number of a vectorizer's error rows.
    pub errors: i64,
}

/// The decision about a failed row.
#[derive(Clone, Copy)]
enum Disposition {
    /// The row is tried again after this pause; its number of attempts is set to this.
    Later(Duration, i32),
    /// The row has not failed: it waits for the batch with this time.
    Waits(i64),
    /// The row is moved to the failed queue.
    Aside,
}

/// A failed row whose claim still holds.
struct Settled<'a> {
    claim: &'a Claimed,
    failure: &'a Failure,
    disposition: Disposition,
}

/// Settles failed documents of a vectorizer in one transaction.
pub fn fail<S: Session>(
    session: &mut S,
    v: &Definition,
    vectorizer: &document::Vectorizer,
    failed: &[(&Claimed, &Failure)],
    limits: &Limits,
) -> Result<(), S::Error> {
    let mut settle = |rows_are_free: bool| {
        session.transaction(|s| {
            let rows = s.as_owner_unchanged(|s| settle(s, v, vectorizer, failed, limits, rows_are_free))?;
            s.as_extension(|s| record(s, v, vectorizer, &rows, limits.errors))
        })
    };
    match settle(true) {
        // Most often, somebody holds a lock on the whole source: all of its rows are in use.
        Err(error) if error.is_contention() => settle(false),
        other => other,
    }
}

/// Settles the rows whose claims still hold, and returns them. The others belong to another worker by now.
///
/// A row is moved to the failed queue only under a lock on its source row, as chunks are only written under
/// one. A transaction that deletes the source row therefore sees the failed row, and has it removed.
fn settle<'a, S: Session>(
    session: &mut S,
    v: &Definition,
    vectorizer: &document::Vectorizer,
    failed: &[(&'a Claimed, &'a Failure)],
    limits: &Limits,
    rows_are_free: bool,
) -> Result<Vec<Settled<'a>>, S::Error> {
    let claims: Vec<&Claimed> = failed.iter().map(|(claim, _)| *claim).collect();
    let held = held(session, v, &claims)?;

    let loading = &vectorizer.config.loading;
    let dispositions: Vec<Disposition> =
        failed.iter().map(|(claim, failure)| disposition(loading, claim, failure, limits)).collect();
    let (mut aside, mut later, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for at in held {
        match dispositions[at] {
            Disposition::Aside => aside.push(at),
            Disposition::Later(..) => later.push(at),
            Disposition::Waits(until) => waiting.push((claims[at], until)),
        }
    }
    wait(session, v, &waiting)?;

    let rows = match rows_are_free {
        true => lock_rows(session, v, &claims, aside)?,
        false => SourceRows { here: Vec::new(), busy: aside, gone: Vec::new() },
    };
    gone::delete_and_settle(session, v, rows.gone.iter().map(|at| claims[*at]))?;

    let settled = |at: &usize| {
        let (claim, failure) = failed[*at];
        Settled { claim, failure, disposition: dispositions[*at] }
    };
    let busy = rows.busy.iter().map(settled).map(|row| {
        let attempts = row.claim.attempts;
        Settled { disposition: Disposition::Later(backoff(attempts, limits), attempts), ..row }
    });
    let later: Vec<_> = later.iter().map(settled).chain(busy).collect();
    let aside: Vec<_> = rows.here.iter().map(settled).collect();
    postpone_rows(session, v, &later)?;
    set_aside(session, v, &aside)?;
    Ok(later.into_iter().chain(aside).collect())
}

fn disposition(loading: &Loading, claim: &Claimed, failure: &Failure, limits: &Limits) -> Disposition {
    match failure.retry {
        Retry::Never => Disposition::Aside,
        Retry::Until(until) => Disposition::Waits(until),
        // Not the row's fault: the attempt that the claim counted is given back.
        Retry::After(pause) => Disposition::Later(pause, claim.attempts - 1),
        // The runner has said by now when; whoever has not looks again at once.
        Retry::OnRecovery => Disposition::Later(Duration::ZERO, claim.attempts - 1),
        Retry::Backoff if claim.attempts > most_retries(loading, failure.step, limits) => Disposition::Aside,
        Retry::Backoff => Disposition::Later(backoff(claim.attempts, limits), claim.attempts),
    }
}

/// Returns the number of retries after which a row is given up. For loading, the vectorizer's config sets it,
/// as in pgai.
fn most_retries(loading: &Loading, step: Step, limits: &Limits) -> i32 {
    let retries = if step == Step::Loading { loading.retries() } else { limits.retries };
    i32::try_from(retries).unwrap_or(i32::MAX)
}

/// Returns the pause before the next attempt of a row that was tried `attempts` times.
fn backoff(attempts: i32, limits: &Limits) -> Duration {
    let (first, longest) = limits.backoff;
    let before = u32::try_from(attempts - 1).unwrap_or_default();
    Backoff::new(first, longest).after(before).grow()
}

/// Postpones rows. A row that changed since it was claimed is retried at once instead, with all its attempts,
/// because the error concerned its earlier content.
fn postpone_rows<C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: &[Settled<'_>],
) -> Result<(), C::Error> {
    let rows = rows.iter().map(|row| match row.disposition {
        Disposition::Later(pause, attempts) => (row.claim, pause, attempts),
        Disposition::Aside | Disposition::Waits(_) => (row.claim, Duration::ZERO, 0),
    });
    postpone(connection, v, &rows.collect::<Vec<_>>())
}

/// Moves rows to the failed queue. A row that changed since it was claimed is also retried, and leaves the
/// failed queue when it succeeds.
fn set_aside<C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: &[Settled<'_>],
) -> Result<(), C::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let claims = || rows.iter().map(|row| row.claim);
    forget_failed(connection, v, claims())?;

    let keys = v.keys(claims().map(|claim| &claim.key));
    let steps: Vec<String> = rows.iter().map(|row| row.failure.step.to_string()).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let codes: Vec<&str> = rows.iter().map(|row| row.failure.code).collect();
    let messages: Vec<&str> = rows.iter().map(|row| row.failure.message.as_str()).collect();
    let hints: Vec<Option<&str>> = rows.iter().map(|row| row.failure.hint.as_deref()).collect();
    let attempts: Vec<i32> = claims().map(|claim| claim.attempts).collect();
    let mut args = keys.params();
    args.extend([Param::Texts(&steps), Param::Texts(&codes), Param::Texts(&messages)]);
    args.extend([Param::OptionalTexts(&hints), Param::Int4s(&attempts)]);
    connection.execute(&work::set_aside(v), &args)?;

    settle_or_release(connection, v, &claims().collect::<Vec<_>>(), &[]).map(drop)
}

/// Writes error rows with pgai's messages, and what else is known in the details. Failures that are retried
/// get one row per code, rows that were given up one per key.
fn record<C: Connection>(
    connection: &mut C,
    v: &Definition,
    vectorizer: &document::Vectorizer,
    rows: &[Settled<'_>],
    most: i64,
) -> Result<(), C::Error> {
    let mut shared: Vec<&'static str> = Vec::new();
    for Settled { claim, failure, disposition } in rows {
        let aside = matches!(disposition, Disposition::Aside);
        if !aside {
            if shared.contains(&failure.code) {
                continue;
            }
            shared.push(failure.code);
        }
        let key = aside.then(|| claim.key.to_json(&v.key));
        let details = details(vectorizer, failure, key, aside);
        errors::record(connection, v.id, message(failure.step), &details)?;
    }
    errors::trim(connection, v.id, most)
}

fn message(step: Step) -> &'static str {
    match step {
        Step::Loading => "loading failed",
        Step::Embedding => "embedding provider failed",
        _ => "vectorizer failed with unexpected error",
    }
}

fn details(vectorizer: &document::Vectorizer, failure: &Failure, key: Option<Value>, aside: bool) -> Value {
    let mut details = json!({
        "step": failure.step.to_string(),
        "code": failure.code,
        "error_reason": failure.message,
        "is_retryable": !aside,
    });
    match failure.step {
        Step::Loading => {
            let loader = match vectorizer.config.loading {
                Loading::Column { .. } => "column",
                Loading::Uri { .. } => "uri",
            };
            details["loader"] = json!(loader);
        }
        Step::Embedding => details["provider"] = json!(vectorizer.config.embedding.implementation()),
        _ => {}
    }
    if let Some(hint) = &failure.hint {
        details["hint"] = json!(hint);
    }
    if let Some(key) = key {
        details["key"] = key;
    }
    details
}
