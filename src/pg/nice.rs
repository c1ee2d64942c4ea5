//! The priority of a background process at the CPU.

/// Lets other processes go first at the CPU, by so many steps from 0 to 19. Threads that are started later do so as well.
pub fn be_nice(steps: i32) {
    if steps == 0 {
        return;
    }
    // SAFETY: numbers only; of the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, steps) } != 0 {
        let error = std::io::Error::last_os_error();
        pgrx::warning!("pgai_rs could not lower the priority of a process to {steps}: {error}");
    }
}
