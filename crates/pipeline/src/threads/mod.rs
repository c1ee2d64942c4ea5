//! Threads of ours: they take no signals, and one for blocking work is always there.
//!
//! Names are looked up, and large documents read, on threads that are started when they are needed. Where
//! the operating system refuses one, the work waits for a thread that is there; if there is none, tokio
//! panics or the work waits for ever, depending on its version. One thread that never leaves makes all of
//! it go on, one after the other.
//!
//! * `signals`: runtimes whose threads take no signals
//! * `life`: how long something of a session's request goes on

mod life;
mod signals;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

pub use self::life::{Remains, RequestLife};
pub(crate) use self::signals::build;
pub use self::signals::current_thread_runtime;

/// The time that a thread without work stays.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The time between two pieces of work that keep the last thread from leaving.
const PULSE: Duration = Duration::from_secs(20);

/// The longest time that the first thread may take to start.
const FIRST: Duration = Duration::from_secs(10);

/// Sees to it that from now on there is at least one thread for the blocking work of `pool`, for as long as `runtime`
/// runs.
///
/// # Errors
///
/// If the operating system refuses it.
pub(crate) fn keep_one(runtime: &Runtime, pool: &Handle) -> io::Result<()> {
    let first = pulse(pool)?;
    let started = runtime.block_on(async { tokio::time::timeout(FIRST, first).await });
    started
        .map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "could not start a thread"))?
        .map_err(io::Error::other)?;

    let pool = pool.clone();
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(PULSE).await;
            // It is there, and so can't be refused; and the next pulse would come if it were.
            let _ = pulse(&pool);
        }
    });
    Ok(())
}

/// Gives an empty piece of work to one of the threads.
///
/// # Errors
///
/// If there is none and the operating system refuses one.
fn pulse(pool: &Handle) -> io::Result<JoinHandle<()>> {
    spawn_blocking(pool, || ())
}

/// Gives work to one of the threads.
///
/// # Errors
///
/// If there is none and the operating system refuses one, of which tokio makes a panic.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    pool: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    catch_unwind(AssertUnwindSafe(|| pool.spawn_blocking(work))).map_err(|_| refused())
}

/// Returns the error that a panic of tokio's for want of a thread means.
fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the operating system could not create a thread")
}
