//! `ai.grant_vectorizer_usage`: the rights that a role needs to have vectorizers.

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::rights::{self, Right};
use crate::catalog::vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::sql::{self, ident};

/// Grants for roles that create vectorizers on their own tables. pgai also grants CREATE on the schema and
/// rights on its whole catalog, because its SQL runs as the caller; ours does not.
const USER: [&str; 2] = [
    "GRANT USAGE ON SCHEMA ai TO",
    "GRANT SELECT ON ai.vectorizer, ai.vectorizer_errors, ai.vectorizer_status TO",
];

/// Functions that such roles may call. A database whose objects are of an earlier version does not have them.
const FUNCTIONS: [&str; 4] = [
    "ai.parse_document(bytea, text, text)",
    "ai.parse_document(text, jsonb)",
    "ai.chunk_document(bytea, jsonb, text, text)",
    "ai.chunk_document(text, jsonb, jsonb)",
];

/// Additional grants for roles that look after other roles' vectorizers.
const ADMIN: [&str; 6] = [
    "GRANT SELECT, DELETE ON ai._vectorizer_errors TO",
    "GRANT SELECT ON ai._vectorizer_missed TO",
    "GRANT SELECT ON ai.vectorizer_worker_process, ai.vectorizer_worker_progress, ai.pgai_lib_version TO",
    // A dump contains the state of the id sequences along with the tables' data.
    "GRANT SELECT ON SEQUENCE ai.vectorizer_id_seq, ai.s3_source_id_seq TO",
    "GRANT EXECUTE ON FUNCTION ai.check_s3(text, text, text, text, text, bool) TO",
    "GRANT EXECUTE ON FUNCTION ai.start_worker() TO",
];

/// Grants with the caller's own grant options.
#[pg_extern(sql = false)]
fn grant_vectorizer_usage(
    to_user: Option<&CStr>,
    admin: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let role = to_user.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "to_user must not be null")
            .with_hint("Specify the role that is to use vectorizers.")
    })?;
    require_grantor()?;
    let role = ident(&role.to_string_lossy());
    let more = if admin.unwrap_or(false) { &ADMIN[..] } else { &[] };
    for grant in USER.iter().chain(more) {
        sql::execute(&format!("{grant} {role}"), &[])?;
    }
    for function in FUNCTIONS {
        if exists(function)? {
            sql::execute(&format!("GRANT EXECUTE ON FUNCTION {function} TO {role}"), &[])?;
        }
    }
    Ok(rights::grant(&Right::ALL, &role)?)
}

/// Returns whether there is a function of this signature.
fn exists(function: &str) -> Result<bool, PgError> {
    let look = "SELECT pg_catalog.to_regprocedure($1) IS NOT NULL";
    let found = sql::query_row(look, &[function.to_owned().into()], |row| row.get::<bool>(1))?;
    Ok(found == Some(true))
}

/// Errors unless the caller may grant all of it: GRANT itself only warns if the caller has nothing to grant.
fn require_grantor() -> Result<(), PgError> {
    let may = sql::query_row(
        "SELECT pg_catalog.has_schema_privilege('ai', 'USAGE WITH GRANT OPTION')",
        &[],
        |row| row.get::<bool>(1),
    )?;

    let mut may = may == Some(true);
    for right in Right::ALL {
        may = may && right.may_grant(current_user())?;
    }
    if may {
        return Ok(());
    }

    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "permission denied to grant vectorizer usage",
    )
    .with_hint(
        "Only the extension's owner may do so, and roles that have USAGE on the schema ai and EXECUTE on the \
         functions that declare vectorizers and S3 sources, all of them WITH GRANT OPTION.",
    ))
}

/// Grants roles the rights that they implicitly had before there were grants; called by the upgrade script to
/// this version. These are the roles that own vectorizers or sources, and those that were granted USAGE on
/// the schema by name.
#[pg_extern(sql = false)]
fn keep_rights() -> Result<(), pg_sys::panic::ErrorReport> {
    let owners: Vec<pg_sys::Oid> =
        vectorizer::all()?.iter().map(|entry| entry.relations.source.owner).collect();
    let roles = sql::query(
        "SELECT DISTINCT pg_catalog.quote_ident(r.rolname)
         FROM pg_catalog.pg_roles r
         WHERE NOT r.rolsuper AND (
            r.oid = ANY ($1)
            OR r.oid IN (SELECT c.relowner FROM ai.s3_source s JOIN pg_catalog.pg_class c
                         ON c.oid = pg_catalog.to_regclass('ai._s3_source_seen_' || s.id))
            OR r.oid IN (SELECT a.grantee FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) AS a
                         WHERE n.nspname = 'ai' AND a.privilege_type = 'USAGE'))
         ORDER BY 1",
        &[owners.into()],
        |row| row.get::<String>(1),
    )?;
    // Roles that may dump the one table may also dump the new one.
    let dumping = sql::query(
        "SELECT DISTINCT pg_catalog.quote_ident(r.rolname)
         FROM pg_catalog.pg_class c
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
         JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
         WHERE c.oid = 'ai._vectorizer_errors'::pg_catalog.regclass
           AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner",
        &[],
        |row| row.get::<String>(1),
    )?;

    let _as_a_user = OutsideOfScript::enter();
    for role in &dumping {
        sql::execute(&format!("GRANT SELECT ON ai._vectorizer_missed TO {role}"), &[])?;
    }
    for role in &roles {
        rights::grant(&Right::ALL, role)?;
    }
    if !roles.is_empty() {
        tell(&roles);
    }
    Ok(())
}

fn tell(roles: &[String]) {
    let functions: Vec<String> = Right::ALL.iter().map(|right| format!("ai.{}", right.function())).collect();
    let message =
        format!("roles that keep the right to declare vectorizers and S3 sources: {}", roles.join(", "));
    pg_sys::panic::ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "")
        .set_detail("They have vectorizers or S3 sources, or USAGE on the schema ai.")
        .set_hint(format!(
            "To revoke it, run REVOKE EXECUTE ON FUNCTION {} FROM the role.",
            functions.join(", ")
        ))
        .report(PgLogLevel::WARNING);
}

/// While this exists, grants count as those of a user and not as part of the extension, which a dump would
/// omit.
struct OutsideOfScript(bool);

impl OutsideOfScript {
    fn enter() -> Self {
        // SAFETY: a variable of this backend; at the end of a script that fails Postgres resets it.
        unsafe {
            let before = pg_sys::creating_extension;
            pg_sys::creating_extension = false;
            OutsideOfScript(before)
        }
    }
}

impl Drop for OutsideOfScript {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { pg_sys::creating_extension = self.0 };
    }
}
