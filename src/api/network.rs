//! Waiting for the network, and for long computations, in a backend, while Ctrl-C and a shutdown are heard.

use std::future::Future;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;
use tokio::runtime::{Handle, Runtime};

use pgai_rs_pipeline::run;

use crate::pg::descriptors::Borrowed;
use crate::pg::error::PgError;

/// How often a waiting call looks for Ctrl-C.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// Descriptors that one answer takes: of the runtime, of a name's look-up, and of the connection.
const DESCRIPTORS: usize = 12;

/// Drives `answer` to its end; none if that takes longer than `timeout`.
///
/// # Errors
///
/// When the operating system refuses what a runtime needs. Ctrl-C ends the statement.
pub fn await_answer<T>(timeout: Duration, answer: impl Future<Output = T>) -> Result<Option<T>, PgError> {
    let begun = Instant::now();
    drive(|| begun.elapsed() < timeout, async |_| answer.await)
}

/// Waits for `work`, which runs on a thread of its own, and is left to itself when the statement ends before.
///
/// # Errors
///
/// When the operating system refuses what a runtime needs, and if `work` panics. Ctrl-C ends the statement.
pub fn await_work<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PgError> {
    let done = drive(|| true, async |runtime| runtime.spawn_blocking(work).await)?;
    done.and_then(Result::ok).ok_or_else(|| PgError::raised("the computation failed"))
}

/// Drives what `begin` begins to its end, as long as `goes_on` says so.
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

/// A runtime that is left behind: dropping it would wait for a name look-up that hangs.
struct Impatient(Option<Runtime>);

impl Impatient {
    fn new() -> Result<Self, PgError> {
        let runtime = run::current_thread_runtime().map_err(|error| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
                format!("no runtime for the request: {error}"),
            )
            .with_hint("Raise the limits of open files and of processes under which Postgres is started.")
        })?;
        Ok(Impatient(Some(runtime)))
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, PgError> {
        Ok(self.get()?.block_on(future))
    }

    fn get(&self) -> Result<&Runtime, PgError> {
        self.0.as_ref().ok_or_else(|| PgError::raised("the runtime is gone"))
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
