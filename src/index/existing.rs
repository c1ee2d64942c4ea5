//! The vector indexes that there are.

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

/// The store of an index; none if it is gone, or is a table no more. Reads nothing but catalogs; to
/// be called with the right to see what others build.
pub fn look(index: &Definition) -> Result<Option<Store>, PgError> {
    sql::query_row(
        // An expression counts if it is of the column and in half precision. The estimate is the
        // planner's: rows for each page when last vacuumed or analyzed, times the pages of now.
        "SELECT EXISTS (
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
                                            AND d.refobjid = s.oid AND d.refobjsubid = a.attnum))),
                EXISTS (
                    SELECT FROM pg_catalog.pg_index i
                    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                    WHERE i.indrelid = s.oid AND NOT i.indisvalid AND x.relname::text = $3),
                EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                        WHERE p.datname = pg_catalog.current_database() AND p.relid = s.oid),
                CASE WHEN s.reltuples > 0 AND s.relpages > 0 THEN
                    s.reltuples::float8 / s.relpages * pg_catalog.pg_relation_size(s.oid)
                    / pg_catalog.current_setting('block_size')::float8
                END
         FROM pg_catalog.pg_class s
         JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attname::text = $4
         WHERE s.oid = pg_catalog.to_regclass($1) AND s.relkind = 'r'",
        &[
            index.table.clone().into(),
            index.method.to_owned().into(),
            index.name.clone().into(),
            index.column.clone().into(),
        ],
        |row| {
            Ok(Store {
                indexed: row.get(1)?,
                left_over: row.get(2)?,
                being_built: row.get(3)?,
                estimate: row.get_opt(4)?,
            })
        },
    )
}
