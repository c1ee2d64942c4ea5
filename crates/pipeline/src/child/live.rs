//! The processes that are running.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest time that [`end_all`] waits for processes that were killed to be reaped.
const LONGEST_END: Duration = Duration::from_secs(5);

/// The process ids of the processes that were started and not reaped, each of them the leader of its group.
struct Live {
    running: BTreeSet<libc::pid_t>,
    /// `true` if no more may be started.
    closed: bool,
}

static LIVE: Mutex<Live> = Mutex::new(Live { running: BTreeSet::new(), closed: false });
static REAPED: Condvar = Condvar::new();

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills all processes of ours and waits until they are reaped, or five seconds; none can be started afterwards.
///
/// A process that is to exit calls this first, also where destructors are not run, such as in an exit callback of
/// Postgres's.
pub fn end_all() {
    let mut live = live();
    live.closed = true;
    live.running.iter().for_each(|group| kill(*group));
    // Those who started them reap them.
    let waited = REAPED.wait_timeout_while(live, LONGEST_END, |live| !live.running.is_empty());
    drop(waited);
}

/// Allows processes to be started again after [`end_all`].
pub fn allow() {
    live().closed = false;
}

/// A process that was started and not reaped. If it is dropped, it is killed and reaped.
pub(super) struct Started {
    /// The process, with its pipes.
    pub child: Child,
    group: libc::pid_t,
    reaped: bool,
}

/// Starts a command, which makes its process the leader of a group.
///
/// # Errors
///
/// If it can't be started, or [`end_all`] was called.
pub(super) fn start(command: &mut Command) -> io::Result<Started> {
    // The lock is held while it starts, so that nobody misses it.
    let mut live = live();
    if live.closed {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "the process is about to exit"));
    }
    let child = command.spawn()?;
    let group = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    live.running.insert(group);
    Ok(Started { child, group, reaped: false })
}

impl Started {
    /// Returns whether the process has ended, without reaping it: until then nobody else gets its id.
    pub(super) fn has_ended(&self) -> io::Result<bool> {
        let mut ended = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: fills in a value of this stack, which is valid as zeros, too.
        unsafe {
            let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            match libc::waitid(libc::P_PID, self.child.id(), ended.as_mut_ptr(), flags) {
                0 => Ok(ended.assume_init().si_pid() != 0),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Kills whatever is left of the process and its group, and reaps it.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        kill(self.group);
        // Waits no longer than the kernel takes to end a process.
        let status = self.child.wait();
        let mut live = live();
        live.running.remove(&self.group);
        self.reaped = true;
        REAPED.notify_all();
        status
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.reaped {
            // There is nobody to report an error to, and none is possible for a child that was not waited for.
            let _ended = self.end();
        }
    }
}

/// Kills a process of ours that is not reaped, and its group.
fn kill(group: libc::pid_t) {
    // SAFETY: numbers only. The id is that of a child that was not reaped, so it is nobody else's.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}
