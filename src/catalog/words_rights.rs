//! Rights on the words of chunks: whoever may read the chunks may read their words.

use pgrx::pg_sys;

use super::binding::Relations;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::{self, execute};

/// A role as GRANT names it, and whether it may pass the right on.
struct Reader {
    role: String,
    is_grantable: bool,
}

/// The roles that may read a table (`$1`), of those in `$2` or of all if that is NULL. `PUBLIC` has no name.
const READERS: &str = "
    SELECT r.rolname::text, a.is_grantable
    FROM pg_catalog.pg_class c
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE c.oid = $1 AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
      AND (a.grantee = 0 OR r.oid IS NOT NULL) AND ($2 IS NULL OR a.grantee IN (SELECT coalesce(g.oid, 0) FROM pg_catalog.unnest($2) AS g (oid)))
    ORDER BY 1";

/// The roles that may read the words (`$1`), or pass that on, although they may read neither the store (`$2`) nor the view
/// (`$3`, which may be NULL), or not pass it on. True if they may still read.
const OTHERS: &str = "
    SELECT r.rolname::text, s.is_grantable IS NOT NULL OR v.is_grantable IS NOT NULL
    FROM pg_catalog.pg_class c
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    CROSS JOIN LATERAL (
        SELECT pg_catalog.bool_or(b.is_grantable) AS is_grantable
        FROM pg_catalog.pg_class t CROSS JOIN LATERAL pg_catalog.aclexplode(t.relacl) AS b
        WHERE t.oid = $2 AND b.privilege_type = 'SELECT' AND b.grantee = a.grantee) s
    CROSS JOIN LATERAL (
        SELECT pg_catalog.bool_or(b.is_grantable) AS is_grantable
        FROM pg_catalog.pg_class t CROSS JOIN LATERAL pg_catalog.aclexplode(t.relacl) AS b
        WHERE t.oid = $3 AND b.privilege_type = 'SELECT' AND b.grantee = a.grantee) v
    WHERE c.oid = $1 AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
      AND (a.grantee = 0 OR r.oid IS NOT NULL)
      AND (s.is_grantable IS NULL AND v.is_grantable IS NULL OR a.is_grantable AND NOT s.is_grantable)
    ORDER BY 1";

/// Grants SELECT on the words to those who have it on the store, as the owner of both: to these roles, or to all of them if
/// none are given.
pub fn grant(store: &Table, words: &Table, roles: Option<&[pg_sys::Oid]>) -> Result<(), PgError> {
    let args = [store.oid.into(), roles.map(<[pg_sys::Oid]>::to_vec).into()];
    for Reader { role, is_grantable } in read(READERS, &args)? {
        let option = if is_grantable { " WITH GRANT OPTION" } else { "" };
        run(words, &format!("GRANT SELECT ON {} TO {role}{option}", words.qualified()))?;
    }
    Ok(())
}

/// Takes SELECT on the words from those who have it neither on the store nor on the view, and the option to grant it from those
/// who have none on the store.
pub fn revoke_from_others(relations: &Relations) -> Result<(), PgError> {
    let Relations { store: Some(store), view, words: Some(words), .. } = relations else { return Ok(()) };
    let view = view.as_ref().map(|view| view.oid);
    let args = [words.oid.into(), store.oid.into(), view.into()];
    for Reader { role, is_grantable: may_read } in read(OTHERS, &args)? {
        let option = if may_read { "GRANT OPTION FOR " } else { "" };
        run(words, &format!("REVOKE {option}SELECT ON {} FROM {role} CASCADE", words.qualified()))?;
    }
    Ok(())
}

fn read(statement: &str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Vec<Reader>, PgError> {
    as_superuser(|| {
        sql::read_now(statement, args, |row| {
            let role = row.get_opt::<String>(1)?;
            let role = role.as_deref().map_or("PUBLIC".to_owned(), sql::ident);
            Ok(Reader { role, is_grantable: row.get(2)? })
        })
    })
}

/// Runs a statement on the words as their owner.
fn run(words: &Table, statement: &str) -> Result<(), PgError> {
    as_user(words.owner, || execute(statement, &[])).map(drop)
}
