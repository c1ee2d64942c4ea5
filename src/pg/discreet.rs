//! Errors of statements that have a secret in them.

use pgrx::pg_sys;

use super::error::PgError;

/// Runs `f` so that an error in it is logged and reported without the statement that it is in, and without the
/// statements and functions around it, in which a value may stand as a literal or as a parameter.
///
/// What logs statements whether or not they fail does so beforehand or afterwards.
pub fn without_statement<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    // SAFETY: variables of this backend. Postgres treats the statement's text as one that may be missing, and whoever
    // catches an error puts back the callbacks that were there: those that `f` adds are gone when it returns.
    let (statement, callbacks) = unsafe {
        let before = (pg_sys::debug_query_string, pg_sys::error_context_stack);
        pg_sys::debug_query_string = std::ptr::null();
        pg_sys::error_context_stack = std::ptr::null_mut();
        before
    };
    let result = f();
    if result.is_ok() {
        // SAFETY: as above; the statement and those around it still run.
        unsafe {
            pg_sys::debug_query_string = statement;
            pg_sys::error_context_stack = callbacks;
        }
    }
    // An error is on its way to be reported.
    result
}
