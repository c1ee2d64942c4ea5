//! Views that read a store, kept while the store is replaced: they are defined anew by the names that the new one gets.
//!
//! They may belong to others. Whatever is done to a view is done as its owner.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::lock;
use crate::pg::sql::{self, Row, execute};

/// A view as it was before the store was replaced.
pub struct View {
    /// The view.
    pub table: Table,
    /// True if it names the store itself, and not only another view.
    is_direct: bool,
    definition: String,
    /// Its options, as `WITH` takes them; `None` if it has none.
    options: Option<String>,
    /// The rights on it: what is granted and to whom.
    grants: Vec<String>,
    /// Its comment as a literal; `None` if it has none.
    comment: Option<String>,
}

/// The views and materialized views that read a store (`$1`), those first that others read. True if they name the store itself.
const READERS: &str = "
    WITH RECURSIVE readers (oid, depth) AS (
        SELECT $1::oid, 0
        UNION
        SELECT w.ev_class, r.depth + 1
        FROM readers r
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = r.oid
             AND d.classid = 'pg_catalog.pg_rewrite'::regclass
        JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.rulename = '_RETURN'
        WHERE w.ev_class <> r.oid)
    SELECT r.oid, bool_or(r.depth = 1), pg_catalog.pg_get_viewdef(r.oid),
           pg_catalog.array_to_string(c.reloptions, ', '), pg_catalog.quote_literal(pg_catalog.obj_description(r.oid, 'pg_class'))
    FROM readers r JOIN pg_catalog.pg_class c ON c.oid = r.oid
    WHERE r.depth > 0
    GROUP BY r.oid, c.relkind, c.reloptions
    ORDER BY max(r.depth), r.oid";

/// The rights on a relation (`$1`) that its owner has granted to others, as GRANT takes them.
const GRANTS: &str = "
    SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM pg_catalog.pg_class c
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE c.oid = $1 AND a.grantee <> c.relowner AND (a.grantee = 0 OR r.oid IS NOT NULL)
    ORDER BY 1, 2";

/// Objects that can't be kept where views (`$1`) are created anew, or where a store (`$2`) is replaced that has words (`$3`).
const OBSTACLES: &str = "
    SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_catalog.pg_depend d
    LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class
    -- The table that a constraint, a policy or a trigger belongs to.
    LEFT JOIN LATERAL (
        SELECT k.conrelid FROM pg_catalog.pg_constraint k
        WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
        UNION ALL
        SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
        UNION ALL
        SELECT t.tgrelid FROM pg_catalog.pg_trigger t
        WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid) o (relation) ON true
    WHERE (w.oid IS NULL OR w.rulename <> '_RETURN' OR v.relkind <> 'v')
      AND (d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY ($1) AND d.deptype IN ('n', 'a')
           OR d.refclassid = 'pg_catalog.pg_type'::regclass AND d.deptype = 'n'
              AND d.refobjid IN (SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1))
           OR d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = $2 AND d.deptype = 'n'
              AND (o.relation IS NULL OR o.relation <> $2 AND o.relation IS DISTINCT FROM $3))
    ORDER BY 1";

/// Returns the rights on a relation that its owner has granted: each with the roles, as GRANT takes it around the relation's
/// name.
fn grants(relation: pg_sys::Oid) -> Result<Vec<(String, String)>, PgError> {
    as_superuser(|| {
        sql::read_now(GRANTS, &[relation.into()], |row| {
            let (right, role, option): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((right, format!("{role}{option}")))
        })
    })
}

/// Grants on a relation what is granted on another one, as the owner of both.
pub fn copy_grants(from: pg_sys::Oid, to: &Table) -> Result<(), PgError> {
    let granted = grants(from)?;
    as_user(to.owner, || {
        granted.iter().try_for_each(|(right, to_whom)| {
            execute(&format!("GRANT {right} ON {} TO {to_whom}", to.qualified()), &[]).map(drop)
        })
    })
}

/// Returns the views that read a store, directly or not: those first that others read.
pub fn of(store: &Table) -> Result<Vec<View>, PgError> {
    let found = as_superuser(|| sql::read_now(READERS, &[store.oid.into()], view))?;
    let mut views: Vec<View> = found.into_iter().flatten().filter(|view| view.table.kind == 'v').collect();
    for view in &mut views {
        let name = view.table.qualified();
        let granted = grants(view.table.oid)?;
        view.grants =
            granted.iter().map(|(right, who)| format!("GRANT {right} ON {name} TO {who}")).collect();
    }
    Ok(views)
}

/// Reads a view from a row of [`READERS`]; `None` if it is gone.
fn view(row: &Row<'_>) -> Result<Option<View>, PgError> {
    let Some(table) = Table::look(row.get(1)?) else { return Ok(None) };
    Ok(Some(View {
        table,
        is_direct: row.get(2)?,
        definition: row.get(3)?,
        options: row.get_opt(4)?,
        grants: Vec::new(),
        comment: row.get_opt(5)?,
    }))
}

/// The relations, and the schemas of all objects, that the definitions of views (`$1`) name.
const NAMED: &str = "
    SELECT DISTINCT i.schema, CASE WHEN d.refclassid = 'pg_catalog.pg_class'::regclass THEN d.refobjid END
    FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) i
    WHERE w.ev_class = ANY ($1) AND i.schema IS NOT NULL";

/// Keeps what the definitions of views name from getting other names until the transaction ends, so that they mean the same when
/// they are read again. A function or an operator only its owner renames.
fn hold_names(views: &[View]) -> Result<(), PgError> {
    let views: Vec<pg_sys::Oid> = views.iter().map(|view| view.table.oid).collect();
    let named = as_superuser(|| {
        sql::read_now(NAMED, &[views.into()], |row| {
            Ok((row.get::<String>(1)?, row.get_opt::<pg_sys::Oid>(2)?))
        })
    })?;
    let schemas: Vec<&str> = named.iter().map(|(schema, _)| schema.as_str()).collect();
    lock::schema_names(&schemas)?;
    let relations = named.iter().filter_map(|(_, relation)| relation.and_then(Table::look));
    relations.into_iter().for_each(|relation| relation.lock(pg_sys::AccessShareLock));
    Ok(())
}

/// Locks the views that read a store and returns them as they are then. Errors (40001) if others have come meanwhile.
pub fn hold(store: &Table) -> Result<Vec<View>, PgError> {
    let before = of(store)?;
    before.iter().try_for_each(|view| view.table.hold(pg_sys::AccessExclusiveLock))?;
    hold_names(&before)?;
    let held = of(store)?;
    let names = |views: &[View]| views.iter().map(|view| view.table.clone()).collect::<Vec<_>>();
    if names(&before) == names(&held) {
        return Ok(held);
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("views that read {} were changed concurrently", store.qualified()),
    )
    .with_hint("Repeat the statement."))
}

/// Errors (2BP01) if something depends on a store that would not go over to another one, or on a view that is created anew
/// because the type of its columns changes.
pub fn require_replaceable(
    store: &Table,
    words: Option<&Table>,
    created_anew: &[View],
) -> Result<(), PgError> {
    let views: Vec<pg_sys::Oid> = created_anew.iter().map(|view| view.table.oid).collect();
    let args = [views.into(), store.oid.into(), words.map(|words| words.oid).into()];
    let found = as_superuser(|| sql::read_now(OBSTACLES, &args, |row| row.get::<String>(1)))?;
    if found.is_empty() {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot replace {} because other objects depend on it", store.qualified()),
    )
    .with_detail(format!("They are: {}.", found.join("; ")))
    .with_hint("Views go over to the new table. Drop the other objects, and create them again afterwards."))
}

impl View {
    /// Has the view read what the names in its definition mean now, if it names the store itself. The types of its columns must
    /// not have changed.
    pub fn replace(&self) -> Result<(), PgError> {
        if !self.is_direct {
            return Ok(());
        }
        self.table.require_unchanged()?;
        as_user(self.table.owner, || execute(&self.statement("CREATE OR REPLACE VIEW"), &[])).map(drop)
    }

    /// Creates the view, which was dropped, with the rights on it and its comment. Returns it.
    pub fn create(&self) -> Result<Table, PgError> {
        let Table { owner, schema, name, .. } = &self.table;
        as_user(*owner, || {
            execute(&self.statement("CREATE VIEW"), &[])?;
            self.grants.iter().try_for_each(|grant| execute(grant, &[]).map(drop))?;
            match &self.comment {
                Some(comment) => {
                    execute(&format!("COMMENT ON VIEW {} IS {comment}", self.table.qualified()), &[])
                        .map(drop)
                }
                None => Ok(()),
            }
        })?;
        Table::made(schema, name, &[*owner])
    }

    fn statement(&self, create: &str) -> String {
        let options = self.options.as_ref().map(|options| format!(" WITH ({options})")).unwrap_or_default();
        format!("{create} {}{options} AS {}", self.table.qualified(), self.definition)
    }
}
