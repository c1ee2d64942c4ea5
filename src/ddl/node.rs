//! Reading of Postgres's parse trees and of what it has collected of a statement.

use std::ffi::CStr;

use pgrx::pg_sys::{self, CollectedCommandType};

/// Returns the object that a command that is no ALTER TABLE has made or changed.
///
/// # Safety
/// The command is one of Postgres's.
pub(super) unsafe fn object_of(command: &pg_sys::CollectedCommand) -> Option<pg_sys::ObjectAddress> {
    if command.type_ != CollectedCommandType::SCT_Simple {
        return None;
    }
    // SAFETY: the type tells which of the union it is.
    Some(unsafe { command.d.simple.address })
}

/// Copies a C string; none of null.
///
/// # Safety
/// It is null or a C string.
pub(super) unsafe fn text(string: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: by the caller.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// The pointers that a list holds.
pub(super) unsafe fn pointers<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: by the caller: a list of such pointers, which has as many elements as it says.
    unsafe {
        let length = usize::try_from((*list).length).unwrap_or_default();
        std::slice::from_raw_parts((*list).elements, length)
            .iter()
            .map(|cell| cell.ptr_value.cast())
            .collect()
    }
}
