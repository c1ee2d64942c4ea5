//! The types of the columns that a search reads.
//!
//! The tables are their owner's, who may give a column another type at any time. A value of a type of Postgres's own can be
//! converted to the type that is returned, and runs nothing of anybody's. With a type of the owner's come operators and
//! casts of the owner's, which would run as whoever searches.

use std::ffi::CString;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::table::Table;
use crate::pg::error::PgError;
use crate::pg::sql::ident;

/// Returns the type of a column, below all domains; `None` if there is no such column.
pub fn base_type(relation: pg_sys::Oid, column: &str) -> Option<pg_sys::Oid> {
    let name = CString::new(column).ok()?;
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the name is a C string.
    unsafe {
        let number = pg_sys::get_attnum(relation, name.as_ptr());
        let declared = if number > 0 { pg_sys::get_atttype(relation, number) } else { pg_sys::InvalidOid };
        (declared != pg_sys::InvalidOid).then(|| pg_sys::getBaseType(declared))
    }
}

/// Returns whether the type of a column is one of Postgres's own, or a domain over one.
pub fn is_postgres_own(relation: pg_sys::Oid, column: &str) -> bool {
    base_type(relation, column).is_some_and(|base| base.to_u32() < pg_sys::FirstNormalObjectId)
}

/// Errors (42804) if a column has a type that is neither Postgres's own nor a domain over one. A column that is missing is
/// left to the statement that names it.
pub fn require_postgres_own(relation: &Table, columns: &[&str]) -> Result<(), PgError> {
    let other = columns
        .iter()
        .find(|column| base_type(relation.oid, column).is_some() && !is_postgres_own(relation.oid, column));
    other.map_or(Ok(()), |column| Err(other_type(relation, column)))
}

/// Returns the error for a column whose type a search does not read.
pub fn other_type(relation: &Table, column: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!(
            "column {} of {} has another type than it was made with",
            ident(column),
            relation.qualified()
        ),
    )
    .with_hint("Give the column its former type again, or drop the vectorizer and create it again.")
}
