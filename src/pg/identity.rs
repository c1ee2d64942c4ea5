//! Running a closure as another role.
//!
//! The worker is a process of a superuser, and the trigger runs inside any user's statement. All that they do
//! with a vectorizer's objects they do as its owner, in a security-restricted operation, so that an owner's
//! trigger, view or default expression never runs with more rights than the owner has.

use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;
use std::rc::Rc;

use pgrx::pg_sys;

use super::database::this_database;
use super::error::PgError;
use super::role_settings::search_path_for_role;
use super::session;
use super::settings::SettingsLevel;
use super::statement::{self, SEARCH_PATH, Tables, TermsScope};
use super::turn;

/// The search path of the extension's own statements.
const PINNED_PATH: &CStr = c"pg_catalog, pg_temp";

/// Runs `f` as `user`, unable to change the role, to create temporary objects, or to leave deferred work that
/// would run after the identity is restored.
///
/// In a background process of the extension this also begins the user's turn; see [`turn`].
pub fn as_user<R>(user: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    let limits = turn::limits_of(user);
    let assumed = Assumed::new(user, pg_sys::SECURITY_RESTRICTED_OPERATION as i32);
    if let Some(limits) = limits {
        turn::is_of(user, &limits, &assumed.level);
    }
    f()
}

/// Runs `f` as `user`, with statements that may name only these tables. A caller that holds their locks knows
/// which tables are read and written.
pub fn as_user_on<R>(user: pg_sys::Oid, tables: &Tables, f: impl FnOnce() -> R) -> R {
    as_user(user, || statement::on_tables(tables, f))
}

/// Runs `f` as the superuser who owns the cluster, for the extension's own catalog.
pub fn as_superuser<R>(f: impl FnOnce() -> R) -> R {
    let _assumed = Assumed::new(superuser(), 0);
    f()
}

/// Returns whether a role is a superuser. Must be called within a transaction.
pub fn is_superuser(role: pg_sys::Oid) -> bool {
    // SAFETY: looks up the catalogs on the main thread.
    unsafe { pg_sys::superuser_arg(role) }
}

/// Returns whether a role has the rights of another: it is that role, a member of it that inherits its
/// rights, or a superuser. Must be called within a transaction.
pub fn may_act_as(role: pg_sys::Oid, other: pg_sys::Oid) -> bool {
    // SAFETY: looks up the catalogs on the main thread.
    unsafe { pg_sys::has_privs_of_role(role, other) }
}

/// Returns the superuser who owns the cluster.
pub fn superuser() -> pg_sys::Oid {
    pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID)
}

/// Runs `f`, whose statements run with the current user's own search path: they fire the user's triggers, or
/// evaluate functions in the user's indexes, which may name tables without a schema. Names in the statements
/// themselves are still resolved under the pinned path.
pub fn with_own_search_path<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    let path = own_search_path(current_user());
    statement::with_path(&path, f)
}

/// Runs `f` with names resolved under the extension's pinned search path, whatever the session's path is.
pub fn with_pinned_path<R>(f: impl FnOnce() -> R) -> R {
    let level = SettingsLevel::open();
    level.set(SEARCH_PATH, PINNED_PATH);
    f()
}

/// Runs `f` with `row_security` on: policies hide rows from the current user where the session might raise an
/// error instead.
pub fn with_row_security<R>(f: impl FnOnce() -> R) -> R {
    let level = SettingsLevel::open();
    level.set(c"row_security", c"on");
    f()
}

/// Returns the search path with which a session of this role begins: as set for the database, the role or
/// both, else for the server. The current session's path is not considered; the session belongs to another
/// role.
///
/// If the role is a superuser and the database's owner is not, the database's setting is ignored: the owner
/// could use it to lead the superuser's triggers to functions of their own.
pub fn own_search_path(role: pg_sys::Oid) -> Rc<CStr> {
    let trusts_database = !is_superuser(role) || is_superuser(owner_of_database());
    let own = search_path_for_role(role, trusts_database).and_then(|path| CString::new(path).ok());
    own.unwrap_or_else(session::search_path_of_server).into_boxed_c_str().into()
}

/// Returns the owner of this database.
fn owner_of_database() -> pg_sys::Oid {
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released again.
    unsafe {
        let database = pg_sys::Datum::from(this_database());
        let found = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::DATABASEOID as _, database);
        if found.is_null() {
            return pg_sys::InvalidOid;
        }
        let owner = (*pg_sys::GETSTRUCT(found).cast::<pg_sys::FormData_pg_database>()).datdba;
        pg_sys::ReleaseSysCache(found);
        owner
    }
}

/// Returns the role whose rights are in effect.
pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::GetUserId() }
}

/// Returns the role of the session, whatever function runs in it.
pub fn session_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::GetSessionUserId() }
}

/// Returns whether the current search path is the pinned one.
fn has_pinned_path() -> bool {
    // SAFETY: reads a variable of this backend, which is null or a C string.
    unsafe {
        let path = pg_sys::namespace_search_path;
        !path.is_null() && CStr::from_ptr(path) == PINNED_PATH
    }
}

struct Assumed {
    user: pg_sys::Oid,
    context: i32,
    /// Closed before the identity is restored.
    level: ManuallyDrop<SettingsLevel>,
    /// Suspends the terms that hold for another identity's statements.
    _scope: TermsScope,
}

impl Assumed {
    fn new(user: pg_sys::Oid, flags: i32) -> Self {
        let mut before = pg_sys::InvalidOid;
        let mut context = 0;
        // SAFETY: plain reads and writes of this backend's identity; undone in `drop`, or by the
        // abort of the transaction if an error passes through.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
            let flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 | flags;
            pg_sys::SetUserIdAndSecContext(user, context | flags);
        }
        let level = SettingsLevel::open();
        // A background process has it from the beginning.
        if !has_pinned_path() {
            level.set(SEARCH_PATH, PINNED_PATH);
        }
        level.pin();
        Assumed { user: before, context, level: ManuallyDrop::new(level), _scope: TermsScope::open() }
    }
}

impl Drop for Assumed {
    fn drop(&mut self) {
        // An error is propagating to the abort of the (sub)transaction, which restores both; a call into
        // Postgres from here could raise a second error.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: dropped nowhere else; the identity is the one that `new` found.
        unsafe {
            ManuallyDrop::drop(&mut self.level);
            pg_sys::SetUserIdAndSecContext(self.user, self.context);
        }
    }
}
