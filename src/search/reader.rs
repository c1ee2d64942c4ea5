//! The role that a search reads as.
//!
//! Reading a table runs what its owner has attached to it: Postgres evaluates expressions of indexes and of statistics while
//! it plans, and a name may come to mean a view. So what is another role's is not read with a superuser's rights, but with
//! those of that role, and nothing is lost, since a superuser may read whatever that role may.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use crate::pg::error::PgError;
use crate::pg::identity::{as_user, current_user, is_superuser};
use crate::pg::named::oids;
use crate::pg::quote::ident;
use crate::pg::settings::SettingsLevel;

/// Runs `f` as the role that reads tables of `owner`, under the caller's search path: as the caller, or as the owner if only
/// the caller is a superuser.
pub fn as_reader<R>(owner: pg_sys::Oid, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    if !is_superuser(current_user()) || is_superuser(owner) {
        return f();
    }

    let path = search_path()?;
    as_user(owner, || {
        let level = SettingsLevel::open();
        level.set(c"search_path", &path);
        f()
    })
}

/// Returns the search path with the names of its schemas, `"$user"` among them, as they are for the current user.
fn search_path() -> Result<CString, PgError> {
    // SAFETY: on the main thread, in a transaction; a list of OIDs, and names that are null or C strings, all in the memory
    // of the call.
    let names: Vec<String> = unsafe {
        let schemas = oids(pg_sys::fetch_search_path(false));
        let name = |schema: pg_sys::Oid| {
            let name = pg_sys::get_namespace_name(schema);
            (!name.is_null()).then(|| ident(&CStr::from_ptr(name).to_string_lossy()))
        };
        schemas.into_iter().filter_map(name).collect()
    };
    CString::new(names.join(", ")).map_err(|_| PgError::internal("unexpected zero byte in a name"))
}
