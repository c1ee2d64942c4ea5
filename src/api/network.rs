//! Waiting for the network in a backend, while Ctrl-C and a shutdown are heard.

use std::future::Future;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

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
    let _descriptors = Borrowed::new(DESCRIPTORS);
    let runtime = Impatient::new()?;
    let mut answer = Box::pin(answer);
    let begun = Instant::now();
    while begun.elapsed() < timeout {
        let turn = runtime.block_on(async { tokio::time::timeout(INTERRUPT_INTERVAL, &mut answer).await });
        if let Ok(answer) = turn? {
            return Ok(Some(answer));
        }
        pgrx::check_for_interrupts!();
    }
    Ok(None)
}

/// A runtime that is left behind: dropping it would wait for a name look-up that hangs.
struct Impatient(Option<tokio::runtime::Runtime>);

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
        let runtime = self.0.as_ref().ok_or_else(|| PgError::raised("the runtime is gone"))?;
        Ok(runtime.block_on(future))
    }
}

impl Drop for Impatient {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
