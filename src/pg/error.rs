//! Errors that are reported to a user: SQLSTATE, message, DETAIL and HINT.

use std::backtrace::Backtrace;
use std::fmt;

use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::spi::SpiError;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use pgai_rs_pipeline::message::truncate_message;
use pgai_rs_queue::session::QueueError;

/// Maximum length of a message in bytes: messages quote the user's input, which may be of any length.
const LONGEST_MESSAGE: usize = 500;

/// An error as Postgres reports it, raised by us or caught from a statement.
#[derive(Debug, Clone)]
pub struct PgError {
    /// SQLSTATE.
    pub code: PgSqlErrorCode,
    /// The message: one line, in lower case, without a full stop.
    pub message: String,
    /// DETAIL: more about what happened.
    pub detail: Option<String>,
    /// HINT: what a person can do.
    pub hint: Option<String>,
}

impl PgError {
    /// Creates an error without DETAIL and HINT.
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>) -> Self {
        PgError { code, message: message.into(), detail: None, hint: None }
    }

    /// Creates pgai's plain RAISE EXCEPTION (P0001), whose text pgai's clients compare.
    pub fn raised(message: impl Into<String>) -> Self {
        PgError::new(PgSqlErrorCode::ERRCODE_RAISE_EXCEPTION, message)
    }

    /// Creates an error that no user's input can cause (XX000).
    pub fn internal(message: impl Into<String>) -> Self {
        PgError::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message)
    }

    /// Adds a DETAIL.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Returns the SQLSTATE as five characters: 5 six-bit units, the first in the lowest bits
    /// (`MAKE_SQLSTATE` of `utils/elog.h`).
    pub fn sqlstate(&self) -> String {
        let code = self.code as u32;
        (0..5).map(|index| char::from(b'0' + ((code >> (6 * index)) & 0x3f) as u8)).collect()
    }

    /// Returns whether the error comes from concurrent statements (lock not available, deadlock,
    /// serialization failure), so that a retry can succeed.
    pub fn is_contention(&self) -> bool {
        QueueError::is_contention(self)
    }

    /// Returns whether the statement was cancelled or ran out of a resource of the server. Retrying it in
    /// smaller parts would cost as much again.
    pub fn is_costly(&self) -> bool {
        QueueError::is_costly(self)
    }

    /// Returns whether the error is about what was to be written, so that writing it again fails again: data exceptions, violated
    /// constraints, and limits of Postgres such as the size of a row of an index.
    pub fn is_of_data(&self) -> bool {
        matches!(self.sqlstate().get(..2), Some("22" | "23" | "54"))
    }

    /// Adds a HINT.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Raises it as Postgres raises its own errors: the frames up to the next guard are unwound.
    #[track_caller]
    pub fn throw(self) -> ! {
        ErrorReport::from(self).report(PgLogLevel::ERROR);
        unreachable!("an error report does not return")
    }
}

/// Keeps stack frames out of the DETAIL of errors; pgrx puts them there if the server was started with
/// `RUST_BACKTRACE`. Must be called while the process has one thread.
pub fn without_backtraces() {
    // The first capture reads the variable and caches the answer, for this library alone.
    const SETTING: &str = "RUST_LIB_BACKTRACE";
    let before = std::env::var_os(SETTING);

    // SAFETY: the process has one thread, as the caller promises.
    unsafe { std::env::set_var(SETTING, "0") };
    drop(Backtrace::capture());

    match before {
        // SAFETY: the same.
        Some(before) => unsafe { std::env::set_var(SETTING, before) },
        // SAFETY: the same.
        None => unsafe { std::env::remove_var(SETTING) },
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl From<CaughtError> for PgError {
    fn from(caught: CaughtError) -> Self {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = caught;
        PgError {
            code: report.sql_error_code(),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        }
    }
}

impl From<SpiError> for PgError {
    fn from(error: SpiError) -> Self {
        PgError::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("SPI: {error}"))
    }
}

impl From<PgError> for ErrorReport {
    #[track_caller]
    fn from(error: PgError) -> Self {
        let message = match error.message.len() {
            0..=LONGEST_MESSAGE => error.message,
            _ => truncate_message(&error.message, LONGEST_MESSAGE),
        };
        let mut report = ErrorReport::new(error.code, message, "");
        if let Some(detail) = error.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = error.hint {
            report = report.set_hint(hint);
        }
        report
    }
}
