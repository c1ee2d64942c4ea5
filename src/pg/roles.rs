//! Roles as statements name them.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::sql::{self, ident};

/// Returns the name of a role, quoted if necessary. Errors if the role does not exist.
pub fn role_name(role: pg_sys::Oid) -> Result<String, PgError> {
    let name = sql::query_row(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid = $1",
        &[role.into()],
        |row| row.get::<String>(1),
    )?;
    name.map(|name| ident(&name)).ok_or_else(|| {
        let message = format!("role with OID {} does not exist", role.to_u32());
        PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, message)
    })
}
