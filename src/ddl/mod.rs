//! Reactions to users' changes of definitions, by event triggers of the extension.
//!
//! They run in the session that changes a definition, after the change. Most changes have nothing to do with
//! a vectorizer and only cost a look at the parse tree. A failure here is a problem of a vectorizer and no
//! reason to reject a user's statement: it becomes a warning that says how to fix it.
//!
//! Any role may change a definition, and the reaction runs with the rights of the vectorizer's owner or of
//! the extension. So changed objects are identified by the OIDs that Postgres reports ([`commands`]), and
//! nothing is looked up in the session's search path. Postgres has looked at the rights by then, and the
//! current user may be another than the one it looked at: CREATE SCHEMA … AUTHORIZATION creates its tables as
//! their owner.
//!
//! * [`statement`], [`commands`], [`node`]: the changes
//! * [`dropped`]: dropped sources and partitions
//! * [`partitions`]: tables that became partitions or no longer are
//! * [`renamed`], [`mod@column`], [`types`]: renamed objects
//! * [`granted`]: rights on stores; the worker is woken, to retry what was refused for lack of a right
//! * [`altered`], [`casts`], [`values`], [`switched`], [`secured`]: changes of values, triggers and row
//!   security by ALTER TABLE

mod altered;
mod casts;
mod column;
mod commands;
mod dropped;
mod granted;
mod node;
mod partitions;
mod renamed;
mod secured;
mod statement;
mod switched;
mod types;
mod values;

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::vectorizer::Entry;
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, with_pinned_path};
use crate::pg::transaction::subtransaction;
use crate::trigger::wake;
use altered::Altered;
use statement::StatementChange;

/// `pg_finfo` record of [`vectorizer_definition_changed`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_vectorizer_definition_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// `ai._vectorizer_definition_changed`, the function of the extension's event triggers.
///
/// # Safety
///
/// Called by Postgres with a call record.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn vectorizer_definition_changed(
    call: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the call record is live; an event trigger's context is its EventTriggerData, with a C string
    // and the statement's parse tree.
    unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_EventTriggerData {
            pg_sys::panic::ErrorReport::from(PgError::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED,
                "_vectorizer_definition_changed() can only be called as an event trigger",
            ))
            .report(PgLogLevel::ERROR);
        }
        let data = &*context.cast::<pg_sys::EventTriggerData>();
        if CStr::from_ptr(data.event) == c"sql_drop" {
            with_pinned_path(|| warned("a dropped object", dropped::follow));
        } else if statement::may_concern(data.parsetree) {
            with_pinned_path(|| {
                warned("a statement", commands::changes).into_iter().flatten().for_each(follow)
            });
        }
    }
    pg_sys::Datum::from(0)
}

fn follow(change: StatementChange) {
    match change {
        StatementChange::Created(table) => {
            warned("a new table", || partitions::follow_new(table));
        }
        StatementChange::Column { relation, from, to } => {
            warned("a renamed column", || column::follow(relation, &from, &to));
        }
        StatementChange::Renamed => {
            warned("a renamed object", renamed::follow);
        }
        StatementChange::Schema(schema) => {
            warned("a renamed object", renamed::follow);
            warned("a renamed object", || types::follow(schema, false));
        }
        StatementChange::Type { object, values } => {
            warned("a renamed type", || types::follow(object, values));
        }
        // The worker is notified of the grant itself, and retries what was refused for lack of it. Nothing
        // else is hurried.
        StatementChange::Granted => wake::worker_at_commit(),
        StatementChange::GrantedTables(grant) => {
            warned("changed rights on a store", || granted::follow(grant));
        }
        StatementChange::Altered(altered) => follow_altered(&altered),
    }
}

fn follow_altered(altered: &Altered) {
    for partition in &altered.partitions {
        warned("a partition", || match partition {
            Some(partition) => partitions::follow(altered.relation, *partition),
            None => partitions::follow_untold(altered.relation),
        });
    }
    for parent in &altered.parents {
        warned("a partition", || partitions::follow(*parent, altered.relation));
    }

    if !altered.columns.is_empty() {
        warned("changed columns", || values::follow(altered));
    }
    if let Some(switched) = &altered.switched {
        warned("changed triggers", || switched::follow(altered.relation, switched));
    }
    if altered.secured {
        warned("changed row security of its source", || secured::follow(altered.relation));
    }
}

/// Runs `f` so that a failure is rolled back and reported as a warning, and the user's statement goes on.
/// Returns `None` if it failed.
fn warned<R>(what: &str, f: impl FnOnce() -> Result<R, PgError>) -> Option<R> {
    match subtransaction(f) {
        Ok(result) => Some(result),
        Err(error) => {
            let message = format!("could not adapt a vectorizer to {what}: {}", error.message);
            tell(error.code, message, error.hint.as_deref().unwrap_or(DONE));
            None
        }
    }
}

/// Does the same for one vectorizer. A user who does not see it is only told that something failed. Returns
/// whether it succeeded.
fn warned_of(entry: &Entry, what: &str, f: impl FnOnce() -> Result<(), PgError>) -> bool {
    if entry.is_seen_by(current_user()) {
        return warned(what, f).is_some();
    }
    let Err(error) = subtransaction(f) else { return true };
    tell(error.code, format!("could not adapt another role's vectorizer to {what}"), DONE);
    false
}

const DONE: &str = "The statement itself has been executed.";

fn tell(code: PgSqlErrorCode, message: String, detail: &str) {
    pg_sys::panic::ErrorReport::new(code, message, "")
        .set_detail(detail.to_owned())
        .set_hint(
            "See the view ai.vectorizer_health for what is missing, and use ai.resync() to update its embeddings.",
        )
        .report(PgLogLevel::WARNING);
}
