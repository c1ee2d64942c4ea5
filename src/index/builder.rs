//! The background process that builds one index.
//!
//! It runs as the vectorizer's owner from its first statement on: `CREATE INDEX CONCURRENTLY` consists of
//! several transactions, and an identity that is assumed within one does not last. It yields to others: a
//! session that waits for one of its locks cancels it.

use std::ffi::{CStr, CString};

use pgai_rs_queue::errors;
use pgrx::bgworkers::BackgroundWorker;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::json;

use super::definition::IndexDefinition;
use super::{Order, existing};
use crate::catalog::vectorizer;
use crate::guc;
use crate::pg::connection::Spi;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
#[cfg(any(feature = "pg15", feature = "pg16"))]
use crate::pg::identity::is_superuser;
#[cfg(any(feature = "pg15", feature = "pg16"))]
use crate::pg::limits::RoleLimits;
use crate::pg::transaction::transaction;
use crate::pg::{nice, session, utility, wait};

/// Entry point of an index builder.
///
/// # Safety
///
/// Called by the postmaster, in a separate process.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgai_rs_index_builder_main(argument: pg_sys::Datum) {
    let Some(order) = Order::read(argument, BackgroundWorker::get_extra()) else {
        pgrx::error!("pgai_rs index builder received invalid arguments");
    };

    give_way_to_others();
    wait::install_signal_handlers();
    session::pin(&SETTINGS);
    connect(&order);
    nice::be_nice(guc::worker_niceness());

    match transaction(|| as_superuser(|| wanted(&order))) {
        Ok(Some(index)) => build(&order, &index),
        Ok(None) => {}
        Err(error) => {
            pgrx::warning!("pgai_rs index builder could not read vectorizer {}: {error}", order.vectorizer)
        }
    }
}

/// Makes sessions that wait longer than `deadlock_timeout` for one of our locks cancel this process, and DROP
/// DATABASE terminate it, as Postgres does with autovacuum. The flag (`storage/proc.h`) has no other effects
/// (`ProcSleep` and `CountOtherDBBackends` use it), except that other concurrent builds do not wait for our
/// snapshots. That is safe: we read no table but the one that we have locked.
fn give_way_to_others() {
    // SAFETY: our own entry, not yet in the process array, as `InitProcess` sets it for autovacuum.
    unsafe { (*pg_sys::MyProc).statusFlags |= pg_sys::PROC_IS_AUTOVACUUM as u8 };
}

/// Connects as the owner, who needs neither LOGIN nor CONNECT for that.
#[cfg(any(feature = "pg17", feature = "pg18"))]
fn connect(order: &Order) {
    let flags = pg_sys::BGWORKER_BYPASS_ALLOWCONN | pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
    // SAFETY: once per process.
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(order.database, order.owner, flags) };
}

/// Connects as the owner, who needs neither LOGIN nor CONNECT for that. Before Postgres 17 a role without
/// LOGIN can't start a session, so we start it as the superuser and then switch. The owner can't switch back:
/// code of the owner that an index build evaluates runs in a security-restricted operation.
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
    match transaction(|| Ok((is_superuser(order.owner), RoleLimits::of(order.owner)))) {
        Ok((superuser, limits)) => {
            limits.apply_to_process();
            // SAFETY: outside a transaction, by a session of the superuser's.
            unsafe { pg_sys::SetSessionAuthorization(order.owner, superuser) }
        }
        Err(error) => pgrx::error!("pgai_rs index builder could not become the vectorizer's owner: {error}"),
    }
}

/// The builder's own settings, in addition to those of every background process. Its memory is limited by the
/// settings of the database or the role.
const SETTINGS: [(&CStr, &CStr); 2] = [(c"lock_timeout", c"0"), (c"statement_timeout", c"0")];

/// Returns the index that the vectorizer still needs; `None` if it needs none, has one or one is being built.
fn wanted(order: &Order) -> Result<Option<IndexDefinition>, PgError> {
    let entry = vectorizer::by_id(order.vectorizer)?;
    let Some(entry) = entry.filter(|entry| entry.relations.source.owner == order.owner) else {
        return Ok(None);
    };
    let Some(index) = IndexDefinition::of(&entry.resolve()?)? else { return Ok(None) };

    let store = existing::look(&index)?;
    if !store.is_some_and(|store| !store.indexed && !store.being_built) {
        return Ok(None);
    }

    // Waiting for that transaction would lead to a second index in addition to the one that it has built.
    if existing::locked_as_for_a_build(index.oid)? {
        pgrx::log!(
            "skipping index {}, because a running transaction may have built one on {}",
            index.name,
            index.table
        );
        return Ok(None);
    }
    Ok(Some(index))
}

fn build(order: &Order, index: &IndexDefinition) {
    // Before as well as after: a process that was killed has left its invalid index.
    let built = drop_left_over(index).and_then(|()| {
        pgrx::log!("building index {} on {}", index.name, index.table);
        run(&index.create())
    });

    let Err(error) = built else {
        pgrx::log!("built index {} on {}", index.name, index.table);
        return;
    };
    if error.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED {
        pgrx::log!("canceled building index {} on {}: {error}", index.name, index.table);
    } else {
        pgrx::warning!("could not build index {} on {}: {error}", index.name, index.table);
        record(order, index, &error);
    }

    if let Err(error) = drop_left_over(index) {
        pgrx::log!("could not drop the invalid index {} on {}: {error}", index.name, index.table);
    }
}

fn drop_left_over(index: &IndexDefinition) -> Result<(), PgError> {
    let store = transaction(|| as_superuser(|| existing::look(index)))?;
    if store.is_some_and(|store| store.left_over) {
        run(&index.drop())?;
    }
    Ok(())
}

/// Runs a statement and shows it in `pg_stat_activity`.
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

/// Records a failure in `ai.vectorizer_errors`, where repeated failures are counted in one row.
fn record(order: &Order, index: &IndexDefinition, error: &PgError) {
    let hint = error.hint.clone().unwrap_or_else(|| {
        format!(
            "It is retried automatically. To see the failure, run {} as the table's owner.",
            index.create()
        )
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
            errors::record(&mut Spi, order.vectorizer, "index could not be built", &details)?;
            errors::trim(&mut Spi, order.vectorizer, guc::max_errors())
        })
    });
    if let Err(error) = recorded {
        pgrx::warning!("could not record the failure of index {}: {error}", index.name);
    }
}
