//! Rows without a key. A table that inherits from a source has its columns, and not its primary key: up to Postgres 17 a
//! column of the key can be NULL there. Such a row is passed over, and whoever writes it is told, once in a session.

use std::cell::RefCell;
use std::collections::HashSet;

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use crate::catalog::table::Table;

thread_local! {
    /// The tables whose users have been told.
    static TOLD: RefCell<HashSet<pg_sys::Oid>> = RefCell::new(HashSet::new());
}

/// Warns that a row of this table is not embedded.
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
