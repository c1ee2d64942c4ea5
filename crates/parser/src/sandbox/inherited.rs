//! Belongings that a process has from who started it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The first descriptor that is not a standard stream.
const FIRST_OTHER: libc::c_uint = 3;

/// Gives up the environment and all descriptors but the standard streams. Returns stdout, to which nobody else writes any
/// more: what a library prints is lost.
///
/// # Errors
///
/// If there is no stdout, or no descriptor to be had.
///
/// # Safety
///
/// Nobody in this process uses a descriptor beyond the standard streams, and no other thread the environment.
pub unsafe fn give_up_inherited() -> io::Result<File> {
    // SAFETY: the caller's; the rest is numbers. Where the kernel has no `close_range`, the worker has closed them.
    unsafe {
        libc::clearenv();
        libc::umask(0o777);
        libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, 0);
    }

    let stdout = duplicate(libc::STDOUT_FILENO)?;
    match File::options().write(true).open("/dev/null") {
        Ok(nowhere) => replace_stdout(nowhere.as_raw_fd())?,
        Err(_) => replace_stdout(libc::STDERR_FILENO)?,
    }
    Ok(File::from(stdout))
}

/// Lets other processes go first, by so many steps, at the CPU and at disks. Does nothing if they already go first by more,
/// as whoever has started this process does.
///
/// # Errors
///
/// If the kernel refuses it.
pub fn be_nice(steps: i32) -> io::Result<()> {
    // SAFETY: numbers only. An error would look like a niceness of -1, which is less than any that is asked for.
    if unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) } >= steps {
        return Ok(());
    }

    // The kernel derives the priority of reads and writes from it.
    // SAFETY: numbers only.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, steps) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: numbers only; the descriptor that is returned is nobody else's.
    unsafe {
        match libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, FIRST_OTHER) {
            -1 => Err(io::Error::last_os_error()),
            duplicate => Ok(OwnedFd::from_raw_fd(duplicate)),
        }
    }
}

fn replace_stdout(by: RawFd) -> io::Result<()> {
    // SAFETY: numbers only; stdout stays open.
    match unsafe { libc::dup2(by, libc::STDOUT_FILENO) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
