//! Processes of ours: a program that gets bytes and returns bytes, within limits.
//!
//! ```text
//! input ─► stdin ┌─────────────────────────────────┐ stdout ─► output, bounded
//!                │ program: limits, no descriptors, │
//!                │ no environment, signals as usual │ stderr ─► messages, bounded
//!                └─────────────────────────────────┘
//! ```
//!
//! * [`ChildProgram`]: a program that is run; [`ChildRun`] and [`Ending`]: how a run ended
//! * `confine`: what a process gives up between `fork` and `exec`
//! * `exchange`: the bytes to it and from it, until it ends or has to
//! * `live`: the processes that are running, so that none outlives the worker
//!
//! Rules for callers in a process of Postgres's, and their reasons:
//!
//! * **A thread that starts a process stays with it.** `PR_SET_PDEATHSIG` counts from the end of the *thread* that
//!   forked, and a pool's threads end when they are idle. So a run keeps its thread until the process is gone;
//!   asynchronous code uses [`ChildProgram::run`], which takes a thread of tokio's for blocking work.
//! * **Whoever starts it reaps it.** Where postgres is PID 1, an orphan that a signal killed restarts the whole cluster:
//!   the postmaster takes it for a crashed backend. Each run kills and reaps its own, and [`end_all`] does so
//!   before the worker's process exits. No handler of SIGCHLD is installed, and nobody else's children are waited for.
//! * **A signal for the postmaster's group does not reach it,** because it has a process group of its own, by which its
//!   own children are killed with it.

mod confine;
mod exchange;
mod live;

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;

pub use live::{allow, end_all};

use exchange::Exchange;

/// A program, and what a run of it may take.
///
/// ```
/// use pgai_rs_pipeline::child::{Ending, ChildLimits, ChildProgram};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let program = ChildProgram {
///     path: "/usr/bin/env".into(),
///     arguments: ["tr", "a-z", "A-Z"].map(Into::into).to_vec(),
///     limits: ChildLimits::default(),
/// };
/// let run = program.run(["a header, ".into(), "a document".into()]).await?;
/// assert_eq!((run.ending, &*run.output), (Ending::Exited(0), b"A HEADER, A DOCUMENT".as_slice()));
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct ChildProgram {
    /// The program's file; no `PATH` is searched.
    pub path: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// The limits of each run.
    pub limits: ChildLimits,
}

/// The limits of one run. A hard limit of this process that is lower holds instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// The largest address space, in bytes; an allocation beyond it fails.
    pub memory: u64,
    /// The longest time on a CPU, in seconds; a process that exceeds it is killed.
    pub cpu_seconds: u64,
    /// The largest number of descriptors, its standard streams included.
    pub files: u64,
    /// The largest size in bytes of a file that it writes. Pipes have no size.
    pub file_size: u64,
    /// The longest time from start to end; a process that exceeds it is killed.
    pub time: Duration,
    /// The largest output in bytes; a process that writes more is killed.
    pub output: usize,
    /// The number of bytes that are kept of its messages on stderr; the rest is discarded.
    pub messages: usize,
}

impl Default for ChildLimits {
    fn default() -> Self {
        ChildLimits {
            memory: 1 << 30,
            cpu_seconds: 30,
            files: 16,
            file_size: 0,
            time: Duration::from_secs(60),
            output: 64 << 20,
            messages: 4 << 10,
        }
    }
}

/// A run that is over.
#[derive(Debug, PartialEq, Eq)]
pub struct ChildRun {
    /// The reason why it ended.
    pub ending: Ending,
    /// The bytes that it wrote to stdout; of a run that was ended, the first.
    pub output: Vec<u8>,
    /// The first bytes that it wrote to stderr.
    pub messages: Vec<u8>,
}

/// The way in which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it: a crash, or a limit of the kernel's.
    Signalled(i32),
    /// It took longer than it may, and was killed.
    TimedOut,
    /// It wrote more than it may, and was killed.
    TooMuchOutput,
    /// Nobody waits for it any more, and it was killed.
    Abandoned,
}

impl ChildLimits {
    /// Returns the limits of runs that may take so much memory, in bytes, and so long, of which every moment may be
    /// one on a CPU.
    pub fn new(memory: u64, time: Duration) -> Self {
        let cpu_seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        ChildLimits { memory, cpu_seconds, time, ..ChildLimits::default() }
    }
}

impl ChildProgram {
    /// Runs the program on an input, of which no copy is made. If the future is dropped, the process is killed and
    /// reaped, or never started.
    ///
    /// A run keeps one of tokio's threads for blocking work, and waits for one: the caller counts its runs.
    ///
    /// # Errors
    ///
    /// If the program can't be started: its file is missing or can't be executed, the operating system refuses a
    /// process, a descriptor or a limit, or [`end_all`] was called before.
    pub async fn run(&self, input: impl IntoIterator<Item = Bytes>) -> io::Result<ChildRun> {
        let program = self.clone();
        let input: Vec<Bytes> = input.into_iter().collect();
        let (abandoned, waiting) = io::pipe()?;
        let run = tokio::task::spawn_blocking(move || program.run_here(input, abandoned));
        let finished = run.await.map_err(io::Error::other)?;
        drop(waiting);
        finished
    }

    /// Runs the program on an input, and keeps the calling thread until it has ended. It is killed as soon as the
    /// other end of `abandoned` is closed.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    fn run_here(&self, input: Vec<Bytes>, abandoned: PipeReader) -> io::Result<ChildRun> {
        // It may have waited for its thread, and nobody for it meanwhile.
        if exchange::is_abandoned(&abandoned)? {
            return Ok(ChildRun { ending: Ending::Abandoned, output: Vec::new(), messages: Vec::new() });
        }

        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        confine::confine(&mut command, &self.limits);

        let mut started = live::start(&mut command)?;
        let ended = Exchange::new(&mut started, input, abandoned, self.limits)?.carry_on();
        // It is gone when this returns, also after an error.
        let status = started.end()?;
        let (forced, output, messages) = ended?;
        let ending = forced.unwrap_or_else(|| ending_of(status));
        Ok(ChildRun { ending, output, messages })
    }
}

fn ending_of(status: std::process::ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_nobody_waits_for_is_not_started() {
        let nowhere =
            ChildProgram { path: "/nowhere".into(), arguments: Vec::new(), limits: ChildLimits::default() };
        let (abandoned, waiting) = io::pipe().unwrap();
        drop(waiting);
        assert_eq!(nowhere.run_here(Vec::new(), abandoned).unwrap().ending, Ending::Abandoned);

        let (abandoned, _waiting) = io::pipe().unwrap();
        assert!(nowhere.run_here(Vec::new(), abandoned).is_err());
    }

    #[test]
    fn a_second_that_has_begun_may_be_used() {
        let limits = ChildLimits::new(1 << 30, Duration::from_millis(1500));
        assert_eq!(
            (limits.memory, limits.cpu_seconds, limits.time),
            (1 << 30, 2, Duration::from_millis(1500))
        );
        assert_eq!(ChildLimits::new(0, Duration::from_secs(20)).cpu_seconds, 20);
    }
}
