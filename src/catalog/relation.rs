//! The properties of a user's table that the extension needs.

use pgrx::pg_sys;

use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::sql;

/// A table that may be a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its OID.
    pub oid: pg_sys::Oid,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: pg_sys::Oid,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view …
    pub kind: char,
    /// True if rows can be written to it through another table or to another table through it, so that
    /// statement triggers would miss some: it is a partitioned table, a partition, or it inherits or is
    /// inherited.
    pub in_hierarchy: bool,
    /// True if it is a temporary table.
    pub temporary: bool,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The unqualified name of its type, such as `text` or `timestamptz`; for a domain, that of its base
    /// type.
    pub type_name: String,
    /// The columns that it is generated from if it is a virtual generated column, whose value triggers don't
    /// see; else empty.
    pub virtual_from: Vec<String>,
}

impl Relation {
    /// Returns whether it is an ordinary table that is a partition, inherits or is inherited.
    pub fn is_in_inheritance(&self) -> bool {
        self.kind == 'r' && self.in_hierarchy
    }

    /// Returns the relation with this OID; `None` if it is gone.
    pub fn load(oid: pg_sys::Oid) -> Result<Option<Relation>, PgError> {
        let rows = sql::read_now(
            "SELECT n.nspname::text, c.relname::text, c.relowner, c.relkind::text,
                    c.relkind = 'p' OR c.relispartition OR EXISTS (
                        SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
                    c.relpersistence = 't'
             FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = $1",
            &[oid.into()],
            |row| {
                Ok(Relation {
                    oid,
                    schema: row.get(1)?,
                    name: row.get(2)?,
                    owner: row.get(3)?,
                    kind: row.get::<String>(4)?.chars().next().unwrap_or(' '),
                    in_hierarchy: row.get(5)?,
                    temporary: row.get(6)?,
                })
            },
        )?;
        Ok(rows.into_iter().next())
    }

    /// Returns it as a [`Table`], as it was when it was read.
    pub fn as_read(&self) -> Table {
        let Relation { oid, owner, kind, .. } = *self;
        Table { oid, owner, kind, schema: self.schema.clone(), name: self.name.clone() }
    }

    /// Returns it as a [`Table`] as it is now, which can be locked and compared. Errors if it is gone.
    pub fn table(&self) -> Result<Table, PgError> {
        Table::look(self.oid).ok_or_else(|| PgError::raised(format!("{} does not exist", self.qualified())))
    }

    /// Returns `schema.name`, quoted if necessary.
    pub fn qualified(&self) -> String {
        sql::qualified(&self.schema, &self.name)
    }
}

/// Returns the columns of a table in their order.
pub fn columns(relation: pg_sys::Oid) -> Result<Vec<Column>, PgError> {
    sql::read_now(
        "SELECT a.attname::text,
                (WITH RECURSIVE below (typname, typtype, typbasetype) AS (
                     SELECT t.typname, t.typtype, t.typbasetype FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
                     UNION ALL
                     SELECT t.typname, t.typtype, t.typbasetype
                     FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype
                     WHERE b.typtype = 'd')
                 SELECT b.typname::text FROM below b WHERE b.typtype <> 'd'),
                ARRAY(SELECT DISTINCT b.attname::text
                      FROM pg_catalog.pg_attrdef g
                      JOIN pg_catalog.pg_depend d ON (d.refclassid, d.refobjid) = ('pg_catalog.pg_class'::regclass, a.attrelid)
                        AND ((d.classid, d.objid) = ('pg_catalog.pg_attrdef'::regclass, g.oid) OR
                             (d.classid, d.objid, d.objsubid) = ('pg_catalog.pg_class'::regclass, a.attrelid, a.attnum))
                      JOIN pg_catalog.pg_attribute b ON b.attrelid = a.attrelid AND b.attnum = d.refobjsubid
                      WHERE a.attgenerated = 'v' AND (g.adrelid, g.adnum) = (a.attrelid, a.attnum) AND b.attnum <> a.attnum)
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attnum",
        &[relation.into()],
        |row| Ok(Column { name: row.get(1)?, type_name: row.get(2)?, virtual_from: row.get(3)? }),
    )
}

/// Returns whether two columns, each of a relation, are there and have the same type, with the same length or number of dimensions.
pub fn have_same_type(one: (pg_sys::Oid, &str), other: (pg_sys::Oid, &str)) -> Result<bool, PgError> {
    let types = sql::read_now(
        "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
         FROM pg_catalog.pg_attribute a
         WHERE (a.attrelid = $1 AND a.attname::text = $2 OR a.attrelid = $3 AND a.attname::text = $4) AND NOT a.attisdropped",
        &[one.0.into(), one.1.to_owned().into(), other.0.into(), other.1.to_owned().into()],
        |row| row.get::<String>(1),
    )?;
    Ok(matches!(types.as_slice(), [first, second] if first == second))
}

/// Returns the schema that contains pgvector's type. Errors if pgvector is not installed.
pub fn vector_schema() -> Result<String, PgError> {
    sql::read_now(
        "SELECT n.nspname::text
         FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'vector'",
        &[],
        |row| row.get(1),
    )?
    .into_iter()
    .next()
    .ok_or_else(|| {
        PgError::new(pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "extension \"vector\" is not installed")
            .with_hint("Run CREATE EXTENSION vector.")
    })
}
