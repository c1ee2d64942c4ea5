//! Confinement of a process: what it gives up between `fork` and `exec`.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::ChildLimits;

/// The first descriptor that is not a standard stream.
const FIRST_OTHER: libc::c_int = 3;

/// The number of the last signal, real-time signals included.
const LAST_SIGNAL: libc::c_int = 64;

/// The size of the kernel's set of signals.
const SIGNAL_SET_BYTES: usize = 8;

/// No place for the former handling of a signal.
const NOWHERE: *mut u64 = std::ptr::null_mut();

/// Arguments of `prctl`, which reads each as a whole machine word.
const YES: libc::c_ulong = 1;
const NONE: libc::c_ulong = 0;

/// One limit of the kernel's: its number, and the soft and the hard limit.
type KernelLimit = (libc::c_int, u64, u64);

/// Makes a command start a confined process: in a process group of its own, with no descriptors but its standard
/// streams, with every signal as usual, within limits, and killed when the calling thread ends.
pub(super) fn confine(command: &mut Command, limits: &ChildLimits) {
    let ChildLimits { memory, cpu_seconds, files, file_size, .. } = *limits;
    let limits: [KernelLimit; 5] = [
        (libc::RLIMIT_AS as libc::c_int, memory, memory),
        // The soft one ends it with SIGXCPU, which says why; the hard one with SIGKILL, whatever it does about that.
        (libc::RLIMIT_CPU as libc::c_int, cpu_seconds, cpu_seconds.saturating_add(1)),
        (libc::RLIMIT_NOFILE as libc::c_int, files, files),
        (libc::RLIMIT_FSIZE as libc::c_int, file_size, file_size),
        (libc::RLIMIT_CORE as libc::c_int, 0, 0),
    ];
    // SAFETY: takes no arguments and can't fail.
    let parent = unsafe { libc::getpid() };

    command.process_group(0);
    // SAFETY: `give_up` only makes calls that are safe between fork and exec: it allocates nothing, takes no lock and
    // touches no memory but its own stack.
    unsafe { command.pre_exec(move || give_up(parent, &limits)) };
}

/// Runs in the new process. An error reaches the parent as that of starting it.
fn give_up(parent: libc::pid_t, limits: &[KernelLimit]) -> io::Result<()> {
    reset_signals();
    end_with(parent)?;
    close_others_at_exec()?;
    volunteer_for_the_oom_killer();
    limits.iter().try_for_each(|wanted| limit(*wanted))
}

/// Sets all signals to what they do by default: a signal that the parent ignores would stay ignored. They are not
/// blocked; std has seen to that.
fn reset_signals() {
    // The kernel's structure for "as usual" is all zeros, and on no platform larger. libc's own call refuses the signals
    // that it keeps for itself, which may be inherited as ignored, too.
    let usual = [0_u64; 8];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: reads the structure on this stack; the set of signals in it has the size that is said. No handler is
        // installed. Fails, without effect, for the two signals that can't be changed.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, usual.as_ptr(), NOWHERE, SIGNAL_SET_BYTES) };
    }
}

/// Ties the process's life to the thread that starts it, and forbids it to gain rights by exec.
fn end_with(parent: libc::pid_t) -> io::Result<()> {
    // SAFETY: numbers only.
    unsafe {
        succeeded(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong))?;
        succeeded(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NONE, NONE, NONE))?;
        // The parent may have died before the first of these calls.
        if libc::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}

/// Marks all descriptors but the standard streams to be closed at exec. They are not closed at once: by one of them std
/// reports the outcome of exec to the parent.
fn close_others_at_exec() -> io::Result<()> {
    // SAFETY: numbers only.
    let closed = unsafe {
        libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if closed == 0 {
        return Ok(());
    }

    // A kernel before 5.11, or a container that does not know the call.
    let mut open_files = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills in a value of this stack; the rest is numbers, of which those that are not open are refused.
    unsafe {
        succeeded(libc::getrlimit(libc::RLIMIT_NOFILE, &mut open_files))?;
        let end = libc::c_int::try_from(open_files.rlim_max).unwrap_or(libc::c_int::MAX);
        for descriptor in FIRST_OTHER..end {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    Ok(())
}

/// Asks the kernel, when it runs out of memory, to kill this process before one of Postgres's. Where that can't be asked
/// for, it is not.
fn volunteer_for_the_oom_killer() {
    const FIRST: &[u8] = b"1000";
    // SAFETY: the path ends with a zero byte, and the buffer is as long as is said.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, FIRST.as_ptr().cast(), FIRST.len());
            libc::close(file);
        }
    }
}

/// Sets a limit, soft and hard; a hard limit that is lower already stays.
fn limit((resource, soft, hard): KernelLimit) -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills in, and then reads, a value of this stack. The number is one of libc's.
    unsafe {
        succeeded(libc::getrlimit(resource as _, &mut now))?;
        let limited = libc::rlimit { rlim_cur: now.rlim_max.min(soft), rlim_max: now.rlim_max.min(hard) };
        succeeded(libc::setrlimit(resource as _, &limited))
    }
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
