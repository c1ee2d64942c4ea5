//! The names of the tables of a vectorizer's queue, and of their columns.

pub use pgai_rs_queue::tables::{OwnColumns, QueueTables, Remembered};

use super::binding::Relations;
use super::table::Table;
use super::{failed_name, inbox_name, origin_name, work_name};
use crate::pg::error::PgError;
use crate::pg::sql::{self, qualified};

/// Returns the current names of a vectorizer's tables.
pub fn of(id: i32, relations: &Relations) -> QueueTables {
    let origin = relations.origin.as_ref().map(Table::qualified);
    QueueTables {
        inbox: relations.inbox.qualified(),
        work: relations.work.qualified(),
        failed: relations.failed.qualified(),
        origin: origin.unwrap_or_else(|| qualified(&relations.work.schema, &origin_name(id))),
    }
}

/// Returns the names of the tables of a vectorizer that is to be created, from its id and its inbox's schema and
/// name.
pub fn to_be_created(id: i32, schema: &str, inbox: Option<&str>) -> QueueTables {
    QueueTables {
        inbox: qualified(schema, inbox.unwrap_or(&inbox_name(id))),
        work: qualified(schema, &work_name(id)),
        failed: qualified(schema, &failed_name(id)),
        origin: qualified(schema, &origin_name(id)),
    }
}

/// Returns the names of the own columns of existing tables, with a key of these columns.
pub fn own_columns(relations: &Relations, key: Vec<String>) -> Result<OwnColumns, PgError> {
    let tables: Vec<_> = relations.queue().iter().map(|table| table.oid).collect();
    let there = sql::read_now(
        "SELECT DISTINCT a.attname::text FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped",
        &[tables.into()],
        |row| row.get::<String>(1),
    )?;
    Ok(OwnColumns::among(there, key))
}
