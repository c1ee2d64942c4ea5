//! Statements that SPI has prepared and keeps between transactions.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::named::oids;

/// The way in which Postgres plans a prepared statement when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planning {
    /// Postgres chooses by cost, as for any prepared statement.
    ByCost,
    /// One plan for all values of the parameters, which is kept.
    Once,
    /// A plan for each run, which knows the values of the parameters.
    EachTime,
}

impl Planning {
    fn options(self) -> i32 {
        let options = match self {
            Planning::ByCost => 0,
            Planning::Once => pg_sys::CURSOR_OPT_GENERIC_PLAN,
            Planning::EachTime => pg_sys::CURSOR_OPT_CUSTOM_PLAN,
        };
        options as i32
    }
}

/// A prepared statement, kept until this value is dropped.
pub struct KeptPlan(pg_sys::SPIPlanPtr);

impl KeptPlan {
    /// Prepares a statement with parameters of these types. It must be called within an SPI connection.
    pub fn prepare(sql: &CStr, types: &mut [pg_sys::Oid], planning: Planning) -> Result<KeptPlan, PgError> {
        // SAFETY: inside an SPI connection; the types are as many as are said.
        unsafe {
            let plan = pg_sys::SPI_prepare_cursor(
                sql.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                planning.options(),
            );
            if plan.is_null() {
                check_spi(pg_sys::SPI_result)?;
            }
            check_spi(pg_sys::SPI_keepplan(plan))?;
            Ok(KeptPlan(plan))
        }
    }

    /// Returns the plan for SPI's functions. It is valid as long as this value lives.
    pub fn as_ptr(&self) -> pg_sys::SPIPlanPtr {
        self.0
    }

    /// Returns whether nothing that the statement names has changed since it was read. Otherwise Postgres reads
    /// it again when it runs.
    pub fn is_valid(&self) -> bool {
        // SAFETY: a plan that is kept until this value is dropped.
        unsafe { pg_sys::SPI_plan_is_valid(self.0) }
    }

    /// Returns the relations that the statement named when it was read.
    pub fn relations(&self) -> Vec<pg_sys::Oid> {
        // SAFETY: a plan that is kept; its sources are a list of pointers, and each has a list of OIDs.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.0);
            let count = sources.as_ref().map_or(0, |sources| sources.length as usize);
            let mut relations = Vec::new();
            for index in 0..count {
                let source = (*(*sources).elements.add(index)).ptr_value.cast::<pg_sys::CachedPlanSource>();
                relations.extend(oids((*source).relationOids));
            }
            relations
        }
    }
}

impl Drop for KeptPlan {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: kept by SPI_keepplan and freed nowhere else.
            unsafe { pg_sys::SPI_freeplan(self.0) };
        }
    }
}

/// Converts an error code of SPI to an error; codes from 0 up are successes.
pub fn check_spi(code: i32) -> Result<(), PgError> {
    if code >= 0 {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("SPI returned {code}")))
}
