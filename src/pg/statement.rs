//! Limits for the extension's statements on users' tables: which tables they may name, and under which search
//! path they run.
//!
//! Two things must not be in the hands of the owner of a schema or of the database:
//!
//! * **Which tables a statement means.** A lock protects a table's name, but not its schema's. Within
//!   [`on_tables`] every relation that a statement names is compared with the tables that are held, and every
//!   function, operator and type with what may be meant ([`named`]), after the names are resolved and before
//!   anything runs.
//! * **What its operators, types and functions mean.** A statement is always parsed under the pinned search
//!   path. The triggers, defaults and index functions that it causes to run are the owner's and may rely on
//!   another path: within [`with_path`] a statement is planned and run under that one.
//!
//! Hooks are the only place that Postgres offers between parsing a statement and running it. A process
//! installs them when it first needs them. They affect only the current statement, which they recognize by
//! its text: a cached plan may be parsed again at any time, and then passes through the hooks again.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::rc::Rc;

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, direct_function_call, pg_sys};

use super::error::PgError;
use super::named::{self, Other, oids};
use super::quote::ident;
use super::settings::{self, SettingsLevel};

/// The setting that determines what unqualified names mean.
pub(super) const SEARCH_PATH: &CStr = c"search_path";

/// The tables that statements may name, in addition to the catalogs of Postgres.
pub type Tables = Rc<[pg_sys::Oid]>;

/// The restrictions on the statements to come.
#[derive(Clone, Default)]
struct Terms {
    /// The tables that they may name; `None` if any.
    tables: Option<Tables>,
    /// The search path under which they are planned and run; `None` for the one under which they are parsed.
    path: Option<Rc<CStr>>,
}

/// A statement that is being parsed or run.
struct Current {
    /// Its text, which outlives this value.
    text: *const [u8],
    terms: Terms,
}

impl Current {
    /// Returns whether this is its text.
    ///
    /// # Safety
    ///
    /// The text is null or a C string.
    unsafe fn has(&self, text: *const c_char) -> bool {
        // SAFETY: by the caller; and what `run` was given outlives what it runs.
        !text.is_null() && unsafe { CStr::from_ptr(text).to_bytes() == &*self.text }
    }
}

/// A TRUNCATE that is being run.
struct Truncation {
    tables: Tables,
    /// Trigger depth at which it runs. The triggers that it fires run one level deeper and may truncate any
    /// table.
    depth: i32,
}

thread_local! {
    static TERMS: RefCell<Terms> = RefCell::default();
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    static TRUNCATION: RefCell<Option<Truncation>> = const { RefCell::new(None) };
    /// True if a name was found to mean another object.
    static HAS_OTHER_MEANING: Cell<bool> = const { Cell::new(false) };
    /// The hooks that were installed before ours; `None` until ours are installed.
    static NEXT: Cell<Option<NextStatement>> = const { Cell::new(None) };
    static NEXT_ACCESS: Cell<Option<pg_sys::object_access_hook_type>> = const { Cell::new(None) };
}

/// Hooks of other libraries.
#[derive(Clone, Copy)]
struct NextStatement {
    analyzed: pg_sys::post_parse_analyze_hook_type,
    planner: pg_sys::planner_hook_type,
    start: pg_sys::ExecutorStart_hook_type,
}

/// Terms that hold for as long as this value lives. An error ends them too, because it unwinds.
pub struct TermsScope(Terms);

impl TermsScope {
    fn enter(terms: Terms) -> TermsScope {
        TermsScope(TERMS.replace(terms))
    }

    /// Opens a scope without terms, in which any statement is parsed and run under the same path. Each
    /// assumed identity begins with one.
    pub fn open() -> TermsScope {
        TermsScope::enter(Terms::default())
    }
}

impl Drop for TermsScope {
    fn drop(&mut self) {
        TERMS.replace(std::mem::take(&mut self.0));
    }
}

/// Runs `f`, whose statements may name only these tables and the catalogs of Postgres.
pub fn on_tables<R>(tables: &Tables, f: impl FnOnce() -> R) -> R {
    let path = TERMS.with_borrow(|terms| terms.path.clone());
    let _scope = TermsScope::enter(Terms { tables: Some(tables.clone()), path });
    f()
}

/// Runs `f`, whose statements are parsed under the pinned search path, and planned and run under `path`.
pub fn with_path<R>(path: &Rc<CStr>, f: impl FnOnce() -> R) -> R {
    let tables = TERMS.with_borrow(|terms| terms.tables.clone());
    let _scope = TermsScope::enter(Terms { tables, path: Some(path.clone()) });
    f()
}

/// Runs `f`, a TRUNCATE of these tables, under a search path. Such a statement contains nothing to be
/// resolved but the qualified names of the tables.
pub fn truncating<R>(tables: &Tables, path: &CStr, f: impl FnOnce() -> R) -> R {
    struct EndedTruncation(Option<Truncation>);
    impl Drop for EndedTruncation {
        fn drop(&mut self) {
            TRUNCATION.replace(self.0.take());
        }
    }

    look_at_access();
    let level = SettingsLevel::open();
    level.set(SEARCH_PATH, path);
    let truncation = Truncation { tables: tables.clone(), depth: trigger_depth() };
    let _ended = EndedTruncation(TRUNCATION.replace(Some(truncation)));
    f()
}

/// Runs `f`, which catches its errors, and returns its result. Also returns whether a name in one of its
/// statements had come to mean another object.
pub fn noting_other_meanings<R>(f: impl FnOnce() -> R) -> (R, bool) {
    let before = HAS_OTHER_MEANING.replace(false);
    let result = f();
    (result, HAS_OTHER_MEANING.replace(before))
}

/// Runs `f`, in which Postgres parses or runs the statement with this text, under the current terms. They do
/// not apply to what the statement causes to run.
pub fn run<R>(text: &[u8], f: impl FnOnce() -> R) -> R {
    /// The state to be restored.
    struct RunningStatement {
        terms: Terms,
        outer: Option<Current>,
        _level: Option<SettingsLevel>,
    }
    impl Drop for RunningStatement {
        fn drop(&mut self) {
            CURRENT.replace(self.outer.take());
            TERMS.replace(std::mem::take(&mut self.terms));
        }
    }

    let terms = TERMS.take();
    if terms.tables.is_none() && terms.path.is_none() {
        return f();
    }

    look_at_statements();
    // The path that is set when the statement begins to run is undone with this level.
    let level = terms.path.is_some().then(SettingsLevel::open);
    let outer = CURRENT.replace(Some(Current { text, terms: terms.clone() }));
    let _running = RunningStatement { terms, outer, _level: level };
    f()
}

/// Returns the terms of the statement with this text; `None` if it is not the current one.
///
/// # Safety
///
/// The text is null or a C string.
unsafe fn terms_of(text: *const c_char) -> Option<Terms> {
    // SAFETY: by the caller.
    let is = |current: &&Current| unsafe { current.has(text) };
    CURRENT.with_borrow(|current| current.as_ref().filter(is).map(|current| current.terms.clone()))
}

/// Installs the hooks for statements, once per process.
fn look_at_statements() {
    if NEXT.get().is_some() {
        return;
    }
    // SAFETY: variables of this process, read and written on its main thread.
    unsafe {
        NEXT.set(Some(NextStatement {
            analyzed: pg_sys::post_parse_analyze_hook,
            planner: pg_sys::planner_hook,
            start: pg_sys::ExecutorStart_hook,
        }));
        pg_sys::post_parse_analyze_hook = Some(analyzed);
        pg_sys::planner_hook = Some(planned);
        pg_sys::ExecutorStart_hook = Some(started);
    }
}

/// Installs the hook for TRUNCATE, once per process.
fn look_at_access() {
    if NEXT_ACCESS.get().is_some() {
        return;
    }
    // SAFETY: as above.
    unsafe {
        NEXT_ACCESS.set(Some(pg_sys::object_access_hook));
        pg_sys::object_access_hook = Some(accessed);
    }
}

fn trigger_depth() -> i32 {
    // SAFETY: the function takes no argument and reads a variable of this backend.
    unsafe { direct_function_call::<i32>(pg_sys::pg_trigger_depth, &[]) }.unwrap_or_default()
}

/// Returns whether the statement with this text is the current one.
///
/// # Safety
///
/// The text is null or a C string.
unsafe fn is_at_hand(text: *const c_char) -> bool {
    // SAFETY: by the caller.
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| unsafe { current.has(text) }))
}

// The hooks themselves are called for every statement of the process, most of which are users'. They are not guarded and have
// nothing to drop: errors pass over their frames as over those of C. Caught and raised anew they would lose their context,
// their position and the names of constraints. What is guarded is called for statements of ours.

/// Called when the names of a statement have been looked up, before its rules are applied.
unsafe extern "C-unwind" fn analyzed(
    state: *mut pg_sys::ParseState,
    query: *mut pg_sys::Query,
    jumble: *mut pg_sys::JumbleState,
) {
    // SAFETY: called by Postgres with a statement and where it was read.
    unsafe {
        if let Some(next) = NEXT.get().and_then(|next| next.analyzed) {
            next(state, query, jumble);
        }
        if is_at_hand((*state).p_sourcetext) {
            look_at_names((*state).p_sourcetext, query);
        }
    }
}

/// Errors (40001) if a name of a statement's means an object by now that it was not written for.
#[pg_guard]
unsafe extern "C-unwind" fn look_at_names(text: *const c_char, query: *mut pg_sys::Query) {
    // SAFETY: a statement that was read, and its text.
    unsafe {
        let Some(tables) = terms_of(text).and_then(|terms| terms.tables) else { return };

        if let Some(other) = named::other_than(query, &tables) {
            raise_renamed(other);
        }
    }
}

/// Called to plan a statement: that evaluates functions of the owner's.
unsafe extern "C-unwind" fn planned(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    parameters: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: called by Postgres with a statement and its text; with the arguments that it gave.
    unsafe {
        if is_at_hand(text) {
            return plan_under_path(query, text, options, parameters);
        }
        plan(query, text, options, parameters)
    }
}

/// Has a statement planned as it would be without us.
unsafe extern "C-unwind" fn plan(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    parameters: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: with the arguments that Postgres gave.
    unsafe {
        match NEXT.get().and_then(|next| next.planner) {
            Some(next) => next(query, text, options, parameters),
            None => standard_planner(query, text, options, parameters),
        }
    }
}

/// Has a statement of ours planned under the search path that holds for it.
#[pg_guard]
unsafe extern "C-unwind" fn plan_under_path(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    parameters: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: by the caller.
    let path = unsafe { terms_of(text) }.and_then(|terms| terms.path);
    // Restored at once: the statement may be parsed again before it runs.
    let _level = path.map(|path| {
        let level = SettingsLevel::open();
        level.set(SEARCH_PATH, &path);
        level
    });
    // SAFETY: with the arguments that Postgres gave.
    unsafe { pg_guard_ffi_boundary(|| plan(query, text, options, parameters)) }
}

/// Called when a statement begins to run: from here on nothing of it is read any more.
unsafe extern "C-unwind" fn started(statement: *mut pg_sys::QueryDesc, flags: c_int) {
    // SAFETY: called by Postgres with a statement that is about to run.
    unsafe {
        if is_at_hand((*statement).sourceText) {
            take_path((*statement).sourceText);
        }
        match NEXT.get().and_then(|next| next.start) {
            Some(next) => next(statement, flags),
            None => standard_ExecutorStart(statement, flags),
        }
    }
}

/// Sets the search path under which a statement of ours runs, if there is one.
#[pg_guard]
unsafe extern "C-unwind" fn take_path(text: *const c_char) {
    // SAFETY: by the caller.
    if let Some(path) = unsafe { terms_of(text) }.and_then(|terms| terms.path) {
        settings::set(SEARCH_PATH, &path);
    }
}

/// Called, among others, for each table that a TRUNCATE names and for those that inherit from it, before any is touched.
unsafe extern "C-unwind" fn accessed(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    // SAFETY: with the arguments that Postgres gave.
    unsafe {
        if let Some(next) = NEXT_ACCESS.get().flatten() {
            next(access, class, object, sub, argument);
        }
        if access == pg_sys::ObjectAccessType::OAT_TRUNCATE && TRUNCATION.with_borrow(Option::is_some) {
            look_at_truncated(object);
        }
    }
}

/// Errors (40001) if a table that is truncated is none of those that a TRUNCATE of ours was written for.
#[pg_guard]
unsafe extern "C-unwind" fn look_at_truncated(table: pg_sys::Oid) {
    let tables = TRUNCATION.with_borrow(|truncation| {
        let own = truncation.as_ref().filter(|truncation| truncation.depth == trigger_depth());
        own.map(|truncation| truncation.tables.clone())
    });
    let Some(tables) = tables else { return };

    if !tables.contains(&table) && !tables.iter().any(|parent| inherits(table, *parent)) {
        raise_renamed(Other::Relation(table));
    }
}

unsafe extern "C-unwind" {
    // As Postgres has them: through pgrx's bindings every error would be caught and raised anew.
    fn standard_planner(
        query: *mut pg_sys::Query,
        text: *const c_char,
        options: c_int,
        parameters: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
    fn standard_ExecutorStart(statement: *mut pg_sys::QueryDesc, flags: c_int);
}

unsafe extern "C-unwind" {
    /// `catalog/pg_inherits.h`, which the bindings lack: a table and all that inherit from it.
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        mode: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

fn inherits(table: pg_sys::Oid, parent: pg_sys::Oid) -> bool {
    // SAFETY: looks up the catalogs, without a lock; a list of OIDs.
    unsafe {
        let heirs = pg_guard_ffi_boundary(|| find_all_inheritors(parent, 0, std::ptr::null_mut()));
        oids(heirs).contains(&table)
    }
}

/// Returns the error (40001) for a name that has come to mean another object.
fn renamed(object: Other) -> PgError {
    // SAFETY: looks up the catalogs; null, or a C string in the memory of the statement.
    let (kind, name) = unsafe {
        let owned = |name: *const c_char| match name.is_null() {
            true => String::new(),
            false => CStr::from_ptr(name).to_string_lossy().into_owned(),
        };
        match object {
            Other::Relation(relation) => ("relation", ident(&owned(pg_sys::get_rel_name(relation)))),
            Other::Function(function) => ("function", ident(&owned(pg_sys::get_func_name(function)))),
            Other::Type(named) => ("type", owned(pg_sys::format_type_be(named))),
        }
    };
    PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("the name {name} was changed to mean another {kind} concurrently"),
    )
    .with_detail(format!("The {kind}, or its schema, was renamed or replaced."))
    .with_hint("Repeat the statement.")
}

fn raise_renamed(object: Other) -> ! {
    HAS_OTHER_MEANING.set(true);
    pg_sys::panic::ErrorReport::from(renamed(object)).report(PgLogLevel::ERROR);
    unreachable!("an error report does not return")
}
