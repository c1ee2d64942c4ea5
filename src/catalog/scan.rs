//! Reading the rows of a table without planning a query.
//!
//! Planning evaluates what the table's owner has attached to it, such as expressions of its statistics and of
//! its indexes. A function that reports on all vectorizers must neither run that nor wait for it. Here only
//! Postgres's own code runs: the access methods of tables and of btree indexes, and the comparison of
//! timestamps.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// A column of a table, by its number.
#[derive(Debug, Clone, Copy)]
pub struct ColumnNumber(NonZeroUsize);

impl ColumnNumber {
    /// Returns the column of a table by name. Errors unless it exists and has this type.
    pub fn of(table: pg_sys::Oid, name: &str, kind: pg_sys::Oid) -> Result<ColumnNumber, PgError> {
        let missing = || {
            PgError::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("column {name:?} is missing or has another type"),
            )
        };

        let c_name = CString::new(name).map_err(|_| missing())?;
        // SAFETY: looks up the catalogs; the name is a C string.
        let (number, found) = unsafe {
            let number = pg_sys::get_attnum(table, c_name.as_ptr());
            (number, if number > 0 { pg_sys::get_atttype(table, number) } else { pg_sys::InvalidOid })
        };

        let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        number.filter(|_| found == kind).map(ColumnNumber).ok_or_else(missing)
    }
}

/// A row of a table, valid while it is read.
pub struct ScannedRow {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

impl ScannedRow {
    /// Returns the stored value of an integer of up to eight bytes or of a timestamp; `None` if it is NULL.
    pub fn value(&self, column: ColumnNumber) -> Option<i64> {
        // SAFETY: the row is live, and the column one of its table's, of a type that is passed by value.
        let datum = unsafe { pgrx::htup::heap_getattr_raw(self.tuple, column.0, self.descriptor) };
        datum.map(|datum| datum.value() as i64)
    }
}

/// The rows to be read, and their order.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// All rows, in physical order.
    All,
    /// The rows up to and including a time, the earliest first.
    Until(Ordered, pg_sys::TimestampTz),
    /// The rows after a time, the earliest first.
    After(Ordered, pg_sys::TimestampTz),
}

/// A timestamp column with an index in its order.
#[derive(Debug, Clone, Copy)]
pub struct Ordered {
    column: ColumnNumber,
    index: pg_sys::Oid,
}

/// A valid btree index on just this column, in ascending order of Postgres's own operators, that contains all
/// rows.
const INDEX: &str = "
    SELECT i.indexrelid
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = c.relam
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
    JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
    WHERE i.indrelid = $1 AND i.indkey[0] = $2 AND i.indnatts = 1 AND i.indoption[0] = 0
      AND i.indisvalid AND i.indisready AND NOT i.indcheckxmin AND i.indpred IS NULL AND i.indexprs IS NULL
      AND m.amname = 'btree' AND o.opcname = 'timestamptz_ops' AND n.nspname = 'pg_catalog'
    LIMIT 1";

impl Ordered {
    /// Returns a table's column with an index on it; `None` if there is no suitable index.
    pub fn by(table: pg_sys::Oid, column: ColumnNumber) -> Result<Option<Ordered>, PgError> {
        let number = i16::try_from(column.0.get()).unwrap_or_default();
        let args = [table.into(), number.into()];
        let found = as_superuser(|| sql::read_now(INDEX, &args, |row| row.get::<pg_sys::Oid>(1)))?;
        Ok(found.into_iter().next().map(|index| Ordered { column, index }))
    }
}

/// Passes at most `most` rows of a table to `row`, and returns their number. The table must be locked.
pub fn each(
    table: pg_sys::Oid,
    which: Which,
    most: u64,
    mut row: impl FnMut(&ScannedRow),
) -> Result<u64, PgError> {
    // SAFETY: in a transaction that has a snapshot, on the main thread; an error raised inside goes to the abort of the
    // subtransaction, which closes all. A row is not used once the next is read.
    unsafe {
        let relation = pg_sys::table_open(table, pg_sys::NoLock as pg_sys::LOCKMODE);
        let mut scan = Scan::begin(relation, which);
        let mut count = 0;
        while count < most {
            let tuple = scan.next();
            if tuple.is_null() {
                break;
            }
            row(&ScannedRow { tuple, descriptor: (*relation).rd_att });
            count += 1;
        }
        scan.end();
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        Ok(count)
    }
}

/// A running scan, with its index if it has one.
struct Scan {
    scan: pg_sys::SysScanDesc,
    index: Option<pg_sys::Relation>,
}

impl Scan {
    /// Begins a scan.
    ///
    /// # Safety
    ///
    /// The relation is open, and the index belongs to it.
    unsafe fn begin(relation: pg_sys::Relation, which: Which) -> Scan {
        let (ordered, strategy, operator, time) = match which {
            // SAFETY: by the caller; no index and no key.
            Which::All => unsafe {
                let snapshot = pg_sys::GetActiveSnapshot();
                let no_key = std::ptr::null_mut();
                let scan =
                    pg_sys::systable_beginscan(relation, pg_sys::InvalidOid, false, snapshot, 0, no_key);
                return Scan { scan, index: None };
            },
            Which::Until(ordered, time) => {
                (ordered, pg_sys::BTLessEqualStrategyNumber, pg_sys::F_TIMESTAMPTZ_LE, time)
            }
            Which::After(ordered, time) => {
                (ordered, pg_sys::BTGreaterStrategyNumber, pg_sys::F_TIMESTAMPTZ_GT, time)
            }
        };
        // SAFETY: by the caller. The key is copied, and its column is of the operator's type.
        unsafe {
            let mut key = MaybeUninit::<pg_sys::ScanKeyData>::zeroed();
            pg_sys::ScanKeyInit(
                key.as_mut_ptr(),
                ordered.column.0.get() as pg_sys::AttrNumber,
                strategy as pg_sys::StrategyNumber,
                pg_sys::RegProcedure::from(operator),
                pg_sys::Datum::from(time),
            );
            let index = pg_sys::index_open(ordered.index, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            let snapshot = pg_sys::GetActiveSnapshot();
            let scan = pg_sys::systable_beginscan_ordered(relation, index, snapshot, 1, key.as_mut_ptr());
            Scan { scan, index: Some(index) }
        }
    }

    /// Returns the next row; null at the end.
    ///
    /// # Safety
    ///
    /// The scan has not been ended.
    unsafe fn next(&mut self) -> pg_sys::HeapTuple {
        // SAFETY: by the caller.
        unsafe {
            match self.index {
                Some(_) => {
                    pg_sys::systable_getnext_ordered(self.scan, pg_sys::ScanDirection::ForwardScanDirection)
                }
                None => pg_sys::systable_getnext(self.scan),
            }
        }
    }

    /// Ends the scan and closes its index.
    ///
    /// # Safety
    ///
    /// The scan has not been ended.
    unsafe fn end(self) {
        // SAFETY: by the caller.
        unsafe {
            match self.index {
                Some(index) => {
                    pg_sys::systable_endscan_ordered(self.scan);
                    pg_sys::index_close(index, pg_sys::NoLock as pg_sys::LOCKMODE);
                }
                None => pg_sys::systable_endscan(self.scan),
            }
        }
    }
}
