//! Acting as somebody else for the length of a closure.
//!
//! The worker is a superuser's process and the trigger runs inside anybody's statement; whatever
//! they do with a vectorizer's objects they do as its owner, in a security-restricted operation, so
//! that a trigger, a view or a default expression of his never runs with more rights than his own.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::error::PgError;
use super::sql;

/// Runs `f` as `user`, unable to change role, to make temporary objects, or to leave deferred work
/// that would run after the identity is given back.
pub fn as_user<R>(user: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    let _assumed = Assumed::new(user, pg_sys::SECURITY_RESTRICTED_OPERATION as i32);
    f()
}

/// Runs `f` as the superuser who owns the cluster, for the extension's own catalog.
pub fn as_superuser<R>(f: impl FnOnce() -> R) -> R {
    let _assumed = Assumed::new(superuser(), 0);
    f()
}

/// The superuser who owns the cluster.
pub fn superuser() -> pg_sys::Oid {
    pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID)
}

/// Runs `f` with the current user's own search path, as he has set it for the database, for himself or for
/// both: for statements that fire his triggers, which may well name tables without their schema.
pub fn with_own_search_path<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    let own = sql::read(OWN_SEARCH_PATH, &[], |row| row.get::<String>(1))?;
    let path = own.into_iter().next().and_then(|path| CString::new(path).ok());
    // SAFETY: opens a settings level of our own, closed in `drop`.
    let level = Level(unsafe { pg_sys::NewGUCNestLevel() });
    // SAFETY: within that level; no value means the one that the server or the database was given.
    unsafe { set_search_path(path.as_deref().or(reset_search_path())) };
    let result = f();
    drop(level);
    result
}

/// The most particular setting first, as `process_settings` has it (`utils/init/postinit.c`).
const OWN_SEARCH_PATH: &str = "
    SELECT substr(c, length('search_path=') + 1)
    FROM pg_db_role_setting s
    CROSS JOIN unnest(s.setconfig) AS c
    WHERE s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
      AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND starts_with(c, 'search_path=')
    ORDER BY s.setrole = 0, s.setdatabase = 0
    LIMIT 1";

/// What the session began with.
fn reset_search_path<'a>() -> Option<&'a CStr> {
    // SAFETY: the setting is there, and its text lives until it is changed.
    unsafe {
        let value = pg_sys::GetConfigOptionResetString(c"search_path".as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

/// A settings level, closed when dropped.
struct Level(i32);

impl Drop for Level {
    fn drop(&mut self) {
        // As for [`Assumed`].
        if !std::thread::panicking() {
            // SAFETY: settings made since belong to this level.
            unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
        }
    }
}

/// The role whose rights count now.
pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::GetUserId() }
}

struct Assumed {
    user: pg_sys::Oid,
    context: i32,
    guc_level: i32,
}

impl Assumed {
    fn new(user: pg_sys::Oid, flags: i32) -> Self {
        let mut before = Assumed { user: pg_sys::InvalidOid, context: 0, guc_level: 0 };
        // SAFETY: plain reads and writes of this backend's identity; undone in `drop`, or by the
        // abort of the transaction if an error passes through.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before.user, &mut before.context);
            before.guc_level = pg_sys::NewGUCNestLevel();
            pg_sys::SetUserIdAndSecContext(
                user,
                before.context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 | flags,
            );
            set_search_path(Some(c"pg_catalog, pg_temp"));
        }
        before
    }
}

impl Drop for Assumed {
    fn drop(&mut self) {
        // An error is on its way to the abort of the (sub)transaction, which restores both; calling
        // into Postgres from here could raise a second one.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: the values are those that `new` found; settings made since belong to this level.
        unsafe {
            pg_sys::AtEOXact_GUC(false, self.guc_level);
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
        }
    }
}

/// Sets what names without a schema mean until the current settings level ends.
unsafe fn set_search_path(path: Option<&CStr>) {
    let Some(path) = path else { return };
    // SAFETY: the caller has opened a settings level; PGC_USERSET with GUC_ACTION_SAVE is undone
    // when it is closed.
    unsafe {
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            path.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}
