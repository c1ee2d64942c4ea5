//! Reading of Postgres's parse trees and of its collected commands.

use std::ffi::CStr;

use pgrx::pg_sys::{self, CollectedCommandType};

/// Returns the object that a command other than ALTER TABLE has created or changed; `None` for other kinds of
/// commands.
///
/// # Safety
///
/// The command was collected by Postgres.
pub(super) unsafe fn object_of(command: &pg_sys::CollectedCommand) -> Option<pg_sys::ObjectAddress> {
    if command.type_ != CollectedCommandType::SCT_Simple {
        return None;
    }
    // SAFETY: the type tells which of the union it is.
    Some(unsafe { command.d.simple.address })
}

/// Copies a C string; returns `None` for null.
///
/// # Safety
///
/// The pointer is null or a C string.
pub(super) unsafe fn text(string: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: by the caller.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// Returns the pointers in a list.
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
