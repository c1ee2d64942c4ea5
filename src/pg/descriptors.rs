//! File descriptors for the network, in addition to those that Postgres opens for itself.
//!
//! Postgres determines how many descriptors a process may have when the server starts, and its `fd.c` then
//! uses up to that many for its own files. With the usual soft limit of 1,024 and `max_files_per_process` of
//! 1,000 nothing is left. Raising the soft limit makes room that `fd.c` does not know of; where the hard
//! limit forbids that, `fd.c` is told that some of its descriptors are in use.

use std::cell::Cell;
use std::mem::MaybeUninit;

use pgrx::pg_sys;

/// Descriptors that `fd.c` reserves in addition to `max_safe_fds`, for files that it opens outside its own
/// accounting (`NUM_RESERVED_FDS`).
const RESERVED: usize = 10;

/// Descriptors that are open in every process but not accounted for: standard streams, the postmaster's pipe,
/// epoll instances.
const UNCOUNTED: usize = 32;

/// Divisor of `max_safe_fds`: at most this fraction is taken from `fd.c`. Once a third is taken, `fd.c`
/// refuses the requests of others, such as foreign data wrappers.
const LARGEST_PART: usize = 4;

thread_local! {
    /// Number of descriptors that `fd.c` was told are in use.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Makes room for `wanted` descriptors in addition to those of Postgres, and returns how many there is room
/// for. Must be called on the main thread; may be called again.
pub fn make_room(wanted: usize) -> usize {
    // SAFETY: reads a variable that the postmaster set.
    let safe = usize::try_from(unsafe { pg_sys::max_safe_fds }).unwrap_or_default();
    let own = safe + RESERVED + UNCOUNTED;
    let beyond = raise_soft_limit(own + wanted).saturating_sub(own);
    let taken = wanted.saturating_sub(beyond).min(safe / LARGEST_PART);
    take(taken);
    wanted.min(beyond + taken)
}

/// Raises the soft limit of open files as far as the hard limit allows, and returns the soft limit, or 0 if
/// it can't be read.
fn raise_soft_limit(wanted: usize) -> usize {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: filled in by the call, and read only after it succeeded.
    let mut limit = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) != 0 {
            return 0;
        }
        limit.assume_init()
    };

    let wanted = (wanted as libc::rlim_t).min(limit.rlim_max);
    if limit.rlim_cur < wanted {
        let raised = libc::rlimit { rlim_cur: wanted, ..limit };
        // SAFETY: reads a limit of this stack.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            limit = raised;
        }
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Sets the number of descriptors that `fd.c` believes are in use. If necessary, `fd.c` closes files of its
/// own, and reopens them when it needs them.
fn take(wanted: usize) {
    let taken = TAKEN.replace(wanted);
    for _ in taken..wanted {
        // SAFETY: main thread; raises no error.
        unsafe { pg_sys::ReserveExternalFD() };
    }
    for _ in wanted..taken {
        // SAFETY: as many as were reserved.
        unsafe { pg_sys::ReleaseExternalFD() };
    }
}

/// Descriptors that are opened outside `fd.c` for a moment; released on drop.
pub struct Borrowed(usize);

impl Borrowed {
    /// Reserves `count` descriptors; if necessary, `fd.c` closes files of its own.
    pub fn new(count: usize) -> Self {
        for _ in 0..count {
            // SAFETY: main thread; raises no error.
            unsafe { pg_sys::ReserveExternalFD() };
        }
        Borrowed(count)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        for _ in 0..self.0 {
            // SAFETY: as many as were reserved.
            unsafe { pg_sys::ReleaseExternalFD() };
        }
    }
}
