//! Rights that are granted on a relation, and giving the same ones to another relation.

use std::collections::HashSet;

use pgrx::pg_sys;

use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::{self, execute};
use crate::pg::transaction::subtransaction;

/// A right on a relation, or on a column of it, that was granted to somebody other than its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The right as GRANT takes it, such as `SELECT` or `SELECT (id)`.
    right: String,
    /// The role that has it, as GRANT takes it.
    grantee: String,
    grantee_oid: pg_sys::Oid,
    grantor: pg_sys::Oid,
    is_grantable: bool,
}

/// The rights on a relation (`$1`), or only those on the column of it with this name (`$2`), that others than its owner have.
const GRANTS: &str = "
    SELECT g.privilege_type || coalesce(' (' || pg_catalog.quote_ident(g.column_name) || ')', ''),
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END,
           g.grantee, g.grantor, g.is_grantable
    FROM (SELECT a.privilege_type, a.grantee, a.grantor, a.is_grantable, NULL::text AS column_name, c.relowner
          FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
          WHERE c.oid = $1 AND $2::text IS NULL
          UNION ALL
          SELECT a.privilege_type, a.grantee, a.grantor, a.is_grantable, t.attname, c.relowner
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped AND t.attname::text = coalesce($2, t.attname::text)
          CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
          WHERE c.oid = $1) g
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = g.grantee
    JOIN pg_catalog.pg_roles o ON o.oid = g.grantor
    WHERE g.grantee <> g.relowner AND (g.grantee = 0 OR r.oid IS NOT NULL)
    ORDER BY 1, 2, g.grantor";

/// Returns the rights that are granted on a relation and its columns.
pub fn of(relation: pg_sys::Oid) -> Result<Vec<Grant>, PgError> {
    read(relation, None)
}

/// Returns the rights that are granted on a column of a relation itself.
pub fn of_column(relation: pg_sys::Oid, column: &str) -> Result<Vec<Grant>, PgError> {
    read(relation, Some(column.to_owned()))
}

fn read(relation: pg_sys::Oid, column: Option<String>) -> Result<Vec<Grant>, PgError> {
    as_superuser(|| {
        sql::read_now(GRANTS, &[relation.into(), column.into()], |row| {
            Ok(Grant {
                right: row.get(1)?,
                grantee: row.get(2)?,
                grantee_oid: row.get(3)?,
                grantor: row.get(4)?,
                is_grantable: row.get(5)?,
            })
        })
    })
}

/// Grants these rights on a relation, which has the same owner as the one that they were granted on, and no others.
pub fn have(relation: &Table, wanted: &[Grant]) -> Result<(), PgError> {
    let there = of(relation.oid)?;
    if wanted == there {
        return Ok(());
    }
    revoke(relation, &there)?;
    give(relation, wanted)
}

/// Takes these rights on a relation back, and with them what was passed on.
pub fn revoke(relation: &Table, granted: &[Grant]) -> Result<(), PgError> {
    let name = relation.qualified();
    let by_owner = granted.iter().filter(|grant| grant.grantor == relation.owner);
    as_user(relation.owner, || {
        for Grant { right, grantee, .. } in by_owner {
            execute(&format!("REVOKE {right} ON {name} FROM {grantee} CASCADE"), &[])?;
        }
        Ok(())
    })
}

/// Takes rights back as the roles that have granted them: those on a column that were granted by a right on the whole relation.
pub fn revoke_as_granted(relation: &Table, granted: &[Grant]) -> Result<(), PgError> {
    let name = relation.qualified();
    granted.iter().try_for_each(|Grant { right, grantee, grantor, .. }| {
        as_user(*grantor, || execute(&format!("REVOKE {right} ON {name} FROM {grantee} CASCADE"), &[]))
            .map(drop)
    })
}

/// Grants these rights on a relation, each as the role that has granted it, so that what was passed on ends with the right of who did
/// so. What such a role can't grant any more is left out, with a warning.
pub fn give(relation: &Table, granted: &[Grant]) -> Result<(), PgError> {
    let name = relation.qualified();
    let passes_on = |grant: Grant| grant.is_grantable.then_some((grant.right, grant.grantee_oid));
    let mut may_pass_on: HashSet<(String, pg_sys::Oid)> =
        of(relation.oid)?.into_iter().filter_map(passes_on).collect();
    let mut left = granted.to_vec();
    loop {
        let whole = |right: &str| right.split(" (").next().unwrap_or_default().to_owned();
        let is_next = |grant: &mut Grant| {
            let rights = [grant.right.clone(), whole(&grant.right)];
            grant.grantor == relation.owner
                || rights.into_iter().any(|right| may_pass_on.contains(&(right, grant.grantor)))
        };
        let next: Vec<Grant> = left.extract_if(.., is_next).collect();
        if next.is_empty() {
            return Ok(());
        }
        for Grant { right, grantee, grantee_oid, grantor, is_grantable } in next {
            let option = if is_grantable { " WITH GRANT OPTION" } else { "" };
            let statement = format!("GRANT {right} ON {name} TO {grantee}{option}");
            let grant = |role| as_user(role, || execute(&statement, &[]));
            if grantor == relation.owner {
                grant(grantor)?;
            } else if let Err(error) = subtransaction(|| grant(grantor)) {
                pgrx::warning!("{right} on {name} is not granted to {grantee} any more: {error}");
                continue;
            }
            if is_grantable {
                may_pass_on.insert((right, grantee_oid));
            }
        }
    }
}
