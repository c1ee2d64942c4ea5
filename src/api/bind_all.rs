//! `ai._vectorizer_bind_all`, which the upgrade script to this version calls.

use pgrx::prelude::*;

use crate::catalog::{registration, vectorizer};
use crate::pg::error::PgError;
use crate::pg::transaction::subtransaction;

/// Binds the vectorizers of earlier versions. If one can't be bound, a warning is raised and it stays as it
/// is: its worker tries again, and `ai.vectorizer_health` says what it lacks.
#[pg_extern(sql = false)]
fn bind_all() -> Result<(), pg_sys::panic::ErrorReport> {
    for entry in vectorizer::found()? {
        if let Err(error) = subtransaction(|| registration::bind_found(&entry)) {
            told(&entry.name, error);
        }
    }
    Ok(())
}

fn told(name: &str, error: PgError) {
    let report = pg_sys::panic::ErrorReport::new(
        error.code,
        format!("could not bind vectorizer \"{name}\" to its tables: {}", error.message),
        "",
    );
    report
        .set_hint(
            error.hint.unwrap_or_else(|| "See the view ai.vectorizer_health for the reason.".to_owned()),
        )
        .report(PgLogLevel::WARNING);
}
