//! Detection of changed definitions in this database, so that what was derived from them is derived again.
//!
//! Any role may create a temporary table, again and again, and Postgres tells every process of it. So a process that
//! derives much, as the worker does, watches the relations that it derives from ([`watch_relations`]): changes of others
//! do not concern it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of the last change that concerns all relations: of roles, rights and schemas, and one whose relations
/// Postgres does not name.
static OF_ALL: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The watched relations, each with the generation of its last change. Nothing of Postgres's is called while this is
    /// borrowed, so that a change never meets it borrowed.
    static WATCHED: RefCell<HashMap<pg_sys::Oid, u64>> = RefCell::default();
}

/// The number of changes of roles, and of the functions that rights are granted on.
static RIGHTS: AtomicU64 = AtomicU64::new(1);

/// The number of rights whose functions can be watched.
pub const RIGHTS_WATCHED: usize = 6;

/// Hash values, as in the syscache of functions, of the functions that are watched: one for each right, 0 for
/// none. When the extension is dropped and created again, its new functions replace the old ones here.
static FUNCTIONS: [AtomicU32; RIGHTS_WATCHED] = [const { AtomicU32::new(0) }; RIGHTS_WATCHED];

/// Registers callbacks for changes of definitions. Called once, from `_PG_init`.
pub fn watch() {
    #[pg_guard]
    unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
        if relation == pg_sys::InvalidOid {
            return all_changed();
        }
        let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        WATCHED
            .with_borrow_mut(|watched| watched.get_mut(&relation).into_iter().for_each(|last| *last = now));
    }

    /// A changed role may no longer be a superuser, or a member of a role that has a right.
    #[pg_guard]
    unsafe extern "C-unwind" fn role_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        rights_changed();
    }

    /// The rights on a function are part of its definition.
    #[pg_guard]
    unsafe extern "C-unwind" fn function_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
        // 0 stands for all functions.
        if hash == 0 || FUNCTIONS.iter().any(|watched| watched.load(Ordering::Relaxed) == hash) {
            rights_changed();
        }
    }

    /// Statements name types and operators with their schemas.
    #[pg_guard]
    unsafe extern "C-unwind" fn schema_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        all_changed();
    }

    let none = pg_sys::Datum::from(0);
    let roles = [
        pg_sys::SysCacheIdentifier::AUTHOID,
        pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM,
        // The owner of the database is a member of `pg_database_owner`.
        pg_sys::SysCacheIdentifier::DATABASEOID,
    ];
    // SAFETY: the callbacks only count.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(changed), none);
        for cache in roles {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(role_changed), none);
        }
        let schemas = pg_sys::SysCacheIdentifier::NAMESPACEOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(schemas, Some(schema_changed), none);
        let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(functions, Some(function_changed), none);
    }
}

fn rights_changed() {
    RIGHTS.fetch_add(1, Ordering::Relaxed);
    all_changed();
}

fn all_changed() {
    let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    OF_ALL.store(now, Ordering::Relaxed);
}

/// Watches these relations and no others. One that was not watched before counts as changed now.
pub fn watch_relations(relations: impl IntoIterator<Item = pg_sys::Oid>) {
    let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    WATCHED.with_borrow_mut(|watched| {
        let before = std::mem::take(watched);
        let last = |relation| (relation, before.get(&relation).copied().unwrap_or(now));
        watched.extend(relations.into_iter().map(last));
    });
}

/// Returns the generation of the last change that concerns one of these relations, all of which must be watched; `None`
/// if one is not.
pub fn generation_of(relations: impl IntoIterator<Item = pg_sys::Oid>) -> Option<u64> {
    WATCHED.with_borrow(|watched| {
        let last = |relation| watched.get(&relation).copied();
        let of_all = OF_ALL.load(Ordering::Relaxed);
        relations.into_iter().try_fold(of_all, |latest, relation| Some(latest.max(last(relation)?)))
    })
}

/// Counts changes of the function of the right with this number as changes of rights from now on. Returns whether the function was
/// not watched before. Must be called within a transaction.
pub fn watch_function(right: usize, function: pg_sys::Oid) -> bool {
    let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
    let none = pg_sys::Datum::from(0);
    // SAFETY: hashes a number, on the main thread.
    let hash =
        unsafe { pg_sys::GetSysCacheHashValue(cache, pg_sys::Datum::from(function), none, none, none) };
    FUNCTIONS[right].swap(hash, Ordering::Relaxed) != hash
}

/// Returns a number that grows with every change of a definition that this process has been notified of.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Returns a number that grows with every change of rights that this process has been notified of.
pub fn rights() -> u64 {
    RIGHTS.load(Ordering::Relaxed)
}
