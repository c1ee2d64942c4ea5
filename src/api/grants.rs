//! `ai.grant_vectorizer_usage`: what a role needs to have vectorizers.

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use crate::pg::error::PgError;
use crate::pg::sql::{self, ident};

/// For who declares vectorizers on his own tables. pgai also gives CREATE on the schema and all of its
/// catalog, which its SQL needs for it runs as the caller; ours does not.
const USER: [&str; 2] = [
    "GRANT USAGE ON SCHEMA ai TO",
    "GRANT SELECT ON ai.vectorizer, ai.vectorizer_errors, ai.vectorizer_status TO",
];

/// For who looks after the others'.
const ADMIN: [&str; 6] = [
    "GRANT SELECT, DELETE ON ai._vectorizer_errors TO",
    "GRANT SELECT ON ai._vectorizer_missed TO",
    "GRANT SELECT ON ai.vectorizer_worker_process, ai.vectorizer_worker_progress, ai.pgai_lib_version TO",
    // With the tables' data, a dump carries where their ids have come to.
    "GRANT SELECT ON SEQUENCE ai.vectorizer_id_seq, ai.s3_source_id_seq TO",
    "GRANT EXECUTE ON FUNCTION ai.check_s3 TO",
    "GRANT EXECUTE ON FUNCTION ai.start_worker() TO",
];

/// With the caller's own rights.
#[pg_extern(sql = false)]
fn grant_vectorizer_usage(
    to_user: Option<&CStr>,
    admin: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let role = to_user.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "to_user must not be null")
            .with_hint("Name the role that is to use vectorizers.")
    })?;
    require_grantor()?;
    let role = ident(&role.to_string_lossy());
    let more = if admin.unwrap_or(false) { &ADMIN[..] } else { &[] };
    for grant in USER.iter().chain(more) {
        sql::execute(&format!("{grant} {role}"), &[])?;
    }
    Ok(())
}

/// GRANT itself only warns whoever has nothing to give.
fn require_grantor() -> Result<(), PgError> {
    let may = sql::query_row(
        "SELECT pg_catalog.has_schema_privilege('ai', 'USAGE WITH GRANT OPTION')",
        &[],
        |row| row.get::<bool>(1),
    )?;
    if may == Some(true) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "permission denied to grant the use of vectorizers",
    )
    .with_hint("The extension's owner may, and who has USAGE on the schema ai with the right to pass it on."))
}
