//! The system calls that are left, by seccomp: those that reading a document takes, and ending.
//!
//! All others fail with EPERM. They don't end the process, for some libraries ask for what they can do without, such as
//! the number of processors or the time zone.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// System calls that may be made with any arguments.
const ALLOWED: &[libc::c_long] = &[
    // The answer, and what the runtime has to say.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Memory, but for code: see `conditional`.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads that wait for each other and end, and hash maps' keys.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    // The time, where it takes a system call.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    // The runtime's look at a stack that is full, and at whom to abort.
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    // The end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Denies all threads of this process every other system call.
pub(super) fn filter() -> Result<(), String> {
    let program = program().map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| match error {
        Error::Seccomp(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            "this kernel does not have seccomp".to_owned()
        }
        Error::Seccomp(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            "this kernel has seccomp without filters".to_owned()
        }
        other => other.to_string(),
    })
}

/// Returns the filter, compiled for this architecture; a system call of another one ends the process.
fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional()?);

    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?.try_into()
}

/// Returns the system calls that are allowed with some arguments only.
fn conditional() -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let own_process = u64::from(std::process::id());
    let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);

    Ok(vec![
        // No memory that holds code.
        (libc::SYS_mmap, only(2, executable.clone(), 0)?),
        (libc::SYS_mprotect, only(2, executable, 0)?),
        // A process that aborts sends itself a signal.
        (libc::SYS_tgkill, only(0, SeccompCmpOp::Eq, own_process)?),
    ])
}

/// Returns the rule that the argument at this place compares so with the value.
fn only(argument: u8, comparison: SeccompCmpOp, value: u64) -> Result<Vec<SeccompRule>, BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}
