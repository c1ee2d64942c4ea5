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
const ADMIN: [&str; 3] = [
    "GRANT SELECT ON ai.vectorizer_worker_process, ai.vectorizer_worker_progress, ai.pgai_lib_version TO",
    "GRANT EXECUTE ON FUNCTION ai.check_s3 TO",
    "GRANT EXECUTE ON FUNCTION ai.start_worker() TO",
];

/// With the caller's own rights: who may not grant something gets Postgres's own error or warning.
#[pg_extern(sql = false)]
fn grant_vectorizer_usage(
    to_user: Option<&CStr>,
    admin: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let role = to_user.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "to_user must not be null")
            .with_hint("Name the role that is to use vectorizers.")
    })?;
    let role = ident(&role.to_string_lossy());
    let admin = admin.unwrap_or(false);
    for grant in USER.iter().chain(if admin { &ADMIN[..] } else { &[] }) {
        sql::execute(&format!("{grant} {role}"), &[])?;
    }
    if admin {
        sql::execute(&format!("GRANT USAGE ON SCHEMA ai TO {role} WITH GRANT OPTION"), &[])?;
    }
    Ok(())
}
