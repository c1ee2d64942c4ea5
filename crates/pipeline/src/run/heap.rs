//! Memory that is free goes back to the operating system.

/// The largest number of arenas of the allocator: each keeps what its threads have freed for itself.
#[cfg(target_env = "gnu")]
const MOST_ARENAS: libc::c_int = 4;
/// The largest number of free bytes that an arena keeps at its end.
#[cfg(target_env = "gnu")]
const MOST_FREE: libc::c_int = 4 << 20;

/// Larger blocks are mapped for themselves, and gone when they are freed. Less would cost a mapping for each
/// request.
#[cfg(target_env = "gnu")]
const OWN_MAPPING: libc::c_int = 1 << 20;

/// Lets the process give back what it has freed. To be called before threads are started.
///
/// glibc gives each thread an arena, up to eight for a processor, and lets each keep 64 MB and more of what
/// it has freed once large blocks came and went (`M_TRIM_THRESHOLD` in mallopt(3)): together more than a
/// small limit of memory allows.
pub fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets parameters of the allocator, for which other threads are not looked at: there are none
    // yet. What it does not take stays as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, MOST_ARENAS);
        libc::mallopt(libc::M_TRIM_THRESHOLD, MOST_FREE);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
    }
}
