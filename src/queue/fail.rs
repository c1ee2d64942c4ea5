//! The second transaction of documents that failed: they are postponed, or moved to the failed queue.

use std::time::Duration;

use serde_json::{Value, json};

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::config::Loading;
use pgai_rs_pipeline::document;
use pgai_rs_pipeline::failure::{Failure, Retry, Step};

use super::active::Active;
use super::definition::Definition;
use super::sql::work;
use super::work::{
    Claimed, SourceRows, forget_failed, held, lock_rows, postpone, release, settle as settle_work,
};
use super::{errors, gone};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::execute;
use crate::pg::transaction::transaction;

/// The decision about a failed row.
#[derive(Clone, Copy)]
enum Disposition {
    /// The row is tried again after this pause; its number of attempts is set to this.
    Later(Duration, i32),
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
pub fn fail(active: &Active, failed: &[(&Claimed, &Failure)]) -> Result<(), PgError> {
    let settle = |rows_are_free: bool| {
        transaction(|| {
            let rows = active.as_owner(|| settle(active, failed, rows_are_free))?;
            as_superuser(|| record(active, &rows))
        })
    };
    match settle(true) {
        // Somebody holds a lock on the whole source: all of its rows are in use.
        Err(error) if error.is_contention() => settle(false),
        other => other,
    }
}

/// Settles the rows whose claims still hold, and returns them. The others belong to another worker by now.
///
/// A row is moved to the failed queue only under a lock on its source row, as chunks are only written under
/// one. A transaction that deletes the source row therefore sees the failed row, and has it removed.
fn settle<'a>(
    active: &Active,
    failed: &[(&'a Claimed, &'a Failure)],
    rows_are_free: bool,
) -> Result<Vec<Settled<'a>>, PgError> {
    let v = &active.definition;
    let loading = &active.shared.config.loading;
    let claims: Vec<&Claimed> = failed.iter().map(|(claim, _)| *claim).collect();
    let held = held(v, &claims)?;

    let dispositions: Vec<Disposition> =
        failed.iter().map(|(claim, failure)| disposition(loading, claim, failure)).collect();
    let (aside, later): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|at| matches!(dispositions[*at], Disposition::Aside));
    let rows = match rows_are_free {
        true => lock_rows(v, &claims, aside)?,
        false => SourceRows { here: Vec::new(), busy: aside, gone: Vec::new() },
    };
    gone::delete_and_settle(v, rows.gone.iter().map(|at| claims[*at]))?;

    let settled = |at: &usize| {
        let (claim, failure) = failed[*at];
        Settled { claim, failure, disposition: dispositions[*at] }
    };
    let busy = rows.busy.iter().map(settled).map(|row| {
        let attempts = row.claim.attempts;
        Settled { disposition: Disposition::Later(backoff(attempts), attempts), ..row }
    });
    let later: Vec<_> = later.iter().map(settled).chain(busy).collect();
    let aside: Vec<_> = rows.here.iter().map(settled).collect();
    postpone_rows(v, &later)?;
    set_aside(v, &aside)?;
    Ok(later.into_iter().chain(aside).collect())
}

fn disposition(loading: &Loading, claim: &Claimed, failure: &Failure) -> Disposition {
    match failure.retry {
        Retry::Never => Disposition::Aside,
        // Not the row's fault: the attempt that the claim counted is given back.
        Retry::After(pause) => Disposition::Later(pause, claim.attempts - 1),
        // The runner has said by now when; whoever has not looks again at once.
        Retry::OnRecovery => Disposition::Later(Duration::ZERO, claim.attempts - 1),
        Retry::Backoff if claim.attempts > most_retries(loading, failure.step) => Disposition::Aside,
        Retry::Backoff => Disposition::Later(backoff(claim.attempts), claim.attempts),
    }
}

/// Returns the number of retries after which a row is given up. For loading, the vectorizer's config sets it,
/// as in pgai.
fn most_retries(loading: &Loading, step: Step) -> i32 {
    let retries = if step == Step::Loading { loading.retries() } else { guc::max_retries() };
    i32::try_from(retries).unwrap_or(i32::MAX)
}

/// Returns the pause before the next attempt of a row that was tried `attempts` times.
fn backoff(attempts: i32) -> Duration {
    let (first, longest) = guc::retry_backoff();
    let before = u32::try_from(attempts - 1).unwrap_or_default();
    Backoff::new(first, longest).after(before).grow()
}

/// Postpones rows. A row that changed since it was claimed is retried at once instead, with all its attempts,
/// because the error concerned its earlier content.
fn postpone_rows(v: &Definition, rows: &[Settled<'_>]) -> Result<(), PgError> {
    let rows = rows.iter().map(|row| match row.disposition {
        Disposition::Later(pause, attempts) => (row.claim, pause, attempts),
        Disposition::Aside => (row.claim, Duration::ZERO, 0),
    });
    postpone(v, &rows.collect::<Vec<_>>())
}

/// Moves rows to the failed queue. A row that changed since it was claimed is also retried, and leaves the
/// failed queue when it succeeds.
fn set_aside(v: &Definition, rows: &[Settled<'_>]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    let claims = || rows.iter().map(|row| row.claim);
    let text =
        |of: &dyn Fn(&Failure) -> Option<String>| rows.iter().map(|row| of(row.failure)).collect::<Vec<_>>();
    forget_failed(v, claims())?;
    let mut args = v.keys(claims().map(|claim| &claim.key));
    args.push(text(&|f| Some(f.step.to_string())).into());
    args.push(text(&|f| Some(f.code.to_owned())).into());
    args.push(text(&|f| Some(f.message.clone())).into());
    args.push(text(&|f| f.hint.clone()).into());
    args.push(claims().map(|claim| claim.attempts).collect::<Vec<_>>().into());
    execute(&work::set_aside(v), &args)?;
    settle_work(v, claims())?;
    release(v, claims())
}

/// Writes error rows with pgai's messages, and what else is known in the details. Failures that are retried
/// get one row per code, rows that were given up one per key.
fn record(active: &Active, rows: &[Settled<'_>]) -> Result<(), PgError> {
    let id = active.definition.id;
    let mut shared: Vec<&'static str> = Vec::new();
    for Settled { claim, failure, disposition } in rows {
        let aside = matches!(disposition, Disposition::Aside);
        if !aside {
            if shared.contains(&failure.code) {
                continue;
            }
            shared.push(failure.code);
        }
        let key = aside.then(|| claim.key.to_json(&active.definition.key));
        errors::record(id, message(failure.step), &details(&active.shared, failure, key, aside))?;
    }
    errors::trim(id)
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
