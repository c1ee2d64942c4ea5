//! Noticing that some definition in this database changed, so that what was derived from
//! definitions is derived anew.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

use super::rights::Right;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Counts the changes of roles, and of the functions that rights are granted on.
static RIGHTS: AtomicU64 = AtomicU64::new(1);

/// Hash values, as the cache of functions has them, of those whose rights are looked at: one for each right, and 0 for
/// none. The functions of an extension that was dropped and created anew take the places of those that are gone.
static FUNCTIONS: [AtomicU32; Right::ALL.len()] = [const { AtomicU32::new(0) }; Right::ALL.len()];

/// Asks Postgres to say when a definition changes. Called once, from `_PG_init`.
pub fn watch() {
    #[pg_guard]
    unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, _relation: pg_sys::Oid) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    /// A role that was changed may be no superuser any more, or no member of one that has a right.
    #[pg_guard]
    unsafe extern "C-unwind" fn role_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        rights_changed();
    }
    /// Rights on a function are a part of its definition.
    #[pg_guard]
    unsafe extern "C-unwind" fn function_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
        // 0 stands for all of them.
        if hash == 0 || FUNCTIONS.iter().any(|watched| watched.load(Ordering::Relaxed) == hash) {
            rights_changed();
        }
    }
    let none = pg_sys::Datum::from(0);
    let roles = [
        pg_sys::SysCacheIdentifier::AUTHOID,
        pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM,
        // Its owner is a member of pg_database_owner.
        pg_sys::SysCacheIdentifier::DATABASEOID,
    ];
    // SAFETY: the callbacks only count.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(changed), none);
        for cache in roles {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(role_changed), none);
        }
        let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(functions, Some(function_changed), none);
    }
}

fn rights_changed() {
    RIGHTS.fetch_add(1, Ordering::Relaxed);
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Counts changes of the function of this right as changes of rights from here on; returns whether it did not before. To
/// be called within a transaction.
pub fn watch_function(right: Right, function: pg_sys::Oid) -> bool {
    let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
    let none = pg_sys::Datum::from(0);
    // SAFETY: hashes a number, on the main thread.
    let hash =
        unsafe { pg_sys::GetSysCacheHashValue(cache, pg_sys::Datum::from(function), none, none, none) };
    FUNCTIONS[right as usize].swap(hash, Ordering::Relaxed) != hash
}

/// Grows with every change that this process has heard of.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Grows with every change of rights among them.
pub fn rights() -> u64 {
    RIGHTS.load(Ordering::Relaxed)
}
