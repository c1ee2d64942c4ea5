//! Waiting for the network and for long computations in a backend, while it still reacts to Ctrl-C and a
//! shutdown.

use std::future::Future;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use tokio::runtime::{Handle, Runtime};

use pgai_rs_pipeline::run;

use crate::pg::descriptors::Borrowed;
use crate::pg::error::PgError;

/// Interval at which a waiting call checks for interrupts.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// File descriptors that one request takes: for the runtime, the name look-up and the connection.
const DESCRIPTORS: usize = 12;

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
    let _descriptors = Borrowed::new(DESCRIPTORS);
    let runtime = Impatient::new()?;
    let mut answer = Box::pin(begin(runtime.get()?.handle().clone()));
    while goes_on() {
        let turn = runtime.block_on(async { tokio::time::timeout(INTERRUPT_INTERVAL, &mut answer).await });
        if let Ok(answer) = turn? {
            return Ok(Some(answer));
        }
        pgrx::check_for_interrupts!();
    }
    Ok(None)
}

/// A runtime that is shut down in the background: dropping it would wait for a name look-up that hangs.
struct Impatient(Option<Runtime>);

impl Impatient {
    fn new() -> Result<Self, PgError> {
        let runtime = run::current_thread_runtime().map_err(|error| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
                format!("could not create a runtime for the request: {error}"),
            )
            .with_hint("Increase the limits of open files and of processes for the Postgres server.")
        })?;
        Ok(Impatient(Some(runtime)))
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, PgError> {
        Ok(self.get()?.block_on(future))
    }

    fn get(&self) -> Result<&Runtime, PgError> {
        self.0.as_ref().ok_or_else(|| PgError::internal("runtime of the request does not exist"))
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
