//! Objects that depend on vectors that are to be replaced, or on views that are to be created anew, and that could not go over.
//!
//! An object of somebody who may not read the vectors shows nothing, and stays with the old ones: no stranger gets in the way.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::hierarchy::DESCENDANTS;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// The owner of a dependent object `d`, of which `pg_depend` has `classid` and `objid`, and the relation that it belongs to, if it
/// belongs to one.
const OWNED: &str = "
    CROSS JOIN LATERAL (
        SELECT CASE d.classid
            WHEN 'pg_catalog.pg_class'::regclass THEN d.objid
            WHEN 'pg_catalog.pg_rewrite'::regclass THEN (SELECT w.ev_class FROM pg_catalog.pg_rewrite w WHERE w.oid = d.objid)
            WHEN 'pg_catalog.pg_constraint'::regclass THEN (SELECT k.conrelid FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid)
            WHEN 'pg_catalog.pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid = d.objid)
            WHEN 'pg_catalog.pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid)
            WHEN 'pg_catalog.pg_attrdef'::regclass THEN (SELECT a.adrelid FROM pg_catalog.pg_attrdef a WHERE a.oid = d.objid)
        END) AS placed (relation)
    LEFT JOIN pg_catalog.pg_class c ON c.oid = placed.relation
    LEFT JOIN pg_catalog.pg_proc f ON d.classid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.objid
    LEFT JOIN pg_catalog.pg_type y ON d.classid = 'pg_catalog.pg_type'::regclass AND y.oid = d.objid
    LEFT JOIN pg_catalog.pg_operator p ON d.classid = 'pg_catalog.pg_operator'::regclass AND p.oid = d.objid
    CROSS JOIN LATERAL (SELECT coalesce(c.relowner, f.proowner, y.typowner, p.oprowner)) AS owned (by)
    LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    CROSS JOIN LATERAL (SELECT coalesce(w.rulename = '_RETURN' AND c.relkind = 'v', false)) AS kind (is_view)";

/// The join that says of a dependent object whether its owner may read what it depends on. That is looked at once for each owner:
/// everybody may have as many objects as they like.
const MAY_READ: &str = "LEFT JOIN readers r ON r.by = owned.by AND r.of = d.of";

/// Objects that can't be kept where views (`$1`) are dropped and created anew, or where a store and its view (`$2`) are replaced, with
/// words (`$3`). Views that read them go over, unless they are a stranger's: those stay. But they can't stay on a view that is dropped.
const OF_STORE: &str = "
    WITH targets (class, object, relation, is_dropped) AS (
        SELECT 'pg_catalog.pg_class'::regclass, v.oid, v.oid, true FROM pg_catalog.unnest($1) AS v (oid)
        UNION ALL
        SELECT 'pg_catalog.pg_class'::regclass, s.oid, s.oid, false FROM pg_catalog.unnest($2) AS s (oid)
        UNION ALL
        SELECT 'pg_catalog.pg_type'::regclass, r.oid, c.oid, c.oid = ANY ($1)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_type t ON t.oid = c.reltype
        CROSS JOIN LATERAL (VALUES (t.oid), (t.typarray)) AS r (oid)
        WHERE c.oid = ANY ($1 || $2) AND r.oid <> 0),
    d AS MATERIALIZED (
        SELECT DISTINCT d.classid, d.objid, d.objsubid, t.relation AS of, t.is_dropped, t.class AS of_class
        FROM targets t
        JOIN pg_catalog.pg_depend d ON d.refclassid = t.class AND d.refobjid = t.object
        WHERE d.deptype = 'n' OR d.deptype = 'a' AND t.is_dropped AND t.class = 'pg_catalog.pg_class'::regclass)";

/// Those of a store, from [`OF_STORE`] and [`OWNED`].
const IN_THE_WAY_OF_STORE: &str = "
    WHERE CASE WHEN kind.is_view AND d.of_class = 'pg_catalog.pg_class'::regclass THEN d.is_dropped AND c.oid <> ALL ($1)
               WHEN d.is_dropped THEN true
               ELSE (placed.relation IS NULL OR d.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_rewrite'::regclass)
                     OR placed.relation <> ALL ($2) AND placed.relation IS DISTINCT FROM $3)
                    -- A foreign key takes a right of its own. Everybody may use the type of a row, in a cast as well, which has
                    -- no owner; a type gets another name with its table.
                    AND CASE WHEN owned.by IS NULL THEN d.of_class = 'pg_catalog.pg_class'::regclass
                             ELSE d.classid = 'pg_catalog.pg_constraint'::regclass OR r.may_read END END";

/// Returns a query for those that depend on a column (`$2`) of a table (`$1`), or of what inherits from it: all but views, and what the column has for
/// itself, such as its statistics, its default, and indexes of it alone. Another index would be dropped with the column.
fn of_column() -> String {
    format!(
        "WITH d AS MATERIALIZED (
             SELECT DISTINCT d.classid, d.objid, d.objsubid, a.attrelid AS of, a.attnum AS of_column
             FROM pg_catalog.pg_attribute a
             JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
                  AND d.refobjsubid = a.attnum
             WHERE a.attrelid IN ({DESCENDANTS}) AND a.attname::text = $2 AND NOT a.attisdropped)"
    )
}

/// Those of a column, from [`of_column`] and [`OWNED`].
const IN_THE_WAY_OF_COLUMN: &str = "
    WHERE NOT kind.is_view
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_index x
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND x.indexrelid = d.objid
                        AND x.indnatts = 1 AND x.indpred IS NULL AND NOT x.indisunique)
      AND d.classid <> 'pg_catalog.pg_statistic_ext'::regclass
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef e
                      WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND e.oid = d.objid
                        AND e.adrelid = d.of AND e.adnum = d.of_column)
      AND (owned.by IS NULL OR r.may_read)";

/// Returns a query that tells whether something depends on a table (`$1`), or on the type of its rows, that belongs to a role that may
/// read it. What the table has for itself, such as a policy, goes with it.
fn of_readers() -> String {
    format!(
        "WITH d AS MATERIALIZED (
             SELECT DISTINCT d.classid, d.objid
             FROM (SELECT 'pg_catalog.pg_class'::regclass, c.oid FROM pg_catalog.pg_class c WHERE c.oid = $1
                   UNION ALL
                   SELECT 'pg_catalog.pg_type'::regclass, r.oid
                   FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_type t ON t.oid = c.reltype
                   CROSS JOIN LATERAL (VALUES (t.oid), (t.typarray)) AS r (oid)
                   WHERE c.oid = $1) AS t (class, object)
             JOIN pg_catalog.pg_depend d ON d.refclassid = t.class AND d.refobjid = t.object
             WHERE d.deptype = 'n')
         SELECT EXISTS (
             SELECT FROM (SELECT DISTINCT owned.by FROM d {OWNED}
                          WHERE placed.relation IS DISTINCT FROM $1 AND owned.by IS NOT NULL) o
             WHERE pg_catalog.has_any_column_privilege(o.by, $1, 'SELECT'))"
    )
}

/// Returns whether somebody has built something on a table who may read it.
pub fn is_built_on_by_reader(table: &Table) -> Result<bool, PgError> {
    let args = [table.oid.into()];
    let found = as_superuser(|| sql::read_now(&of_readers(), &args, |row| row.get::<bool>(1)))?;
    Ok(found.contains(&true))
}

/// Relations that are replaced, and views that are dropped and created anew for that.
#[derive(Default)]
pub struct Replaced {
    /// The store, and its view if that is replaced as well.
    pub stays: Vec<pg_sys::Oid>,
    /// The words of the store.
    pub words: Option<pg_sys::Oid>,
    /// The views that are dropped and created anew, because the type of their columns changes.
    pub dropped: Vec<pg_sys::Oid>,
}

/// Errors (2BP01) if something depends on what is replaced or dropped that would not go over. `named` is how errors call what is
/// replaced.
pub fn require_none_of(replaced: Replaced, named: &str) -> Result<(), PgError> {
    let Replaced { stays, words, dropped } = replaced;
    let found = described(OF_STORE, IN_THE_WAY_OF_STORE, &[dropped.into(), stays.into(), words.into()])?;
    require_none(named, &found)
}

/// Errors (2BP01) if something depends on a column of a table, or of one that inherits from it, that would not go over to another
/// column.
pub fn require_none_of_column(source: &Table, column: &str) -> Result<(), PgError> {
    let args = [source.oid.into(), column.to_owned().into()];
    let found = described(&of_column(), IN_THE_WAY_OF_COLUMN, &args)?;
    require_none(&column_of(source, column), &found)
}

/// Returns how errors call a column of a table.
pub fn column_of(source: &Table, column: &str) -> String {
    format!("column {} of {}", ident(column), source.qualified())
}

/// Returns the descriptions of the first objects, each with its owner.
fn described(
    dependents: &str,
    in_the_way: &str,
    args: &[pgrx::datum::DatumWithOid<'_>],
) -> Result<Vec<String>, PgError> {
    let statement = format!(
        "{dependents},
         readers AS MATERIALIZED (
             SELECT o.by, o.of, pg_catalog.has_any_column_privilege(o.by, o.of, 'SELECT') AS may_read
             FROM (SELECT DISTINCT owned.by, d.of FROM d {OWNED} WHERE owned.by IS NOT NULL) o)
         SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
                || coalesce(' of role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(owned.by)), '')
         FROM d {OWNED} {MAY_READ} {in_the_way}
         ORDER BY 1 LIMIT 20"
    );
    as_superuser(|| sql::read_now(&statement, args, |row| row.get::<String>(1)))
}

fn require_none(replaced: &str, obstacles: &[String]) -> Result<(), PgError> {
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot replace {replaced} because other objects depend on it"),
    )
    .with_detail(format!("They are: {}.", obstacles.join("; ")))
    .with_hint(
        "Views go over to what replaces it. Drop the other objects, and create them again afterwards.",
    ))
}
