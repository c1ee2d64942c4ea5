//! Following what users do to definitions: event triggers of the extension.
//!
//! They run in whatever session changes a definition, after the change. Most have nothing to do with any
//! vectorizer and cost a look at the parse tree. What goes wrong here is a vectorizer's trouble and no
//! reason to refuse a user's statement: it becomes a warning that says how to mend it.
//!
//! * [`dropped`]: sources and partitions that are gone
//! * [`partitions`]: tables that became partitions or no longer are
//! * [`renamed`], [`mod@column`], [`types`]: what goes by another name now
//! * grants: the worker is woken, for what was refused for the lack of one
//! * [`altered`], [`values`], [`switched`], [`secured`]: what ALTER TABLE did to values, to triggers and to rights

mod altered;
mod column;
mod dropped;
mod partitions;
mod renamed;
mod secured;
mod statement;
mod switched;
mod types;
mod values;

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use crate::catalog::vectorizer::Entry;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::transaction::subtransaction;
use crate::queue::wake;
use statement::Change;

/// `pg_finfo` record of [`vectorizer_definition_changed`].
#[no_mangle]
pub extern "C" fn pg_finfo_vectorizer_definition_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// `ai._vectorizer_definition_changed`, the function of the extension's event triggers.
///
/// # Safety
/// Called by Postgres with a call record.
#[no_mangle]
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
            warned("what was dropped", dropped::follow);
        } else if let Some(change) = Change::of(data.parsetree) {
            follow(change);
        }
    }
    pg_sys::Datum::from(0)
}

fn follow(change: Change) {
    match change {
        Change::Partition { parents, partition } => follow_parents(&parents, partition),
        Change::Column { relation, from, to } => {
            warned("a column's new name", || column::follow(relation, &from, &to));
        }
        Change::Renamed { schema } => {
            warned("a new name", renamed::follow);
            if schema {
                warned("a new name", || types::follow(false));
            }
        }
        Change::Altered(altered) => {
            follow_parents(&altered.parents, altered.relation);
            warned("a change of columns", || values::follow(&altered));
            if let Some(switched) = &altered.switched {
                warned("a change of its triggers", || switched::follow(altered.relation, switched));
            }
            if altered.secured {
                warned("row security of its source", || secured::follow(altered.relation));
            }
        }
        // It hears of the grant itself, and looks again at what was refused for the lack of it. Nothing else is hurried.
        Change::Granted => wake::worker_at_commit(),
        Change::Type { values } => {
            warned("a type's new name", || types::follow(values));
        }
    }
}

fn follow_parents(parents: &[pg_sys::Oid], partition: pg_sys::Oid) {
    for parent in parents {
        warned("a partition", || partitions::follow(*parent, partition));
    }
}

/// Runs `f` so that its failure is undone and told, and the user's statement goes on. Returns whether all
/// went well.
fn warned(what: &str, f: impl FnOnce() -> Result<(), PgError>) -> bool {
    let Err(error) = subtransaction(f) else { return true };
    let message = format!("a vectorizer could not follow {what}: {}", error.message);
    tell(error.code, message, error.hint.as_deref().unwrap_or(DONE));
    false
}

/// The same for what is done of one vectorizer, of which who does not see it is told no more than that it failed.
fn warned_of(entry: &Entry, what: &str, f: impl FnOnce() -> Result<(), PgError>) -> bool {
    if entry.is_seen_by(current_user()) {
        return warned(what, f);
    }
    let Err(error) = subtransaction(f) else { return true };
    tell(error.code, format!("a vectorizer of another role could not follow {what}"), DONE);
    false
}

const DONE: &str = "The statement itself is done.";

fn tell(code: PgSqlErrorCode, message: String, detail: &str) {
    pg_sys::panic::ErrorReport::new(code, message, "")
        .set_detail(detail.to_owned())
        .set_hint(
            "The view ai.vectorizer_health says what it lacks; ai.resync() brings its embeddings back in step.",
        )
        .report(PgLogLevel::WARNING);
}
