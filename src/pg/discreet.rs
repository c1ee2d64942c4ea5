//! Errors of statements that contain a secret.

use std::ffi::{CStr, c_void};
use std::ptr::{self, null_mut};

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::error::PgError;

/// Hides the statement and its context from the log. It is the only callback of the report, so that no other
/// adds text to it.
static HIDE: Callback =
    Callback(pg_sys::ErrorContextCallback { previous: null_mut(), callback: Some(hide), arg: null_mut() });

struct Callback(pg_sys::ErrorContextCallback);

// SAFETY: never written to, and has nothing of its own that it points to.
unsafe impl Sync for Callback {}

/// Marks the current report.
#[pg_guard]
unsafe extern "C-unwind" fn hide(_argument: *mut c_void) {
    // SAFETY: Postgres calls this while it makes up a report, which these mark.
    unsafe {
        pg_sys::errhidestmt(true);
        pg_sys::errhidecontext(true);
    }
}

/// Runs `f` so that an error in it is logged and reported without its statement, and without the statements
/// and functions around it, which may contain `value` as a literal or as a parameter.
///
/// Later errors of the same client message are logged with the statement as usual, unless its text contains
/// the value.
///
/// Settings and extensions that log statements regardless of errors do so before or after this and are not
/// affected.
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
    // The error is about to be reported. Whoever catches it restores the previous callbacks.
    result
}

/// Returns whether the text of a statement contains a value, either unchanged or with its quotes doubled.
///
/// # Safety
///
/// The text is null or a C string.
unsafe fn contains(statement: *const std::ffi::c_char, value: &str) -> bool {
    let value = value.trim();
    if statement.is_null() || value.is_empty() {
        return false;
    }
    // SAFETY: the caller's promise.
    let statement = unsafe { CStr::from_ptr(statement) }.to_string_lossy();
    statement.contains(value) || statement.contains(&value.replace('\'', "''"))
}
