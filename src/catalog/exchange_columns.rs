//! The exchange of two columns of vectors of one source: each gets the other's name.

use pgrx::PgSqlErrorCode;

use super::dependent_views::{self, View};
use super::exchange_names::unforeseen;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::{self, execute, ident, with_ending};

/// A table and those that inherit from it.
const HEIRS: &str = "
    WITH RECURSIVE heirs (oid) AS (
        SELECT $1::oid
        UNION
        SELECT i.inhrelid FROM heirs h JOIN pg_catalog.pg_inherits i ON i.inhparent = h.oid)";

/// Objects that depend on a column (`$2`) of a table (`$1`), or of what inherits from it, and would not go over to another one: all
/// but views, and what the column has for itself, such as its indexes and statistics.
const OBSTACLES: &str = "
    SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM heirs h
    JOIN pg_catalog.pg_attribute a ON a.attrelid = h.oid AND a.attname::text = $2 AND NOT a.attisdropped
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
         AND d.refobjsubid = a.attnum
    LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class
    LEFT JOIN pg_catalog.pg_proc f ON d.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.objid
    LEFT JOIN pg_catalog.pg_class i ON d.classid = 'pg_catalog.pg_class'::regclass AND i.oid = d.objid AND i.relkind IN ('i', 'I')
    LEFT JOIN pg_catalog.pg_attrdef e ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND e.oid = d.objid
         AND e.adrelid = a.attrelid AND e.adnum = a.attnum
    WHERE i.oid IS NULL AND e.oid IS NULL AND d.classid <> 'pg_catalog.pg_statistic_ext'::regclass
      AND (w.oid IS NULL OR w.rulename <> '_RETURN' OR v.relkind <> 'v')
      AND CASE WHEN coalesce(v.relowner, f.proowner) IS NULL THEN true
               ELSE pg_catalog.has_any_column_privilege(coalesce(v.relowner, f.proowner), d.refobjid, 'SELECT') END
    ORDER BY 1
    LIMIT 20";

/// The rights on a column (`$2`) of a relation (`$1`) that its owner has granted to others.
const GRANTS: &str = "
    SELECT g.privilege_type, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END
           || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname::text = $2 AND NOT a.attisdropped
    CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
    WHERE c.oid = $1 AND g.grantee <> c.relowner AND (g.grantee = 0 OR r.oid IS NOT NULL)
    ORDER BY 1, 2";

/// The comment on a column (`$2`) of a relation (`$1`), as a literal; NULL if it has none.
const COMMENT: &str = "
    SELECT pg_catalog.quote_literal(pg_catalog.col_description(a.attrelid, a.attnum))
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname::text = $2 AND NOT a.attisdropped";

/// Errors (2BP01) if something depends on the one column that would not go over to the other one, or on a view that is created anew
/// because the type changes. Returns whether both columns have the same type, so that `views` stay.
pub fn require_replaceable(
    source: &Table,
    column: &str,
    other: &str,
    views: &[View],
) -> Result<bool, PgError> {
    let args = [source.oid.into(), column.to_owned().into()];
    let statement = format!("{HEIRS} {OBSTACLES}");
    let found = as_superuser(|| sql::read_now(&statement, &args, |row| row.get::<String>(1)))?;
    let replaced = format!("column {} of {}", ident(column), source.qualified());
    dependent_views::require_none(&replaced, &found)?;

    let same_type = has_same_type(source, column, other)?;
    if !same_type {
        dependent_views::require_replaceable(None, None, views)?;
    }
    Ok(same_type)
}

fn has_same_type(source: &Table, column: &str, other: &str) -> Result<bool, PgError> {
    let types = sql::read_now(
        "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = $1 AND a.attname::text IN ($2, $3) AND NOT a.attisdropped",
        &[source.oid.into(), column.to_owned().into(), other.to_owned().into()],
        |row| row.get::<String>(1),
    )?;
    Ok(matches!(types.as_slice(), [one, another] if one == another))
}

/// Returns a name with an ending that no column of a table, or of what inherits from it, has.
pub fn free_beside(source: &Table, column: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = format!(
        "{HEIRS} SELECT EXISTS (SELECT FROM heirs h JOIN pg_catalog.pg_attribute a ON a.attrelid = h.oid
                                WHERE a.attname::text = $2)"
    );
    let wanted = with_ending(column, ending);
    let args = [source.oid.into(), wanted.clone().into()];
    let taken = sql::read_now(&is_taken, &args, |row| row.get::<bool>(1))? == [true];
    Ok(if taken { unforeseen(column, ending) } else { wanted })
}

/// Gives `other` the name of `column`, and `column` that name with an ending, in the source, which must be held for changing it, with
/// its schema's name. Grants on the one what is granted on the other, and gives it its comment. Returns the new name of what was
/// `column`.
pub fn rename(source: &Table, column: &str, other: &str, ending: &str) -> Result<String, PgError> {
    source.require_unchanged()?;
    let (granted, comment) = (grants(source, column)?, comment(source, column)?);
    let aside = free_beside(source, column, ending)?;
    as_user(source.owner, || {
        for (from, to) in [(column, aside.as_str()), (other, column)] {
            let (from, to) = (ident(from), ident(to));
            execute(&format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", source.qualified()), &[])?;
        }
        Ok::<_, PgError>(())
    })?;
    bestow(source, column, &granted, comment.as_deref())?;
    Ok(aside)
}

/// Grants on a column of the source what is granted on another one.
pub fn grant(source: &Table, from: &str, to: &str) -> Result<(), PgError> {
    bestow(source, to, &grants(source, from)?, None)
}

fn grants(source: &Table, column: &str) -> Result<Vec<(String, String)>, PgError> {
    let args = [source.oid.into(), column.to_owned().into()];
    as_superuser(|| sql::read_now(GRANTS, &args, |row| Ok((row.get(1)?, row.get(2)?))))
}

fn comment(source: &Table, column: &str) -> Result<Option<String>, PgError> {
    let args = [source.oid.into(), column.to_owned().into()];
    let found = sql::read_now(COMMENT, &args, |row| row.get_opt::<String>(1))?;
    Ok(found.into_iter().next().flatten())
}

fn bestow(
    source: &Table,
    column: &str,
    granted: &[(String, String)],
    comment: Option<&str>,
) -> Result<(), PgError> {
    let (table, column) = (source.qualified(), ident(column));
    as_user(source.owner, || {
        for (right, to_whom) in granted {
            execute(&format!("GRANT {right} ({column}) ON {table} TO {to_whom}"), &[])?;
        }
        let Some(comment) = comment else { return Ok(()) };
        execute(&format!("COMMENT ON COLUMN {table}.{column} IS {comment}"), &[]).map(drop)
    })
}

/// Returns the error for two vectorizers of which one has a store, and the other one a column.
pub fn different_kinds() -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "cannot exchange the vectors of a column and those of a store",
    )
    .with_hint("Put the destination back into the config of the one that was changed by hand.")
}
