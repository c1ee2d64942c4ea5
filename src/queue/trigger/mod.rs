//! The trigger on a source: appends changed keys to the inbox, removes the chunks of rows that are
//! gone, and asks for a wake-up at commit.
//!
//! It runs in anybody's transaction, as the vectorizer's owner. It only ever appends to the inbox,
//! and it touches the store only for rows that the same transaction has removed and so holds a lock
//! on; nothing here can wait for the worker or fail because of it, at any isolation level.
//!
//! * [`plan`]: what it has to know and do for one vectorizer
//! * [`statement`]: SQL prepared once, on the newest snapshot
//! * [`row`]: values of the rows that row triggers get
//! * [`certain`], [`guard`]: what may fail, and must not fail the user's statement

mod certain;
mod guard;
mod plan;
mod row;
mod statement;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};

use pgrx::prelude::*;
use pgrx::{direct_function_call, pg_sys, PgSqlErrorCode};

use super::wake;
use crate::catalog::definitions;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::transaction::has_one_snapshot;
use plan::{Plan, Writer};

thread_local! {
    /// By the trigger's OID; `None` for a trigger whose vectorizer does not exist.
    static PLANS: RefCell<HashMap<pg_sys::Oid, Option<Plan>>> = RefCell::new(HashMap::new());
    /// The definitions that the plans were made from.
    static SEEN: Cell<u64> = const { Cell::new(0) };
    /// The source to which this process is writing vectors.
    static EMBEDDING: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// Runs what writes vectors to a source, so that the source's triggers know whose work it is.
pub fn embedding<R>(source: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            EMBEDDING.set(pg_sys::InvalidOid);
        }
    }
    EMBEDDING.set(source);
    // By an error as well: it unwinds.
    let _ended = Ended;
    f()
}

/// Whose statement the trigger of a source is called for. What a user's trigger writes in the middle of
/// ours is the user's: it is called one level deeper.
fn writer(source: pg_sys::Oid) -> Writer {
    if EMBEDDING.get() != source {
        return Writer::User;
    }
    // SAFETY: the function takes no argument and reads a variable of this backend.
    let depth = unsafe { direct_function_call::<i32>(pg_sys::pg_trigger_depth, &[]) };
    if depth == Some(1) {
        Writer::Worker
    } else {
        Writer::User
    }
}

/// `pg_finfo` record of [`vectorizer_source_changed`].
#[no_mangle]
pub extern "C" fn pg_finfo_vectorizer_source_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// `ai._vectorizer_source_changed`, the function of all triggers.
///
/// # Safety
/// Called by Postgres with a call record.
#[no_mangle]
#[pg_guard]
pub unsafe extern "C-unwind" fn vectorizer_source_changed(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the call record is live; a trigger's context is its TriggerData.
    let data = unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            raise(PgError::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "_vectorizer_source_changed() can only be called as a trigger",
            ));
        }
        &mut *context.cast::<pg_sys::TriggerData>()
    };
    if let Err(error) = source_changed(data) {
        raise(error);
    }
    pg_sys::Datum::from(0)
}

fn raise(error: PgError) -> ! {
    pg_sys::panic::ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an error report does not return")
}

fn source_changed(data: &mut pg_sys::TriggerData) -> Result<(), PgError> {
    if changes_nothing(data) {
        return Ok(());
    }
    // SAFETY: the trigger record lives as long as its relation's cache entry.
    let trigger = unsafe { (*data.tg_trigger).tgoid };
    let known = take_plan(trigger);
    if guard::has_failed(trigger) {
        return Ok(());
    }
    let mut plan = match known {
        Some(known) => known,
        None => load_plan(data)?,
    };
    // Taken out while in use: the statements may fire triggers that come here again.
    let result = match &mut plan {
        Some(plan) => run(plan, data),
        None => Ok(()),
    };
    // That there is none may change without any definition's changing.
    if plan.is_some() {
        PLANS.with_borrow_mut(|plans| plans.insert(trigger, plan));
    }
    result?;
    wake::worker_at_commit();
    Ok(())
}

/// What keeps a vectorizer from working must not keep users from writing. TRUNCATE meets whoever refers to
/// the store, and comes once for a table.
fn run(plan: &mut Plan, data: &mut pg_sys::TriggerData) -> Result<(), PgError> {
    let (owner, id, writer) = (plan.owner, plan.id, writer(plan.source));
    if plan.is_certain && !is(data, pg_sys::TRIGGER_EVENT_TRUNCATE) {
        return as_user(owner, || plan.run(data, writer));
    }
    // SAFETY: the trigger record lives as long as its relation's cache entry.
    let trigger = unsafe { (*data.tg_trigger).tgoid };
    guard::guarded(trigger, id, || as_user(owner, || plan.run(data, writer)))
}

/// A statement trigger fires for statements that touched no row as well.
fn changes_nothing(data: &pg_sys::TriggerData) -> bool {
    // SAFETY: transition tables are live while their trigger runs.
    let empty = |table: *mut pg_sys::Tuplestorestate| unsafe {
        table.is_null() || pg_sys::tuplestore_tuple_count(table) == 0
    };
    let by_statement = data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0;
    by_statement
        && !is(data, pg_sys::TRIGGER_EVENT_TRUNCATE)
        && empty(data.tg_oldtable)
        && empty(data.tg_newtable)
}

fn is(data: &pg_sys::TriggerData, event: u32) -> bool {
    data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == event
}

fn take_plan(trigger: pg_sys::Oid) -> Option<Option<Plan>> {
    PLANS.with_borrow_mut(|plans| {
        if SEEN.replace(definitions::generation()) != definitions::generation() {
            plans.clear();
            guard::forget();
        }
        plans.remove(&trigger)
    })
}

fn load_plan(data: &pg_sys::TriggerData) -> Result<Option<Plan>, PgError> {
    // SAFETY: the trigger's arguments are C strings; create_vectorizer gives one, the id.
    let id = unsafe {
        let trigger = &*data.tg_trigger;
        (trigger.tgnargs > 0).then(|| CStr::from_ptr(*trigger.tgargs).to_string_lossy().parse::<i32>().ok())
    };
    let Some(id) = id.flatten() else { return Ok(None) };
    // SAFETY: the relation is open while its trigger runs.
    let (relation, trigger) = unsafe { ((*data.tg_relation).rd_id, (*data.tg_trigger).tgoid) };
    // It reads nothing but catalogs. Who writes to the source need not have the use of the queue's
    // schema, without which to_regclass raises.
    as_superuser(|| {
        let Some(entry) = vectorizer::by_id(id)? else { return not_seen() };
        let loaded = entry.understand().and_then(|v| Ok((is_as_now(&v)?, Plan::new(&v, relation)?)));
        match loaded {
            Ok((false, _)) if has_one_snapshot() => Err(too_old("a vectorizer's column was changed")),
            Ok((_, plan)) => Ok(Some(plan)),
            Err(error) => guard::tell(trigger, id, error).map(|()| None),
        }
    })
}

/// The catalog has no such vectorizer, or this transaction began before it did and can't see it: then
/// what it writes would be forgotten, and it has to run again.
fn not_seen() -> Result<Option<Plan>, PgError> {
    if has_one_snapshot() {
        return Err(too_old("a vectorizer was created"));
    }
    Ok(None)
}

/// Whether the columns that are read have the names, and those of the key the types, that the caches know,
/// which follow every change at once, whatever the transaction's snapshot.
fn is_as_now(v: &Vectorizer) -> Result<bool, PgError> {
    if v.key.columns().iter().any(|column| type_now(v.source.oid, column.attnum) != column.type_name) {
        return Ok(false);
    }

    let read = v.read_columns()?;
    let names = v.key.columns().iter().map(|column| &column.name).chain(read.iter().map(|c| &c.name));
    for name in names {
        let name = CString::new(name.as_str()).map_err(|_| PgError::raised("a name has a zero byte"))?;
        // SAFETY: looks up the catalogs.
        if unsafe { pg_sys::get_attnum(v.source.oid, name.as_ptr()) } <= 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The type of a column with its modifier, as the caches know it; empty if there is none.
fn type_now(relation: pg_sys::Oid, number: i32) -> String {
    let (mut kind, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
    // SAFETY: looks up the catalogs; the text is a C string of this memory context.
    unsafe {
        let name = pg_sys::get_attname(relation, number as i16, true);
        if name.is_null() {
            return String::new();
        }
        pg_sys::get_atttypetypmodcoll(relation, number as i16, &mut kind, &mut modifier, &mut collation);
        CStr::from_ptr(pg_sys::format_type_with_typemod(kind, modifier)).to_string_lossy().into_owned()
    }
}

fn too_old(what: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("could not serialize access: {what} since this transaction began"),
    )
    .with_hint("Run the transaction again.")
}
