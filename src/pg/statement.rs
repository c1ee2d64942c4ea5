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
use std::ffi::{CStr, c_char, c_int};
use std::rc::Rc;

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::named::{self, Other};
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
    /// True if they are planned to find rows by indexes alone, wherever there is one.
    by_index: bool,
}

impl Terms {
    fn are_any(&self) -> bool {
        self.tables.is_some() || self.path.is_some() || self.by_index
    }
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

thread_local! {
    static TERMS: RefCell<Terms> = RefCell::default();
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
    /// True if a name was found to mean another object.
    static HAS_OTHER_MEANING: Cell<bool> = const { Cell::new(false) };
    /// The hooks that were installed before ours; `None` until ours are installed.
    static NEXT: Cell<Option<NextStatement>> = const { Cell::new(None) };
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
    let terms = TERMS.with_borrow(Clone::clone);
    let _scope = TermsScope::enter(Terms { tables: Some(tables.clone()), ..terms });
    f()
}

/// Runs `f`, whose statements are parsed under the pinned search path, and planned and run under `path`.
pub fn with_path<R>(path: &Rc<CStr>, f: impl FnOnce() -> R) -> R {
    let terms = TERMS.with_borrow(Clone::clone);
    let _scope = TermsScope::enter(Terms { path: Some(path.clone()), ..terms });
    f()
}

/// Runs `f`, whose statements are planned to find rows by indexes alone, wherever there is one. It is for plans that
/// are kept while their tables grow, and for few rows, where that is right whatever the tables' sizes are.
pub fn by_index<R>(f: impl FnOnce() -> R) -> R {
    let terms = TERMS.with_borrow(Clone::clone);
    let _scope = TermsScope::enter(Terms { by_index: true, ..terms });
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
    if !terms.are_any() {
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

/// Returns whether the current terms let a statement name all these relations.
pub fn may_name(relations: &[pg_sys::Oid]) -> bool {
    let terms =
        CURRENT.with_borrow(|current| current.as_ref().and_then(|current| current.terms.tables.clone()));
    terms.is_none_or(|tables| relations.iter().all(|relation| named::may_be_named(*relation, &tables)))
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

/// Settings under which a plan finds rows by indexes. What has no index is read as a whole all the same, at a cost that
/// means nothing, and by which it must not be compiled.
const BY_INDEX: [(&CStr, &CStr); 4] = [
    (c"enable_seqscan", c"off"),
    (c"enable_hashjoin", c"off"),
    (c"enable_mergejoin", c"off"),
    (c"jit", c"off"),
];

/// Has a statement of ours planned under the search path and the settings that hold for it.
#[pg_guard]
unsafe extern "C-unwind" fn plan_under_path(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    parameters: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: by the caller.
    let terms = unsafe { terms_of(text) }.unwrap_or_default();
    // Restored at once: the statement may be parsed again before it runs.
    let _level = (terms.path.is_some() || terms.by_index).then(|| {
        let level = SettingsLevel::open();
        terms.path.iter().for_each(|path| level.set(SEARCH_PATH, path));
        let settings = if terms.by_index { &BY_INDEX[..] } else { &[] };
        settings.iter().for_each(|(name, value)| level.set(name, value));
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

/// Raises the error for a name that means another object than when the statement was parsed.
pub(super) fn raise_renamed(object: Other) -> ! {
    HAS_OTHER_MEANING.set(true);
    renamed(object).throw()
}
