//! The database of this process.

use pgrx::pg_sys;

/// Returns the database that this process is connected to, or `InvalidOid` if it is in none.
pub fn this_database() -> pg_sys::Oid {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::MyDatabaseId }
}
