//! Waiting for the network and for long computations in a backend, while it still reacts to Ctrl-C and a
//! shutdown.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use tokio::runtime::{Handle, Runtime};

use pgai_rs_pipeline::threads::{Remains, RequestLife, current_thread_runtime};

use crate::pg::descriptors::Borrowed;
use crate::pg::error::PgError;

/// Interval at which a waiting call checks for interrupts.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// File descriptors that one request takes: for the runtime, the name look-up and the connection.
const DESCRIPTORS: usize = 12;

/// The time that an ended request has for ending its threads, of which most are idle.
const END_TIME: Duration = Duration::from_millis(20);

/// The largest number of requests that a session may have left with a thread still at work. No thread can be interrupted
/// in the system's resolver, where it stays half a minute if name servers are silent.
const MOST_LEFT: usize = 4;

/// The ended requests of this session of which something still goes on. A static, which is not dropped when the process
/// exits.
static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());

/// Runs `answer` to completion; returns `None` if that takes longer than `timeout`.
///
/// # Errors
///
/// If the operating system refuses the resources for a runtime. Ctrl-C ends the statement.
pub fn await_answer<T>(timeout: Duration, answer: impl Future<Output = T>) -> Result<Option<T>, PgError> {
    let begun = Instant::now();
    drive(|| begun.elapsed() < timeout, async |_| answer.await)
}

/// Runs `work` on a separate thread and waits for it. If the statement ends first, the thread is abandoned.
///
/// # Errors
///
/// If the operating system refuses the resources for a runtime, or if `work` panics. Ctrl-C ends the
/// statement.
pub fn await_work<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PgError> {
    let done = drive(|| true, async |runtime| runtime.spawn_blocking(work).await)?;
    done.and_then(Result::ok).ok_or_else(|| PgError::internal("background computation failed"))
}

/// Runs the future that `begin` returns to completion; returns `None` if `goes_on` returns false before.
fn drive<T>(goes_on: impl Fn() -> bool, begin: impl AsyncFnOnce(Handle) -> T) -> Result<Option<T>, PgError> {
    let request = Request::begin()?;
    let runtime = request.runtime()?;
    let mut answer = Box::pin(request.life.clone().scope(begin(runtime.handle().clone())));
    while goes_on() {
        let turn = async { tokio::time::timeout(INTERRUPT_INTERVAL, &mut answer).await };
        if let Ok(answer) = runtime.block_on(turn) {
            return Ok(Some(answer));
        }
        pgrx::check_for_interrupts!();
    }
    Ok(None)
}

/// A request under way. When it ends, in whatever way, the session does not wait for a thread that is in a name look-up,
/// but counts it and what it has open as the session's until it is over.
struct Request {
    life: RequestLife,
    /// `None` once it has ended.
    runtime: Option<Runtime>,
    descriptors: Option<Borrowed>,
}

/// The rest of a request: a thread, and descriptors that stay reserved as long as they may be open.
struct Left {
    remains: Remains,
    _descriptors: Option<Borrowed>,
}

impl Request {
    /// Reserves descriptors and makes a runtime, unless the session has left too many requests already.
    fn begin() -> Result<Self, PgError> {
        require_few_left()?;
        let life = RequestLife::default();
        let descriptors = Some(Borrowed::new(DESCRIPTORS));
        let runtime = current_thread_runtime(&life).map_err(|error| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
                format!("could not create a runtime for the request: {error}"),
            )
            .with_hint("Increase the limits of open files and of processes for the Postgres server.")
        })?;
        Ok(Request { life, runtime: Some(runtime), descriptors })
    }

    fn runtime(&self) -> Result<&Runtime, PgError> {
        self.runtime.as_ref().ok_or_else(|| PgError::internal("runtime of the request does not exist"))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END_TIME);
        }
        let remains = std::mem::take(&mut self.life).end();
        if remains.go_on() {
            left().push(Left { remains, _descriptors: self.descriptors.take() });
        }
    }
}

/// Forgets the requests that are over by now, and errors if there are still too many.
fn require_few_left() -> Result<(), PgError> {
    let mut left = left();
    left.retain(|left| left.remains.go_on());
    if left.len() < MOST_LEFT {
        return Ok(());
    }

    let message = "too many cancelled requests of this session are not over yet";
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES, message)
        .with_detail(format!(
            "{} requests were given up while the name of a server was looked up, or an answer was read.",
            left.len()
        ))
        .with_hint(
            "Try again in half a minute, and check whether the name servers of the Postgres server's host answer for \
             the servers that are asked.",
        ))
}

/// Locks the requests. Nothing that panics half-way is done under the lock.
fn left() -> MutexGuard<'static, Vec<Left>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}
