//! `ai.set_secret` and `ai.drop_secret`: API keys of model providers for one database.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::embed::server_of_database_key;
use pgai_rs_pipeline::secret::Secret;

use crate::access;
use crate::catalog::{rights, secret};
use crate::guc;
use crate::pg::discreet::without_statement;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::sql;
use crate::trigger::wake;

/// Maximum length of a value in bytes. The key of a service account has some 2,400.
const MOST_BYTES: usize = 16 << 10;

/// Sets a secret. There is no check of rights beyond EXECUTE, which the administrator grants.
#[pg_extern(sql = false)]
fn set_secret(
    name: Option<&str>,
    value: Option<&str>,
    base_url: Option<&str>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    Ok(without_statement(value, || set(name, value, base_url))?)
}

fn set(name: Option<&str>, value: Option<&str>, base_url: Option<&str>) -> Result<(), PgError> {
    let name =
        name.ok_or_else(|| null("name", "Specify the name as in api_key_name, such as OPENAI_API_KEY."))?;
    let value = value.ok_or_else(|| null("value", "Use ai.drop_secret() to remove a secret."))?.trim();
    if value.is_empty() || value.len() > MOST_BYTES {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("value must have between 1 and {MOST_BYTES} bytes"),
        )
        .with_hint("Specify the key itself. Use ai.drop_secret() to remove a secret."));
    }

    // This comes before anything is created outside the database.
    // SAFETY: raises an error on a standby and in a read-only transaction.
    unsafe { pg_sys::PreventCommandIfReadOnly(c"ai.set_secret()".as_ptr()) };
    let user = current_user();
    let server = server_of_database_key(name, base_url, rights::author(user), &guc::pipeline())
        .map_err(access::embedding::refused)?;
    secret::write(name, &Secret::new(value), server.as_deref(), user)?;
    wake::worker_at_commit();
    Ok(())
}

/// Removes a secret. There is no check of rights beyond EXECUTE, which the administrator grants.
#[pg_extern(sql = false)]
fn drop_secret(name: Option<&str>) -> Result<(), pg_sys::panic::ErrorReport> {
    let name =
        name.ok_or_else(|| null("name", "See the view ai.secrets for the secrets of this database."))?;
    if !secret::remove(name)? {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("secret {name:?} does not exist in this database"),
        )
        .with_hint("See the view ai.secrets for the secrets of this database.")
        .into());
    }
    wake::worker_at_commit();
    Ok(())
}

/// Returns whether a secret can be decrypted, for `ai.secrets`; NULL if the caller may not read that view or
/// there is no such secret.
#[pg_extern(sql = false)]
fn secret_is_readable(name: Option<&str>) -> Result<Option<bool>, pg_sys::panic::ErrorReport> {
    let Some(name) = name else { return Ok(None) };
    let may = sql::read_now(
        "SELECT pg_catalog.has_table_privilege($1, 'ai.secrets', 'SELECT')",
        &[current_user().into()],
        |row| row.get_opt::<bool>(1),
    )?;
    match may == [Some(true)] {
        true => Ok(secret::is_readable(name)?),
        false => Ok(None),
    }
}

fn null(argument: &str, hint: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
        .with_hint(hint)
}
