//! Errors of statements that have a secret in them.

use std::ffi::{c_void, CStr};
use std::ptr::{self, null_mut};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::error::PgError;

/// Hides the statement and those around it from the log. The only callback of a report, so that nothing else adds a text to it.
static HIDE: Callback =
    Callback(pg_sys::ErrorContextCallback { previous: null_mut(), callback: Some(hide), arg: null_mut() });

struct Callback(pg_sys::ErrorContextCallback);

// SAFETY: never written to, and has nothing of its own that it points to.
unsafe impl Sync for Callback {}

/// Marks the report under way.
#[pg_guard]
unsafe extern "C-unwind" fn hide(_argument: *mut c_void) {
    // SAFETY: Postgres calls this while it makes up a report, which these mark.
    unsafe {
        pg_sys::errhidestmt(true);
        pg_sys::errhidecontext(true);
    }
}

/// Runs `f` so that an error in it is logged and reported without the statement that it is in, and without the
/// statements and functions around it, in which `value` may stand as a literal or as a parameter.
///
/// Errors that come later in the same message are logged with it as any are, unless the value stands in it.
///
/// What logs statements whether or not they fail does so beforehand or afterwards.
pub fn without_statement<R>(
    value: Option<&str>,
    f: impl FnOnce() -> Result<R, PgError>,
) -> Result<R, PgError> {
    let callbacks = ptr::addr_of!(HIDE.0).cast_mut();
    // SAFETY: variables of this backend. Postgres treats the statement's text as one that may be missing, and reads the
    // callback, which lives as long as the process.
    let before = unsafe {
        if value.is_some_and(|value| contains(pg_sys::debug_query_string, value)) {
            pg_sys::debug_query_string = ptr::null();
        }
        std::mem::replace(&mut *ptr::addr_of_mut!(pg_sys::error_context_stack), callbacks)
    };
    let result = f();
    if result.is_ok() {
        // SAFETY: as above; those around it still run.
        unsafe { pg_sys::error_context_stack = before };
    }
    // An error is on its way to be reported. Whoever catches it puts back the callbacks that were there.
    result
}

/// Tells whether a value stands in the text of a statement, as it is or with its quotes doubled.
///
/// # Safety
///
/// The text is null or ends in a null byte.
unsafe fn contains(statement: *const std::ffi::c_char, value: &str) -> bool {
    let value = value.trim();
    if statement.is_null() || value.is_empty() {
        return false;
    }
    // SAFETY: the caller's promise.
    let statement = unsafe { CStr::from_ptr(statement) }.to_string_lossy();
    statement.contains(value) || statement.contains(&value.replace('\'', "''"))
}
