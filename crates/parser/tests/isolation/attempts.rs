//! Attempts to get at something outside of a process. Each returns whether it succeeded.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::ptr;

use pgai_rs_parser_protocol::Guard;

use crate::player::SUCCEEDED;

pub struct Attempt {
    pub name: &'static str,
    pub run: fn() -> bool,
    /// The guards of which each stops it alone.
    stopped_by: &'static [Guard],
    /// The version of Landlock since which that stops it; 0 if it doesn't.
    landlock: i64,
    /// `true` if limits stop it, unless root runs it.
    limits_unless_root: bool,
}

impl Attempt {
    /// Returns the guards of which each stops it alone, on this system and for this user.
    pub fn guards(&self) -> Vec<Guard> {
        let mut guards = self.stopped_by.to_vec();
        if (1..=landlock_version()).contains(&self.landlock) {
            guards.push(Guard::Landlock);
        }
        // SAFETY: takes no arguments and can't fail.
        if self.limits_unless_root && unsafe { libc::geteuid() } != 0 {
            guards.push(Guard::Limits);
        }
        guards
    }
}

const fn attempt(
    name: &'static str,
    run: fn() -> bool,
    landlock: i64,
    stopped_by: &'static [Guard],
) -> Attempt {
    Attempt { name, run, stopped_by, landlock, limits_unless_root: false }
}

const OPENING: &[Guard] = &[Guard::Limits, Guard::SystemCalls];
const CALLING: &[Guard] = &[Guard::SystemCalls];

pub const ATTEMPTS: &[Attempt] = &[
    attempt("open_a_file", || fs::read("file").is_ok(), 1, OPENING),
    attempt("list_a_folder", || fs::read_dir(".").is_ok(), 1, OPENING),
    attempt("create_a_file", || File::create("new").is_ok(), 1, OPENING),
    attempt("remove_a_file", || fs::remove_file("file").is_ok(), 1, CALLING),
    attempt("make_a_folder", || fs::create_dir("folder").is_ok(), 1, CALLING),
    attempt("read_its_environment", || fs::read("/proc/self/environ").is_ok(), 1, OPENING),
    attempt(
        "read_the_parents_command",
        || fs::read(format!("/proc/{}/cmdline", parent())).is_ok(),
        1,
        OPENING,
    ),
    attempt("open_a_socket", || socket(libc::AF_INET), 0, OPENING),
    attempt("listen_on_a_port", || TcpListener::bind("127.0.0.1:0").is_ok(), 4, OPENING),
    attempt("connect_to_a_port", connect_to_a_port, 4, OPENING),
    attempt("connect_to_a_unix_socket", || UnixStream::connect("socket").is_ok(), 0, OPENING),
    attempt("make_a_pipe", || io::pipe().is_ok(), 0, OPENING),
    attempt("run_a_program", run_a_program, 1, CALLING),
    Attempt { limits_unless_root: true, ..attempt("fork", fork, 0, CALLING) },
    Attempt { limits_unless_root: true, ..attempt("start_a_thread", start_a_thread, 0, CALLING) },
    attempt("signal_the_parent", || signal(parent()), 6, CALLING),
    attempt("signal_itself", || signal(std::process::id().cast_signed()), 0, CALLING),
    attempt("trace_a_process", trace_a_process, 0, CALLING),
    attempt("read_memory_of_a_process", read_memory_of_a_process, 0, CALLING),
    attempt("map_code", || map(libc::PROT_READ | libc::PROT_EXEC).is_some(), 0, CALLING),
    attempt("make_memory_code", make_memory_code, 0, CALLING),
    attempt("change_a_limit", change_a_limit, 0, CALLING),
    attempt("become_attachable", become_attachable, 0, CALLING),
    attempt("share_memory", share_memory, 0, CALLING),
];

fn parent() -> libc::pid_t {
    // SAFETY: takes no arguments and can't fail.
    unsafe { libc::getppid() }
}

fn socket(family: libc::c_int) -> bool {
    // SAFETY: numbers only.
    unsafe { libc::socket(family, libc::SOCK_STREAM, 0) >= 0 }
}

/// A port at which nobody listens refuses; a process that may not even try is told something else.
fn connect_to_a_port() -> bool {
    TcpStream::connect("127.0.0.1:1").is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The program ends this process as it ends after a success.
fn run_a_program() -> bool {
    let script = format!("exit {SUCCEEDED}\0");
    let arguments = [c"sh".as_ptr(), c"-c".as_ptr(), script.as_ptr().cast(), ptr::null()];
    let nothing = [ptr::null()];
    // SAFETY: strings that end with a zero byte, in arrays that end with a null pointer.
    unsafe { libc::execve(c"/bin/sh".as_ptr(), arguments.as_ptr(), nothing.as_ptr()) };
    false
}

fn fork() -> bool {
    // SAFETY: the new process does nothing but to end.
    unsafe {
        match libc::fork() {
            0 => libc::_exit(0),
            process => process > 0,
        }
    }
}

fn start_a_thread() -> bool {
    std::thread::Builder::new().spawn(|| ()).is_ok()
}

/// The signal is one that does nothing by default.
fn signal(process: libc::pid_t) -> bool {
    // SAFETY: numbers only.
    unsafe { libc::kill(process, libc::SIGURG) == 0 }
}

/// A process that is not there can't be traced; who may not even try is told something else.
fn trace_a_process() -> bool {
    let nothing: *mut libc::c_void = ptr::null_mut();
    // SAFETY: no process has the largest id, so nothing is traced.
    let traced = unsafe { libc::ptrace(libc::PTRACE_SEIZE, libc::pid_t::MAX, nothing, nothing) };
    traced == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

fn read_memory_of_a_process() -> bool {
    let secret = 7_u64;
    let mut read = 0_u64;
    let from = libc::iovec { iov_base: (&raw const secret).cast_mut().cast(), iov_len: 8 };
    let to = libc::iovec { iov_base: (&raw mut read).cast(), iov_len: 8 };
    // SAFETY: reads eight bytes of this process into as many of this stack.
    let read_bytes = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
    read_bytes == 8 && read == secret
}

fn map(protection: libc::c_int) -> Option<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory at an address that the kernel chooses.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
    (mapped != libc::MAP_FAILED).then_some(mapped)
}

fn make_memory_code() -> bool {
    let memory = map(libc::PROT_READ | libc::PROT_WRITE).unwrap();
    // SAFETY: memory that was just mapped and that nobody uses.
    unsafe { libc::mprotect(memory, 4096, libc::PROT_READ | libc::PROT_EXEC) == 0 }
}

fn change_a_limit() -> bool {
    let limit = libc::rlimit { rlim_cur: 1 << 40, rlim_max: 1 << 40 };
    // SAFETY: reads a value of this stack.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) == 0 }
}

fn become_attachable() -> bool {
    // SAFETY: numbers only.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1 as libc::c_ulong, 0, 0, 0) == 0 }
}

fn share_memory() -> bool {
    // SAFETY: numbers only; the memory is marked to be removed at once.
    unsafe {
        let memory = libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600);
        memory >= 0 && libc::shmctl(memory, libc::IPC_RMID, ptr::null_mut()) == 0
    }
}

/// The system calls that the program may make: what is added here can be used by whoever takes it over.
const ALLOWED: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
];

/// System calls of x86_64 that the kernel itself puts into a program which an administrator probes. No filter sees
/// them, and who makes them otherwise is ended.
const PROBES: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };

/// Makes all system calls that are not allowed, those of other architectures among them; returns whether one of them
/// did anything but to be refused.
pub fn every_other_system_call() -> bool {
    const NEWEST: i64 = 1023;
    // Where the kernel has system calls with pointers of 32 bits, they have this bit.
    const X32: i64 = 1 << 30;

    let others = (0..=NEWEST).filter(|call| !ALLOWED.contains(call) && !PROBES.contains(call));
    let mut others = others.chain((0..=NEWEST).filter(|call| !PROBES.contains(call)).map(|call| call | X32));
    let made = others.find(|call| {
        // SAFETY: that the call is refused before it does anything is what is tested.
        let result = unsafe { libc::syscall(*call, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64) };
        result != -1 || io::Error::last_os_error().raw_os_error() != Some(libc::EPERM)
    });
    if let Some(call) = made {
        eprintln!("system call {call} was made");
    }
    made.is_some()
}

/// Returns the version of Landlock that the kernel has; 0 is none.
fn landlock_version() -> i64 {
    const VERSION: u32 = 1;
    let nothing: *const libc::c_void = ptr::null();
    // SAFETY: asks for the version, by which nothing is created.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) }.max(0)
}
