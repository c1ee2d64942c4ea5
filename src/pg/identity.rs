//! Acting as somebody else for the length of a closure.
//!
//! The worker is a superuser's process and the trigger runs inside anybody's statement; whatever
//! they do with a vectorizer's objects they do as its owner, in a security-restricted operation, so
//! that a trigger, a view or a default expression of his never runs with more rights than his own.

use pgrx::pg_sys;

/// Runs `f` as `user`, unable to change role, to make temporary objects, or to leave deferred work
/// that would run after the identity is given back.
pub fn as_user<R>(user: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    let _assumed = Assumed::new(user, pg_sys::SECURITY_RESTRICTED_OPERATION as i32);
    f()
}

/// Runs `f` as the superuser who owns the cluster, for the extension's own catalog.
pub fn as_superuser<R>(f: impl FnOnce() -> R) -> R {
    let _assumed = Assumed::new(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), 0);
    f()
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
            pin_search_path();
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

/// Names without a schema mean pg_catalog and nothing else until the current settings level ends.
unsafe fn pin_search_path() {
    // SAFETY: the caller has opened a settings level; PGC_USERSET with GUC_ACTION_SAVE is undone
    // when it is closed.
    unsafe {
        pg_sys::set_config_option(
            c"search_path".as_ptr(),
            c"pg_catalog, pg_temp".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}
