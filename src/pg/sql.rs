//! Statements through SPI, with their rows as Rust values.

use std::ffi::{CStr, CString, c_char};

use pgrx::datum::DatumWithOid;
use pgrx::spi::{SpiHeapTupleData, SpiTupleTable};
use pgrx::{FromDatum, IntoDatum, Spi, pg_sys};

use super::error::PgError;
use super::plan::check_spi;
pub use super::quote::{MAX_IDENTIFIER, ident, qualified, with_ending};
use super::settings::read_as_written;
use super::statement;

/// Runs `f`, which passes this text to SPI.
pub(super) fn spi<R>(sql: &str, f: impl FnOnce() -> R) -> R {
    read_as_written(|| statement::run(sql.as_bytes(), f))
}

/// Runs a statement and returns the number of rows that it touched or returned.
pub fn execute(sql: &str, args: &[DatumWithOid<'_>]) -> Result<u64, PgError> {
    spi(sql, || {
        Spi::connect_mut(|client| {
            client.update(sql, None, args)?;
            // SAFETY: set by the statement that just ran.
            Ok(unsafe { pg_sys::SPI_processed })
        })
    })
}

/// Runs a statement and maps each row.
pub fn query<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    spi(sql, || {
        Spi::connect_mut(|client| {
            // `update`, because pgrx's `select` reads an old snapshot while the transaction has no id.
            let table: SpiTupleTable<'_> = client.update(sql, None, args)?;
            table.map(|tuple| row(&Row(tuple))).collect()
        })
    })
}

/// Runs a query without taking a transaction id, for what runs in every turn of the worker.
pub fn read<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    spi(sql, || {
        Spi::connect(|client| client.select(sql, None, args)?.map(|tuple| row(&Row(tuple))).collect())
    })
}

/// Runs a query with a boolean result, as [`read`] does. None at all is false.
pub fn yes(question: &str) -> Result<bool, PgError> {
    Ok(read(question, &[], |row| row.get::<bool>(1))?.first() == Some(&true))
}

/// Runs a query that sees all that has been committed by now, whatever the transaction's snapshot is, without
/// taking a transaction id. It is for definitions, which take effect at once.
pub fn read_now<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    mut row: impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    let sql = CString::new(sql).map_err(|_| PgError::internal("unexpected zero byte in a statement"))?;
    let mut read = || {
        // SAFETY: in a transaction. An error raised inside goes to the abort, which drops the snapshot.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
        let rows = read_as_of_active_snapshot(&sql, args, &mut row);
        // SAFETY: SPI leaves the stack as it found it: the innermost is the one pushed above.
        unsafe { pg_sys::PopActiveSnapshot() };
        rows
    };
    statement::run(sql.to_bytes(), || Spi::connect(|_| read()))
}

/// Runs a read-only query on the active snapshot. pgrx's own call takes another snapshot once the transaction
/// has written something.
fn read_as_of_active_snapshot<T>(
    sql: &CStr,
    args: &[DatumWithOid<'_>],
    row: &mut impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    let mut given = Arguments::of(args);
    // SAFETY: inside an SPI connection; the arrays are of the same length, and read-only statements run on the
    // active snapshot.
    let code = unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        pg_sys::SPI_execute_with_args(
            sql.as_ptr(),
            given.types.len() as i32,
            given.types.as_mut_ptr(),
            given.values.as_mut_ptr(),
            given.nulls.as_ptr(),
            true,
            0,
        )
    };
    check_spi(code)?;
    rows_of_result(row)
}

/// The parameters of a statement, as SPI's functions take them.
pub(super) struct Arguments {
    /// The types.
    pub types: Vec<pg_sys::Oid>,
    /// The values, of which those of NULLs have no meaning.
    pub values: Vec<pg_sys::Datum>,
    /// `n` for a NULL, and a blank for a value.
    pub nulls: Vec<c_char>,
}

impl Arguments {
    /// Converts parameters, which must outlive the result.
    pub fn of(args: &[DatumWithOid<'_>]) -> Arguments {
        let value = |arg: &DatumWithOid<'_>| arg.datum().map_or(pg_sys::Datum::null(), |d| d.sans_lifetime());
        let null = |arg: &DatumWithOid<'_>| if arg.datum().is_some() { b' ' } else { b'n' } as c_char;
        Arguments {
            types: args.iter().map(DatumWithOid::oid).collect(),
            values: args.iter().map(value).collect(),
            nulls: args.iter().map(null).collect(),
        }
    }
}

/// Maps the rows that a statement has just returned. It must be called within the SPI connection in which the
/// statement ran.
pub(super) fn rows_of_result<T>(
    row: &mut impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    // SAFETY: set by the statement that just ran; the rows live as long as the connection.
    unsafe {
        if pg_sys::SPI_tuptable.is_null() {
            return Err(PgError::internal("a statement returned no rows"));
        }
        let table = &*pg_sys::SPI_tuptable;
        let count = pg_sys::SPI_processed as usize;

        let mut rows = Vec::with_capacity(count);
        for index in 0..count {
            if let Some(tuple) = SpiHeapTupleData::new(table.tupdesc, *table.vals.add(index))? {
                rows.push(row(&Row(tuple))?);
            }
        }
        Ok(rows)
    }
}

/// Runs a statement and returns its first row; `None` if it returns no rows.
pub fn query_row<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    row: impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Option<T>, PgError> {
    Ok(query(sql, args, row)?.into_iter().next())
}

/// A row of a result.
pub struct Row<'a>(SpiHeapTupleData<'a>);

impl Row<'_> {
    /// Returns the value of a column, counted from 1; errors if it is NULL.
    pub fn get<T: FromDatum + IntoDatum>(&self, ordinal: usize) -> Result<T, PgError> {
        self.get_opt(ordinal)?.ok_or_else(|| {
            PgError::new(
                pgrx::PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("column {ordinal} of an internal query is null"),
            )
        })
    }

    /// Returns the value of a column, counted from 1; `None` if it is NULL.
    pub fn get_opt<T: FromDatum + IntoDatum>(&self, ordinal: usize) -> Result<Option<T>, PgError> {
        Ok(self.0.get::<T>(ordinal)?)
    }
}
