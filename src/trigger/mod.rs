//! The trigger on a source: appends changed keys to the inbox, removes the chunks of rows that are gone, and
//! asks for a wake-up at commit.
//!
//! It runs in any user's transaction, as the vectorizer's owner. It only appends to the inbox, and it touches
//! the store only for rows that the same transaction has removed and therefore holds a lock on. Nothing here
//! can wait for the worker or fail because of it, at any isolation level.
//!
//! * [`catalog`]: the trigger on the extension's own tables
//! * [`certain`], [`guard`]: keep errors from failing the user's statement
//! * [`keyless`]: rows that can't be embedded because they have no key
//! * [`plan`]: the trigger's knowledge of one vectorizer, and its work
//! * [`statement`]: SQL that is prepared once and runs on the newest snapshot
//! * [`row`]: values of the rows that row triggers get
//! * [`wake`]: wakes the worker at commit

mod catalog;
mod certain;
mod guard;
mod keyless;
mod plan;
mod row;
mod statement;
pub mod wake;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, direct_function_call, pg_sys};

use crate::catalog::definitions::{self, Watch};
use crate::catalog::table::Table;
use crate::catalog::triggers::{self, Identity};
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::{hierarchy, registration, remains, telling};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::statement::noting_other_meanings;
use crate::pg::transaction::subtransaction;
use plan::{Plan, Writer};

thread_local! {
    /// The plans of triggers, by the trigger's OID.
    static PLANS: RefCell<HashMap<pg_sys::Oid, Plan>> = RefCell::new(HashMap::new());
    /// The tables for which this session was warned that their triggers do nothing.
    static TOLD: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
    /// The generation of the definitions when a plan was last looked for.
    static SEEN: Cell<u64> = const { Cell::new(0) };
    /// The source to which this process is writing vectors.
    static EMBEDDING: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// Runs `f`, which writes vectors to a source, and has the source's triggers know that the worker is writing.
pub fn writing_vectors<R>(source: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
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

/// Has the triggers that failed in this transaction do their work again, because the record of what they missed
/// has been deleted.
pub fn retry_failed() {
    guard::retry();
}

/// Returns whose statement the trigger of a source is called for. A statement of a user's trigger within the
/// worker's statement is the user's: the trigger is called one level deeper.
fn writer(source: pg_sys::Oid) -> Writer {
    if EMBEDDING.get() != source {
        return Writer::User;
    }
    // SAFETY: the function takes no argument and reads a variable of this backend.
    let depth = unsafe { direct_function_call::<i32>(pg_sys::pg_trigger_depth, &[]) };
    if depth == Some(1) { Writer::Worker } else { Writer::User }
}

/// `pg_finfo` record of [`vectorizer_source_changed`].
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_vectorizer_source_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// The function `ai._vectorizer_source_changed` of all triggers.
///
/// # Safety
/// Called by Postgres with a call record.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn vectorizer_source_changed(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the call record is live; a trigger's context is its TriggerData.
    let data = unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            PgError::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "_vectorizer_source_changed() can only be called as a trigger",
            )
            .throw();
        }
        &mut *context.cast::<pg_sys::TriggerData>()
    };
    if let Err(error) = source_changed(data) {
        error.throw();
    }
    pg_sys::Datum::from(0)
}

fn source_changed(data: &mut pg_sys::TriggerData) -> Result<(), PgError> {
    if changes_nothing(data) {
        return Ok(());
    }
    let trigger = trigger_of(data);
    let known = take_plan(trigger);
    if guard::has_failed(trigger) {
        return Ok(());
    }
    let Some(mut plan) = ready_plan(known, data)? else { return Ok(()) };

    // Taken out while in use: the statements may fire triggers that come here again.
    let mut outcome = run(&mut plan, data)?;
    if let Outcome::Renamed(_) = outcome {
        let Some(fresh) = ready_plan(None, data)? else { return Ok(()) };
        plan = fresh;
        outcome = run(&mut plan, data)?;
    }
    let id = plan.id;
    PLANS.with_borrow_mut(|plans| plans.insert(trigger, plan));
    if let Outcome::Renamed(error) = outcome {
        guard::tell(trigger, id, error)?;
    }
    wake::worker_at_commit_for(id);
    Ok(())
}

/// Returns the plan of a trigger, with the tables locked that it is about to use; `None` if there is nothing
/// to do, of which the user has been warned.
///
/// The tables may have other names or another owner by the time that they are locked. Then they are read once
/// more, when only their schemas can still be renamed.
fn ready_plan(known: Option<Plan>, data: &pg_sys::TriggerData) -> Result<Option<Plan>, PgError> {
    if let Some(known) = known
        && known.hold(data).is_ok()
    {
        return Ok(Some(known));
    }

    let Some(plan) = load_plan(data)? else { return Ok(None) };
    if plan.hold(data).is_ok() {
        return Ok(Some(plan));
    }
    let Some(plan) = load_plan(data)? else { return Ok(None) };
    match plan.hold(data) {
        Ok(()) => Ok(Some(plan)),
        Err(error) => guard::tell(trigger_of(data), plan.id, error).map(|()| None),
    }
}

/// The end of a trigger's work.
enum Outcome {
    /// It is done, or the user was warned that it is not.
    Done,
    /// It is undone, because a name in its statements had come to mean another relation.
    Renamed(PgError),
}

/// Runs the trigger. Errors that only concern the vectorizer must not fail the user's statement. TRUNCATE is
/// always guarded: it can fail because of tables that refer to the store, and fires only once.
///
/// A subtransaction keeps such an error from the statement. That takes a transaction id if it writes, so there is
/// none where nothing can go wrong.
fn run(plan: &mut Plan, data: &mut pg_sys::TriggerData) -> Result<Outcome, PgError> {
    let (owner, id, writer, named) = (plan.owner, plan.id, writer(plan.source), plan.named.clone());
    if plan.is_certain && !is(data, pg_sys::TRIGGER_EVENT_TRUNCATE) && plan.is_ready(data, writer) {
        return as_user_on(owner, &named, || plan.run(data, writer)).map(|()| Outcome::Done);
    }

    let trigger = trigger_of(data);
    let (result, is_renamed) =
        noting_other_meanings(|| subtransaction(|| as_user_on(owner, &named, || plan.run(data, writer))));
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if is_renamed => Ok(Outcome::Renamed(error)),
        Err(error) => guard::survive(trigger, id, error).map(|()| Outcome::Done),
    }
}

fn trigger_of(data: &pg_sys::TriggerData) -> pg_sys::Oid {
    // SAFETY: the trigger record lives as long as its relation's cache entry.
    unsafe { (*data.tg_trigger).tgoid }
}

/// Returns whether a statement trigger was fired by a statement that touched no row.
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

fn take_plan(trigger: pg_sys::Oid) -> Option<Plan> {
    PLANS.with_borrow_mut(|plans| {
        if SEEN.replace(definitions::generation()) != definitions::generation() {
            plans.retain(|_, plan| plan.is_undisturbed());
            guard::retry();
        }
        plans.remove(&trigger)
    })
}

/// Makes the plan of a trigger. If some definition has changed meanwhile, it is made once more, while what it is made from
/// is watched already: then changes of others do not concern it.
fn load_plan(data: &pg_sys::TriggerData) -> Result<Option<Plan>, PgError> {
    match make_plan(data)? {
        Some(disturbed) if !disturbed.is_undisturbed() => make_plan(data),
        made => Ok(made),
    }
}

fn make_plan(data: &pg_sys::TriggerData) -> Result<Option<Plan>, PgError> {
    // SAFETY: the relation is open while its trigger runs.
    let relation = unsafe { (*data.tg_relation).rd_id };
    let trigger = trigger_of(data);
    let Some(vectorizer) = identity(data) else { return Ok(None) };

    // It reads nothing but catalogs. Who writes to the source need not have the use of the queue's
    // schema, without which to_regclass raises.
    as_superuser(|| {
        let entry = vectorizer::by_ancestor(relation)?.into_iter().find(|entry| entry.is_named(&vectorizer));
        let Some(entry) = entry else { return no_vectorizer(&vectorizer, relation, trigger) };
        let plan = entry.resolve().and_then(|v| Plan::new(&v, relation, watch(&entry, relation)?));
        match plan {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => guard::tell(trigger, vectorizer.id, error).map(|()| None),
        }
    })
}

/// Returns a watch over all that the plan of a trigger on `relation` is made from.
fn watch(entry: &Entry, relation: pg_sys::Oid) -> Result<Watch, PgError> {
    let tables = telling::of(&telling::OF_VECTORIZERS)?;
    Ok(match tables.filter(|_| entry.bound) {
        Some(tables) => {
            let above = hierarchy::ancestors(relation)?;
            Watch::over(tables.into_iter().chain(above).chain(entry.relations.all()), entry.generation)?
        }
        // It is found by names, which any relation may get, or its row may change without a word.
        None => Watch::over_all(entry.generation),
    })
}

/// Reads the vectorizer's identity from the trigger's arguments; `None` if they are not valid.
fn identity(data: &pg_sys::TriggerData) -> Option<Identity> {
    // SAFETY: the trigger's arguments are C strings, as many as it says.
    let arguments: Vec<_> = unsafe {
        let trigger = &*data.tg_trigger;
        (0..trigger.tgnargs as usize)
            .map(|place| CStr::from_ptr(*trigger.tgargs.add(place)).to_string_lossy())
            .collect()
    };
    triggers::parse(&arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

/// Warns that a write is not noticed, because the vectorizer has lost an object, or because the trigger came
/// with a dump of the table and its vectorizer did not.
fn no_vectorizer(
    vectorizer: &Identity,
    relation: pg_sys::Oid,
    trigger: pg_sys::Oid,
) -> Result<Option<Plan>, PgError> {
    if registration::is_registered(vectorizer)? && is_its_source(vectorizer.id, relation)? {
        let lost = triggers::lost(&vectorizer.id.to_string());
        return guard::tell(trigger, vectorizer.id, lost).map(|()| None);
    }
    if TOLD.with_borrow_mut(|told| told.insert(relation)) {
        warn_of_leftover(relation);
    }
    Ok(None)
}

/// Returns whether the catalog has this table as the source of a vectorizer that lacks another object.
fn is_its_source(id: i32, relation: pg_sys::Oid) -> Result<bool, PgError> {
    let source = remains::of(id)?.and_then(|rest| rest.source);
    Ok(source.is_some_and(|source| source.oid == relation))
}

fn warn_of_leftover(relation: pg_sys::Oid) {
    let table =
        Table::look(relation).map_or_else(|| relation.to_u32().to_string(), |table| table.qualified());
    pg_sys::panic::ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        format!("table {table} has triggers of a vectorizer that does not exist in this database"),
        "",
    )
    .set_detail("They do nothing. A dump of the table without the schema \"ai\" brings them along.")
    .set_hint("Drop the triggers, or call ai.create_vectorizer() for the table, which drops them.")
    .report(PgLogLevel::WARNING);
}
