//! Noticing that some definition in this database changed, so that what was derived from
//! definitions is derived anew.

use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Asks Postgres to say when a definition changes. Called once, from `_PG_init`.
pub fn watch() {
    #[pg_guard]
    unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, _relation: pg_sys::Oid) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    /// A role that was changed may be no superuser any more.
    #[pg_guard]
    unsafe extern "C-unwind" fn role_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the callbacks only count.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(changed), pg_sys::Datum::from(0));
        let roles = pg_sys::SysCacheIdentifier::AUTHOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(roles, Some(role_changed), pg_sys::Datum::from(0));
    }
}

/// Grows with every change that this process has heard of.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}
