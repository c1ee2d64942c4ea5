//! Reading a source's primary key.

use pgrx::{PgSqlErrorCode, pg_sys};

pub use pgai_rs_queue::key::{GivenKeys, Key, KeyColumn, KeyValues};

use crate::pg::error::PgError;
use crate::pg::lock;
use crate::pg::sql::{self, Row, ident};

const KEY_COLUMNS: &str = "
    SELECT a.attname::text, a.attnum::int4, k.position::int4,
           pg_catalog.format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation OPERATOR(pg_catalog.<>) t.typcollation
                THEN pg_catalog.format(' COLLATE %I.%I', cn.nspname, c.collname) ELSE '' END,
           CASE WHEN o.oid IS NOT NULL THEN pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) END,
           EXISTS (SELECT FROM pg_catalog.pg_cast ct
                   WHERE ct.castsource = base.oid AND ct.casttarget = 'text'::pg_catalog.regtype
                     AND ct.castmethod = 'f' AND base.oid >= 16384),
           CASE WHEN base.oid OPERATOR(pg_catalog.<>) t.oid AND base.typtype = 'e'
                THEN '::' OPERATOR(pg_catalog.||) pg_catalog.format_type(base.oid, -1) ELSE '' END
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    -- Below all domains.
    CROSS JOIN LATERAL (
        WITH RECURSIVE below (oid) AS (
            SELECT t.oid
            UNION ALL
            SELECT d.typbasetype FROM below b JOIN pg_catalog.pg_type d ON d.oid = b.oid WHERE d.typtype = 'd')
        SELECT y.oid, y.typtype FROM below b JOIN pg_catalog.pg_type y ON y.oid = b.oid WHERE y.typtype <> 'd') base
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
    -- The index of a key WITHOUT OVERLAPS is a GiST one: then as a btree one would have it.
    LEFT JOIN LATERAL (
        SELECT ao.amopopr
        FROM pg_catalog.pg_opclass oc
        JOIN pg_catalog.pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree'
        JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
             AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
        WHERE oc.oid = i.indclass[k.position - 1] OR oc.opcdefault AND oc.opcintype IN (
            base.oid,
            CASE WHEN base.oid = 'varchar'::pg_catalog.regtype THEN 'text'::pg_catalog.regtype END,
            CASE base.typtype WHEN 'r' THEN 'anyrange'::pg_catalog.regtype
                              WHEN 'm' THEN 'anymultirange'::pg_catalog.regtype
                              WHEN 'e' THEN 'anyenum'::pg_catalog.regtype END)
        ORDER BY oc.oid = i.indclass[k.position - 1] DESC, oc.opcintype = base.oid DESC LIMIT 1) eq ON true
    LEFT JOIN pg_catalog.pg_operator o ON o.oid = eq.amopopr
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts
    ORDER BY k.position";

/// Returns the primary key of a table; `None` if it has none.
pub fn of(relation: pg_sys::Oid) -> Result<Option<Key>, PgError> {
    Ok(Key::new(sql::read_now(KEY_COLUMNS, &[relation.into()], column)?))
}

/// Returns the primary key of a source. Errors if it has none.
pub fn required(source: pg_sys::Oid) -> Result<Key, PgError> {
    of(source)?.ok_or_else(|| PgError::raised("source table must have a primary key constraint"))
}

/// Reads a column from a row of [`KEY_COLUMNS`].
fn column(row: &Row<'_>) -> Result<KeyColumn, PgError> {
    let name: String = row.get(1)?;
    let type_name: String = row.get(4)?;
    let equals = row.get_opt(6)?.ok_or_else(|| unordered(&name, &type_name))?;
    Ok(KeyColumn {
        name,
        attnum: row.get(2)?,
        position: row.get(3)?,
        type_name,
        collate: row.get(5)?,
        equals,
        has_cast: row.get(7)?,
        compared_as: row.get(8)?,
    })
}

/// The schemas of the types of a key's columns, of the types below their domains, and of the operators that
/// compare them.
const SCHEMAS: &str = "
    WITH RECURSIVE k (type, opclass) AS (
        SELECT a.atttypid, i.indclass[k.position - 1]
        FROM pg_catalog.pg_index i
        CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts
        UNION
        SELECT t.typbasetype, k.opclass FROM k JOIN pg_catalog.pg_type t ON t.oid = k.type WHERE t.typtype = 'd'),
    families AS (
        SELECT oc.opcfamily FROM pg_catalog.pg_opclass oc
        WHERE oc.oid IN (SELECT k.opclass FROM k)
           OR oc.opcdefault AND oc.opcintype IN (SELECT k.type FROM k))
    SELECT DISTINCT n.nspname::text
    FROM pg_catalog.pg_namespace n
    WHERE n.oid IN (SELECT t.typnamespace FROM k JOIN pg_catalog.pg_type t ON t.oid = k.type
                    UNION ALL
                    SELECT o.oprnamespace FROM families f
                    JOIN pg_catalog.pg_amop ao ON ao.amopfamily = f.opcfamily AND ao.amopstrategy = 3
                    JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr)
    ORDER BY 1";

/// Returns the schemas that the definition of a table's primary key names.
pub fn schemas(relation: pg_sys::Oid) -> Result<Vec<String>, PgError> {
    sql::read_now(SCHEMAS, &[relation.into()], |row| row.get(1))
}

/// Keeps the schemas of [`schemas`] from being renamed until the transaction ends; see [`lock::schema_names`]. Errors
/// (40001) if one of them has been renamed meanwhile.
pub fn hold_schemas(relation: pg_sys::Oid) -> Result<(), PgError> {
    let before = schemas(relation)?;
    lock::schema_names(&before.iter().map(String::as_str).collect::<Vec<_>>())?;
    if schemas(relation)? == before {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        "a schema with types of a primary key was renamed concurrently",
    )
    .with_hint("Repeat the statement."))
}

/// Returns the error for a primary key that a queue can't have: on Postgres 18, one with a GiST index.
fn unordered(column: &str, type_name: &str) -> PgError {
    let column = ident(column);
    PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "primary key column {column} has type {type_name}, which has no default btree operator class"
        ),
    )
    .with_detail("The tables of a vectorizer's queue have the same key, with a btree index on it.")
    .with_hint("Use another primary key, such as a column that is GENERATED ALWAYS AS IDENTITY.")
}
