//! Rights that a process could gain, or lend.

use std::io;

/// Arguments of `prctl`, which reads each as a whole machine word.
const YES: libc::c_ulong = 1;
const NONE: libc::c_ulong = 0;

/// Forgoes the rights of programs that run as somebody else, and keeps processes of the same user from attaching to
/// this one and from reading its memory.
pub(super) fn forgo() -> Result<(), String> {
    // SAFETY: numbers only.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NONE, NONE, NONE) == 0
            && libc::prctl(libc::PR_SET_DUMPABLE, NONE, NONE, NONE, NONE) == 0
    };
    if set { Ok(()) } else { Err(io::Error::last_os_error().to_string()) }
}
