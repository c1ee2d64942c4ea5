//! File descriptors for the network, beside those that Postgres opens for itself.
//!
//! Postgres counts how many a process may have when the server starts, and its `fd.c` then uses up to as
//! many as that for files of its own. With the usual soft limit of 1,024 and `max_files_per_process` of 1,000
//! nothing is left. A higher soft limit is room that `fd.c` does not know of; where the hard limit forbids it,
//! `fd.c` is told that a part of its own is in use.

use std::cell::Cell;
use std::mem::MaybeUninit;

use pgrx::pg_sys;

/// What `fd.c` keeps back beside `max_safe_fds`, for files that it opens past its own accounting
/// (`NUM_RESERVED_FDS`).
const RESERVED: usize = 10;

/// What is open in every process and nobody counts: standard streams, the postmaster's pipe, epoll instances.
const UNCOUNTED: usize = 32;

/// The part of what `fd.c` may use that is taken from it at most, as a divisor. From a third on it refuses
/// others' requests, such as those of foreign data wrappers.
const LARGEST_PART: usize = 4;

thread_local! {
    /// How many `fd.c` was told to be in use.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Makes room for so many descriptors beside those of Postgres; answers for how many there is room now. On the
/// main thread; may be called again.
pub fn make_room(wanted: usize) -> usize {
    // SAFETY: reads a variable that the postmaster set.
    let safe = usize::try_from(unsafe { pg_sys::max_safe_fds }).unwrap_or_default();
    let own = safe + RESERVED + UNCOUNTED;
    let beyond = raise_soft_limit(own + wanted).saturating_sub(own);
    let taken = wanted.saturating_sub(beyond).min(safe / LARGEST_PART);
    take(taken);
    wanted.min(beyond + taken)
}

/// Raises the soft limit of open files, as far as the hard one allows; answers what it is now.
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

/// Tells `fd.c` that so many descriptors are in use. It closes files of its own, which it opens again when
/// it needs them.
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

/// Descriptors that somebody opens past `fd.c` for a moment; given back when dropped.
pub struct Borrowed(usize);

impl Borrowed {
    /// Has `fd.c` close files of its own, if that is needed for so many.
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
