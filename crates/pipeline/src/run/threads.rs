//! A thread for blocking work that is always there.
//!
//! Names are looked up, and large documents read, on threads that are started when they are needed. Where
//! the operating system refuses one, the work waits for a thread that is there; if there is none, tokio
//! panics or the work waits for ever, depending on its version. One thread that never leaves makes all of
//! it go on, one after the other.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

/// The time that a thread without work stays.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The time between two pieces of work that keep the last thread from leaving.
const PULSE: Duration = Duration::from_secs(20);

/// The longest time that the first thread may take to start.
const FIRST: Duration = Duration::from_secs(10);

/// Sees to it that from now on there is at least one such thread.
///
/// # Errors
///
/// If the operating system refuses it.
pub(super) fn keep_one(runtime: &Runtime) -> io::Result<()> {
    let first = pulse(runtime.handle())?;
    let started = runtime.block_on(async { tokio::time::timeout(FIRST, first).await });
    started
        .map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "could not start a thread"))?
        .map_err(io::Error::other)?;

    let handle = runtime.handle().clone();
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(PULSE).await;
            // It is there, and so can't be refused; and the next pulse would come if it were.
            let _ = pulse(&handle);
        }
    });
    Ok(())
}

/// Gives an empty piece of work to one of the threads.
///
/// # Errors
///
/// If there is none and the operating system refuses one, of which tokio makes a panic.
pub(super) fn pulse(handle: &Handle) -> io::Result<JoinHandle<()>> {
    catch_unwind(AssertUnwindSafe(|| handle.spawn_blocking(|| ()))).map_err(|_| refused())
}

/// Returns the error that a panic of tokio's for want of a thread means.
pub(super) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the operating system could not create a thread")
}
