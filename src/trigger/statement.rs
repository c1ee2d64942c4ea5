//! The statements that a trigger runs.

use std::ffi::{CStr, CString};
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;
use crate::pg::plan::{KeptPlan, Planning, check_spi};
use crate::pg::statement;

/// A statement, prepared when it is first used.
pub struct TriggerStatement {
    sql: Rc<CStr>,
    arguments: Vec<pg_sys::Oid>,
    prepared: Option<KeptPlan>,
}

impl TriggerStatement {
    /// Returns a statement that is not prepared yet, with the types of its parameters.
    pub fn new(sql: String, arguments: Vec<pg_sys::Oid>) -> Result<TriggerStatement, PgError> {
        let sql = CString::new(sql).map_err(|_| PgError::raised("an identifier has a zero byte"))?;
        Ok(TriggerStatement { sql: sql.into_boxed_c_str().into(), arguments, prepared: None })
    }

    /// Returns whether the statement is prepared and nothing that it names has changed since. Then its names are
    /// not looked up again when it runs, if the locks on all its tables are held.
    pub fn is_ready(&self) -> bool {
        self.prepared.as_ref().is_some_and(KeptPlan::is_valid)
    }

    /// Prepares the statement, unless it is ready.
    pub fn prepare(&mut self) -> Result<(), PgError> {
        if self.is_ready() {
            return Ok(());
        }
        self.prepared = None;
        let text = self.sql.clone();
        statement::run(text.to_bytes(), || self.plan().map(drop))
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
        let plan = self.plan()?;
        // SAFETY: inside an SPI connection; the values are of the declared types.
        unsafe {
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let code = pg_sys::SPI_execute_snapshot(
                plan,
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

    /// Returns the statement's plan, and prepares it if it never was.
    fn plan(&mut self) -> Result<pg_sys::SPIPlanPtr, PgError> {
        let plan = match self.prepared.take() {
            Some(plan) => plan,
            None => KeptPlan::prepare(&self.sql, &mut self.arguments, Planning::ByCost)?,
        };
        Ok(self.prepared.insert(plan).as_ptr())
    }
}
