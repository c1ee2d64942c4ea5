//! The existing vector indexes.

use pgrx::pg_sys;

use super::definition::IndexDefinition;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The state of the index of a store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorTable {
    /// True if there is a valid index of the wanted access method on the whole column, whoever created it.
    pub indexed: bool,
    /// True if there is an invalid index from an unfinished build of ours.
    pub left_over: bool,
    /// True if an index is being built on the store.
    pub being_built: bool,
    /// The number of rows that Postgres estimates; `None` if there is no estimate yet.
    pub estimate: Option<f64>,
}

/// SQL that tells whether the table `s` has a valid index of the access method `$2` on the whole of its
/// column `a`. An index on an expression counts if it is of the column, in half precision or of its bits.
const INDEXED: &str = "EXISTS (
    SELECT FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = x.relam
    JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
    WHERE i.indrelid = s.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname::text = $2
      AND (i.indkey[0] = a.attnum
           OR i.indkey[0] = 0
              AND o.opcintype IN (SELECT t.oid FROM pg_catalog.pg_type t WHERE t.typname IN ('halfvec', 'bit'))
              AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.objid = i.indexrelid
                            AND d.refobjid = s.oid AND d.refobjsubid = a.attnum)))";

/// SQL that tells whether an index is being built on the table `s`.
const BEING_BUILT: &str = "EXISTS (
    SELECT FROM pg_catalog.pg_stat_progress_create_index p
    WHERE p.datname = pg_catalog.current_database() AND p.relid = s.oid)";

/// Returns the state of the table of an index; `None` if it is gone or no longer an ordinary table. Reads
/// only catalogs. Must be called with the right to see the progress of other roles' builds.
pub fn look(index: &IndexDefinition) -> Result<Option<VectorTable>, PgError> {
    let question = format!(
        // The planner's estimate: rows per page at the last VACUUM or ANALYZE, times the current number of
        // pages.
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
         WHERE s.oid = $1 AND s.relkind = 'r'"
    );
    let args = [
        index.oid.into(),
        index.method.to_owned().into(),
        index.name.clone().into(),
        index.column.clone().into(),
    ];
    sql::query_row(&question, &args, |row| {
        Ok(VectorTable {
            indexed: row.get(1)?,
            left_over: row.get(2)?,
            being_built: row.get(3)?,
            estimate: row.get_opt(4)?,
        })
    })
}

/// Returns whether a table's column has an index of this access method.
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

/// Returns whether an index is being built on this table. Must be called with the right to see the progress
/// of other roles' builds.
pub fn being_built(table: pg_sys::Oid) -> Result<bool, PgError> {
    let question = format!("SELECT {BEING_BUILT} FROM pg_catalog.pg_class s WHERE s.oid = $1");
    Ok(sql::query_row(&question, &[table.into()], |row| row.get(1))?.unwrap_or(false))
}

/// Returns whether an open transaction may have built an index on this table that others do not see yet: it
/// holds the lock that CREATE INDEX takes.
pub fn locked_as_for_a_build(table: pg_sys::Oid) -> Result<bool, PgError> {
    let question = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'relation' AND l.mode = 'ShareLock' AND l.granted
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                            WHERE d.datname = pg_catalog.current_database())
          AND l.relation = $1)";
    Ok(sql::query_row(question, &[table.into()], |row| row.get(1))?.unwrap_or(false))
}
