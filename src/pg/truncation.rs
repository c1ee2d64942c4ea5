//! TRUNCATE of tables that an owner can rename. Postgres does not parse such a statement as it does others, but
//! calls a hook for each table that it is about to truncate.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::prelude::*;
use pgrx::{direct_function_call, pg_sys};

use super::named::{Other, oids};
use super::settings::SettingsLevel;
use super::statement::{SEARCH_PATH, Tables, raise_renamed};

/// A TRUNCATE that is being run.
struct Truncation {
    tables: Tables,
    /// Trigger depth at which it runs. The triggers that it fires run one level deeper and may truncate any
    /// table.
    depth: i32,
}

thread_local! {
    static TRUNCATION: RefCell<Option<Truncation>> = const { RefCell::new(None) };
    /// The hook that was installed before ours; `None` until ours is installed.
    static NEXT_ACCESS: Cell<Option<pg_sys::object_access_hook_type>> = const { Cell::new(None) };
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

/// Installs the hook for TRUNCATE, once per process.
fn look_at_access() {
    if NEXT_ACCESS.get().is_some() {
        return;
    }
    // SAFETY: variables of this process, read and written on its main thread.
    unsafe {
        NEXT_ACCESS.set(Some(pg_sys::object_access_hook));
        pg_sys::object_access_hook = Some(accessed);
    }
}

fn trigger_depth() -> i32 {
    // SAFETY: the function takes no argument and reads a variable of this backend.
    unsafe { direct_function_call::<i32>(pg_sys::pg_trigger_depth, &[]) }.unwrap_or_default()
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
