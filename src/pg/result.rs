//! Rows of a query as Postgres has them, and rows as a function returns them, without a detour over Rust's types.

use std::ffi::{CStr, CString};

use pgrx::datum::DatumWithOid;
use pgrx::{FromDatum, Spi, pg_sys};

use super::error::PgError;
use super::plan::{KeptPlan, check_spi};
use super::plans_in_use;
use super::sql::{Arguments, spi};

/// The rows of a query that has just run. They live as long as the function that is given them runs.
pub struct ResultRows {
    table: *const pg_sys::SPITupleTable,
    count: usize,
}

impl ResultRows {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns a value; `None` if it is NULL. Rows are counted from 0 and columns from 1.
    pub fn datum(&self, row: usize, column: usize) -> Option<pg_sys::Datum> {
        if row >= self.count {
            return None;
        }
        let mut is_null = false;
        // SAFETY: the table of a statement that has run, which has so many rows; of a column that it has not the
        // value is NULL.
        let datum = unsafe {
            let table = &*self.table;
            pg_sys::SPI_getbinval(*table.vals.add(row), table.tupdesc, column as i32, &mut is_null)
        };
        (!is_null).then_some(datum)
    }

    /// Returns a value of a type that the query gives the column; `None` if it is NULL.
    pub fn value<T: FromDatum>(&self, row: usize, column: usize) -> Option<T> {
        let datum = self.datum(row, column)?;
        // SAFETY: a datum of that type, as the caller promises by the text of the query.
        unsafe { T::from_datum(datum, false) }
    }
}

/// The snapshot on which a query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The snapshot of the statement that calls the function. The query may only read.
    AsTheCaller,
    /// A new snapshot. It is for EXPLAIN, which Postgres does not take for a reading statement.
    Anew,
}

/// Runs a query as the current user, with names as the session's search path resolves them, and gives its rows to
/// `f`.
pub fn with_rows<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    reads: Reads,
    f: impl FnOnce(&ResultRows) -> Result<T, PgError>,
) -> Result<T, PgError> {
    let text = CString::new(sql).map_err(|_| PgError::internal("unexpected zero byte in a statement"))?;
    let mut given = Arguments::of(args);
    spi(sql, || {
        Spi::connect(|_| {
            let plan = match reads {
                Reads::AsTheCaller => plans_in_use::of(&text, &given.types)?,
                Reads::Anew => None,
            };
            check_spi(execute(&text, plan.as_deref(), &mut given, reads))?;
            // SAFETY: set by the statement that just ran.
            let rows =
                unsafe { ResultRows { table: pg_sys::SPI_tuptable, count: pg_sys::SPI_processed as usize } };
            if rows.table.is_null() {
                return Err(PgError::internal("a statement returned no rows"));
            }
            f(&rows)
        })
    })
}

/// Runs a query, by its plan if it has one, and returns SPI's code. It must be called within an SPI connection.
fn execute(text: &CStr, plan: Option<&KeptPlan>, given: &mut Arguments, reads: Reads) -> i32 {
    let Arguments { types, values, nulls } = given;
    let read_only = reads == Reads::AsTheCaller;
    // SAFETY: inside an SPI connection; the arrays are of the same length, and the types those of the plan, which
    // lives as long as it runs.
    unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        match plan {
            Some(plan) => {
                pg_sys::SPI_execute_plan(plan.as_ptr(), values.as_mut_ptr(), nulls.as_ptr(), read_only, 0)
            }
            None => pg_sys::SPI_execute_with_args(
                text.as_ptr(),
                types.len() as i32,
                types.as_mut_ptr(),
                values.as_mut_ptr(),
                nulls.as_ptr(),
                read_only,
                0,
            ),
        }
    }
}

/// The rows that a function returns.
pub struct ReturnedRows(*mut pg_sys::ReturnSetInfo);

impl ReturnedRows {
    /// Begins to return rows. Errors where a set can't be returned.
    ///
    /// # Safety
    ///
    /// The call record of a function that returns a set of rows.
    pub unsafe fn of(call: pg_sys::FunctionCallInfo) -> ReturnedRows {
        // SAFETY: by the caller. It makes the set of the call's result, or raises an error.
        unsafe {
            pg_sys::InitMaterializedSRF(call, 0);
            ReturnedRows((*call).resultinfo.cast())
        }
    }

    /// Returns a row, whose values are copied. They must be as many, and of the types, as the function declares.
    ///
    /// # Safety
    ///
    /// The values are of the declared types.
    pub unsafe fn push(&self, values: &[Option<pg_sys::Datum>]) -> Result<(), PgError> {
        // SAFETY: made by `of`, and lives as long as the call.
        let info = unsafe { &*self.0 };
        // SAFETY: set by InitMaterializedSRF.
        let declared = unsafe { (*info.setDesc).natts };
        if usize::try_from(declared) != Ok(values.len()) {
            return Err(PgError::internal("unexpected number of columns")
                .with_hint("Run ALTER EXTENSION pgai_rs UPDATE."));
        }

        let mut datums: Vec<_> = values.iter().map(|value| value.unwrap_or(pg_sys::Datum::null())).collect();
        let mut nulls: Vec<bool> = values.iter().map(Option::is_none).collect();
        // SAFETY: as many as are declared, and by the caller of these types.
        unsafe {
            pg_sys::tuplestore_putvalues(
                info.setResult,
                info.setDesc,
                datums.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
        Ok(())
    }
}
