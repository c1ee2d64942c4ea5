//! The vector indexes that there are.

use pgrx::pg_sys;

use super::definition::Definition;
use crate::pg::error::PgError;
use crate::pg::sql;

/// A store, as far as its index is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Store {
    /// There is a valid index of the wanted access method on the whole column, whoever made it.
    pub indexed: bool,
    /// A build of ours did not end, and its index is there and of no use.
    pub left_over: bool,
    /// Somebody builds an index on the store just now.
    pub being_built: bool,
    /// How many rows it has by Postgres's own estimate; none while that knows nothing.
    pub estimate: Option<f64>,
}

/// Whether the table `s` has a valid index of the access method `$2` on the whole of its column `a`.
/// An expression counts if it is of the column and in half precision.
const INDEXED: &str = "EXISTS (
    SELECT FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = x.relam
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
    WHERE i.indrelid = s.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname::text = $2
      AND (i.indkey[0] = a.attnum
           OR i.indkey[0] = 0
              AND o.opcintype IN (SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typname = 'halfvec')
              AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.objid = i.indexrelid
                            AND d.refobjid = s.oid AND d.refobjsubid = a.attnum)))";

/// Whether somebody builds an index on the table `s` just now.
const BEING_BUILT: &str = "EXISTS (
    SELECT FROM pg_catalog.pg_stat_progress_create_index p
    WHERE p.datname = pg_catalog.current_database() AND p.relid = s.oid)";

/// The store of an index; none if it is gone, or is a table no more. Reads nothing but catalogs; to
/// be called with the right to see what others build.
pub fn look(index: &Definition) -> Result<Option<Store>, PgError> {
    let question = format!(
        // The estimate is the planner's: rows for each page when last vacuumed or analyzed, times the
        // pages of now.
        "SELECT {INDEXED},
                EXISTS (
                    SELECT FROM pg_catalog.pg_index i
                    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                    WHERE i.indrelid = s.oid AND NOT i.indisvalid AND x.relname::text = $3),
                {BEING_BUILT},
                CASE WHEN s.reltuples > 0 AND s.relpages > 0 THEN
                    s.reltuples::float8 / s.relpages * pg_catalog.pg_relation_size(s.oid)
                    / pg_catalog.current_setting('block_size')::float8
                END
         FROM pg_catalog.pg_class s
         JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attname::text = $4
         WHERE s.oid = pg_catalog.to_regclass($1) AND s.relkind = 'r'"
    );
    let args = [
        index.table.clone().into(),
        index.method.to_owned().into(),
        index.name.clone().into(),
        index.column.clone().into(),
    ];
    sql::query_row(&question, &args, |row| {
        Ok(Store {
            indexed: row.get(1)?,
            left_over: row.get(2)?,
            being_built: row.get(3)?,
            estimate: row.get_opt(4)?,
        })
    })
}

/// Whether a table's column has an index of this access method.
pub fn indexed(table: pg_sys::Oid, column: &str, method: &str) -> Result<bool, PgError> {
    let question = format!(
        "SELECT {INDEXED}
         FROM pg_catalog.pg_class s
         JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attname::text = $3
         WHERE s.oid = $1"
    );
    let args = [table.into(), method.to_owned().into(), column.to_owned().into()];
    Ok(sql::query_row(&question, &args, |row| row.get(1))?.unwrap_or(false))
}

/// Whether somebody builds an index on this table just now, with the right to see what others build.
pub fn being_built(table: pg_sys::Oid) -> Result<bool, PgError> {
    let question = format!("SELECT {BEING_BUILT} FROM pg_catalog.pg_class s WHERE s.oid = $1");
    Ok(sql::query_row(&question, &[table.into()], |row| row.get(1))?.unwrap_or(false))
}

/// Whether a transaction that is open may have built an index on this table, which nobody else sees
/// yet: it holds the lock that CREATE INDEX takes.
pub fn locked_as_for_a_build(table: &str) -> Result<bool, PgError> {
    let question = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'relation' AND l.mode = 'ShareLock' AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                            WHERE d.datname = pg_catalog.current_database())
          AND l.relation = pg_catalog.to_regclass($1))";
    Ok(sql::query_row(question, &[table.to_owned().into()], |row| row.get(1))?.unwrap_or(false))
}
