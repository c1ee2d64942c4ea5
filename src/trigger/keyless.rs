//! Rows without a key. A table that inherits from a source has its columns but not its primary key, so a key column can
//! be NULL there; from Postgres 18 on, once the key's NOT NULL constraints are declared NO INHERIT. Such a row is skipped,
//! with one warning per table and session.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::table::Table;

thread_local! {
    /// The tables that a warning was raised for.
    static TOLD: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
}

/// Warns that a row of this table is not embedded, once per table and session.
pub fn tell(relation: pg_sys::Oid) {
    if !TOLD.with_borrow_mut(|told| told.insert(relation)) {
        return;
    }

    let table =
        Table::look(relation).map_or_else(|| relation.to_u32().to_string(), |table| table.qualified());
    pg_sys::panic::ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        format!("a row of {table} is not embedded, for its key is NULL"),
        "",
    )
    .set_detail("Chunks are found by the primary key of the table that is inherited from.")
    .set_hint("ALTER TABLE ... ALTER COLUMN ... SET NOT NULL on the key's columns keeps such rows out.")
    .report(PgLogLevel::WARNING);
}
