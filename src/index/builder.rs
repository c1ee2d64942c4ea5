//! The process that builds one index.
//!
//! It is the vectorizer's owner and nobody else, from its first statement on: `CREATE INDEX
//! CONCURRENTLY` consists of several transactions, and an identity that is assumed within one does
//! not last. It gives way: a session that waits for one of its locks cancels it.

use std::ffi::{CStr, CString};

use pgrx::bgworkers::BackgroundWorker;
use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};
use serde_json::json;

use super::definition::Definition;
use super::{existing, Order};
use crate::catalog::vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
#[cfg(any(feature = "pg15", feature = "pg16"))]
use crate::pg::identity::is_superuser;
#[cfg(any(feature = "pg15", feature = "pg16"))]
use crate::pg::limits::Limits;
use crate::pg::transaction::transaction;
use crate::pg::{session, utility};
use crate::queue::errors;
use crate::worker::wait;

/// Entry point of an index builder.
///
/// # Safety
/// Called by the postmaster, in a process of its own.
#[no_mangle]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgai_rs_index_builder_main(argument: pg_sys::Datum) {
    let Some(order) = Order::read(argument, BackgroundWorker::get_extra()) else {
        pgrx::error!("pgai_rs index builder was told nothing that it can read");
    };
    give_way_to_others();
    wait::install_signal_handlers();
    session::pin(&SETTINGS);
    connect(&order);
    match transaction(|| as_superuser(|| wanted(&order))) {
        Ok(Some(index)) => build(&order, &index),
        Ok(None) => {}
        Err(error) => {
            pgrx::warning!("pgai_rs index builder can't read vectorizer {}: {error}", order.vectorizer)
        }
    }
}

/// Makes whoever waits longer than `deadlock_timeout` for one of our locks cancel us, and DROP
/// DATABASE end us, as Postgres does it with autovacuum. The flag means no more than that
/// (`storage/proc.h`; `ProcSleep` and `CountOtherDBBackends` act on it), but that other concurrent
/// builds don't wait for our snapshots: we read no table but the one whose lock we hold.
fn give_way_to_others() {
    // SAFETY: our own entry, not yet in the process array, as `InitProcess` sets it for autovacuum.
    unsafe { (*pg_sys::MyProc).statusFlags |= pg_sys::PROC_IS_AUTOVACUUM as u8 };
}

/// Becomes the owner, who needs neither LOGIN nor CONNECT for that.
#[cfg(any(feature = "pg17", feature = "pg18"))]
fn connect(order: &Order) {
    let flags = pg_sys::BGWORKER_BYPASS_ALLOWCONN | pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
    // SAFETY: once per process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(order.database, order.owner, flags) };
}

/// Becomes the owner, who needs neither LOGIN nor CONNECT for that. Before Postgres 17 a role
/// without LOGIN can't begin a session; we begin it as the superuser and pass it on. What the owner
/// could make an index build evaluate runs in a security-restricted operation, which can't take it
/// back.
#[cfg(any(feature = "pg15", feature = "pg16"))]
fn connect(order: &Order) {
    // SAFETY: once per process.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            order.database,
            pg_sys::InvalidOid,
            pg_sys::BGWORKER_BYPASS_ALLOWCONN,
        )
    };
    match transaction(|| Ok((is_superuser(order.owner), Limits::of(order.owner)))) {
        Ok((superuser, limits)) => {
            limits.apply_to_process();
            // SAFETY: outside a transaction, by a session of the superuser's.
            unsafe { pg_sys::SetSessionAuthorization(order.owner, superuser) }
        }
        Err(error) => pgrx::error!("pgai_rs index builder can't become the vectorizer's owner: {error}"),
    }
}

/// The builder's own settings, beside those of every process of ours. How much memory it takes is the
/// database's or the role's to say.
const SETTINGS: [(&CStr, &CStr); 2] = [(c"lock_timeout", c"0"), (c"statement_timeout", c"0")];

/// The index that the vectorizer still wants and does not have.
fn wanted(order: &Order) -> Result<Option<Definition>, PgError> {
    let entry = vectorizer::by_id(order.vectorizer)?;
    let Some(entry) = entry.filter(|entry| entry.relations.source.owner == order.owner) else {
        return Ok(None);
    };
    let Some(index) = Definition::of(&entry.understand()?)? else { return Ok(None) };
    let store = existing::look(&index)?;
    if !store.is_some_and(|store| !store.indexed && !store.being_built) {
        return Ok(None);
    }
    // Waiting for its end would lead to a second index beside the one that it has built.
    if existing::locked_as_for_a_build(&index.table)? {
        pgrx::log!(
            "index {} is left to a transaction that may have built one on {}",
            index.name,
            index.table
        );
        return Ok(None);
    }
    Ok(Some(index))
}

fn build(order: &Order, index: &Definition) {
    // Before as well as after: a process that was killed left what it had.
    let built = drop_left_over(index).and_then(|()| {
        pgrx::log!("building index {} on {}", index.name, index.table);
        run(&index.create())
    });
    let Err(error) = built else {
        pgrx::log!("index {} on {} is built", index.name, index.table);
        return;
    };
    if error.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED {
        pgrx::log!("index {} on {} is given up for now: {error}", index.name, index.table);
    } else {
        pgrx::warning!("index {} on {} can't be built: {error}", index.name, index.table);
        record(order, index, &error);
    }
    if let Err(error) = drop_left_over(index) {
        pgrx::log!("index {} on {} stays invalid until the next try: {error}", index.name, index.table);
    }
}

fn drop_left_over(index: &Definition) -> Result<(), PgError> {
    let store = transaction(|| as_superuser(|| existing::look(index)))?;
    if store.is_some_and(|store| store.left_over) {
        run(&index.drop())?;
    }
    Ok(())
}

/// Runs a statement, for all to see in `pg_stat_activity`.
fn run(statement: &str) -> Result<(), PgError> {
    if let Ok(text) = CString::new(statement) {
        // SAFETY: the text is copied.
        unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) };
    }
    let outcome = utility::run(statement);
    // SAFETY: no text.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null()) };
    outcome
}

/// Says so in `ai.vectorizer_errors`: once, and counted.
fn record(order: &Order, index: &Definition, error: &PgError) {
    let hint = error.hint.clone().unwrap_or_else(|| {
        format!("It is tried again by itself. To see it fail, run {} as the table's owner.", index.create())
    });
    let details = json!({
        "step": "indexing",
        "code": "index_not_built",
        "error_reason": error.to_string(),
        "is_retryable": true,
        "hint": hint,
    });
    let recorded = transaction(|| {
        as_superuser(|| {
            errors::record(order.vectorizer, "index could not be built", &details)?;
            errors::trim(order.vectorizer)
        })
    });
    if let Err(error) = recorded {
        pgrx::warning!("the failure of index {} can't be recorded: {error}", index.name);
    }
}
