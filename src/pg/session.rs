//! Settings of a background worker's own session.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Sets what a database's or a role's settings must not change. Outside a transaction; names and
/// values are known to be right.
pub fn set(settings: &[(&CStr, &CStr)]) {
    for (name, value) in settings {
        // SAFETY: by the caller.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}
