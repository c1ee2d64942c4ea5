//! Address space, which the limit on memory counts whether it is used or not.

/// Lets all threads allocate from one arena: glibc would reserve 64 MB of addresses for that of the second thread, and
/// twice as much for a moment.
pub(super) fn share_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: numbers only.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
