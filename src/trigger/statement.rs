//! The statements that a trigger runs.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;
use crate::pg::statement;

/// A statement, prepared when it is first used.
pub struct Statement {
    sql: Rc<CStr>,
    arguments: Vec<pg_sys::Oid>,
    prepared: pg_sys::SPIPlanPtr,
}

impl Statement {
    /// Returns a statement that is not prepared yet, with the types of its parameters.
    pub fn new(sql: String, arguments: Vec<pg_sys::Oid>) -> Result<Statement, PgError> {
        let sql = CString::new(sql).map_err(|_| PgError::raised("an identifier has a zero byte"))?;
        Ok(Statement { sql: sql.into_boxed_c_str().into(), arguments, prepared: std::ptr::null_mut() })
    }

    /// Returns whether the statement is prepared and nothing that it names has changed since. Then its names are
    /// not looked up again when it runs, if the locks on all its tables are held.
    pub fn is_ready(&self) -> bool {
        // SAFETY: a plan of ours, kept until it is dropped.
        !self.prepared.is_null() && unsafe { pg_sys::SPI_plan_is_valid(self.prepared) }
    }

    /// Prepares the statement, unless it is ready.
    pub fn prepare(&mut self) -> Result<(), PgError> {
        if self.is_ready() {
            return Ok(());
        }
        self.forget();
        let text = self.sql.clone();
        statement::run(text.to_bytes(), || self.keep_plan())
    }

    /// Runs the statement on the newest snapshot. At REPEATABLE READ, the transaction's own snapshot would
    /// not see the chunks that the worker has written since it began, and would leave them behind. Foreign
    /// keys do the same (`ri_triggers.c`, `ri_PerformCheck`).
    pub fn execute(&mut self, values: &mut [pg_sys::Datum]) -> Result<(), PgError> {
        if values.len() != self.arguments.len() {
            return Err(PgError::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a key has lost columns"));
        }
        let text = self.sql.clone();
        statement::run(text.to_bytes(), || self.run(values))
    }

    fn run(&mut self, values: &mut [pg_sys::Datum]) -> Result<(), PgError> {
        self.keep_plan()?;
        // SAFETY: inside an SPI connection; the values are of the declared types.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let code = pg_sys::SPI_execute_snapshot(
                self.prepared,
                values.as_mut_ptr(),
                std::ptr::null(),
                snapshot,
                std::ptr::null_mut(),
                false,
                true,
                0,
            );
            pg_sys::UnregisterSnapshot(snapshot);
            check_spi(code)
        }
    }

    /// Prepares the statement if it never was.
    fn keep_plan(&mut self) -> Result<(), PgError> {
        if !self.prepared.is_null() {
            return Ok(());
        }

        // SAFETY: inside an SPI connection.
        unsafe {
            let plan = pg_sys::SPI_prepare(
                self.sql.as_ptr(),
                self.arguments.len() as i32,
                self.arguments.as_mut_ptr(),
            );
            if plan.is_null() {
                check_spi(pg_sys::SPI_result)?;
            }
            check_spi(pg_sys::SPI_keepplan(plan))?;
            self.prepared = plan;
        }
        Ok(())
    }

    fn forget(&mut self) {
        let plan = std::mem::replace(&mut self.prepared, std::ptr::null_mut());
        if !plan.is_null() {
            // SAFETY: kept by SPI_keepplan and freed nowhere else.
            unsafe { pg_sys::SPI_freeplan(plan) };
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.forget();
        }
    }
}

/// Converts an error code of SPI to an error; codes from 0 up are successes.
pub fn check_spi(code: i32) -> Result<(), PgError> {
    if code >= 0 {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        format!("SPI answered {code} in a vectorizer's trigger"),
    ))
}
