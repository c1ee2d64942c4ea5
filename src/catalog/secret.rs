//! The database's secrets: API keys of model providers that are set for it.
//!
//! A value is encrypted with the server's key (`pg/key_file.rs`) and bound to the database, its name and the
//! URL that it was set for: a role that can write to the table but lacks the server's key can't direct the
//! value to another URL.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::embed::api_key_name;
use pgai_rs_pipeline::seal::SealKey;
use pgai_rs_pipeline::secret::{ApiKey, Secret};

use super::schema;
use crate::guc;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::key_file;
use crate::pg::sql;

/// A secret as it is stored, encrypted.
struct Sealed {
    name: String,
    base_url: Option<String>,
    sealed: Vec<u8>,
}

/// Returns the API key that an embedding config names: the database's, else the server's; `None` if there is
/// neither.
///
/// If the database has a key that can't be decrypted, that is an error. The server's key is not used instead:
/// somebody else would pay.
pub fn api_key_of(embedding: &Embedding) -> Result<Option<ApiKey>, PgError> {
    match api_key_name(embedding) {
        Some(name) => api_key_named(name),
        None => Ok(None),
    }
}

/// Returns the API key of this name, as [`api_key_of`] does.
pub fn api_key_named(name: &str) -> Result<Option<ApiKey>, PgError> {
    match find(name)? {
        Some(secret) => {
            let value = secret.open()?;
            Ok(Some(ApiKey::of_database(value, secret.base_url)))
        }
        None => Ok(guc::api_key(name)),
    }
}

/// Returns whether the secret of this name can be decrypted; `None` if there is no such secret.
pub fn is_readable(name: &str) -> Result<Option<bool>, PgError> {
    Ok(find(name)?.map(|secret| secret.open().is_ok()))
}

/// Returns a value that changes with every change of the secrets; `None` if there are none.
pub fn version() -> Result<Option<String>, PgError> {
    if !schema::has(c"_secret") {
        return Ok(None);
    }
    let look = "SELECT pg_catalog.string_agg(s.xmin::text || ',' || s.ctid::text, ' ' ORDER BY s.ctid) FROM ai._secret s";
    let found = as_superuser(|| sql::read_now(look, &[], |row| row.get_opt::<String>(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// Writes a secret, replacing one of the same name.
pub fn write(name: &str, value: &Secret, base_url: Option<&str>, by: pg_sys::Oid) -> Result<(), PgError> {
    require_table()?;
    let sealed = seal(&key_file::read_or_make()?, name, value, base_url)?;
    let statement = "
        INSERT INTO ai._secret AS s (name, base_url, sealed, set_by)
        SELECT $1, $2, $3, r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = $4
        ON CONFLICT (name) DO UPDATE
        SET base_url = excluded.base_url, sealed = excluded.sealed, set_by = excluded.set_by, set_at = excluded.set_at";
    let arguments = [name.into(), base_url.into(), sealed.into(), by.into()];
    as_superuser(|| sql::execute(statement, &arguments)).map(drop)
}

/// Removes a secret. Returns whether it existed.
pub fn remove(name: &str) -> Result<bool, PgError> {
    require_table()?;
    let statement = "DELETE FROM ai._secret s WHERE s.name = $1";
    Ok(as_superuser(|| sql::execute(statement, &[name.into()]))? > 0)
}

/// Reads a secret as it is now; `None` if there is none, as with the objects of an earlier version.
fn find(name: &str) -> Result<Option<Sealed>, PgError> {
    schema::require_trusted()?;
    if !schema::has(c"_secret") {
        return Ok(None);
    }
    let statement = "SELECT s.name, s.base_url, s.sealed FROM ai._secret s WHERE s.name = $1";
    let found = as_superuser(|| {
        sql::read_now(statement, &[name.into()], |row| {
            Ok(Sealed { name: row.get(1)?, base_url: row.get_opt(2)?, sealed: row.get(3)? })
        })
    })?;
    Ok(found.into_iter().next())
}

/// Errors unless the schema belongs to a superuser and the extension's objects are of a version that has
/// secrets.
fn require_table() -> Result<(), PgError> {
    schema::require_trusted()?;
    match schema::has(c"_secret") {
        true => Ok(()),
        false => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            "the extension in this database does not support secrets",
        )
        .with_hint("Run ALTER EXTENSION pgai_rs UPDATE.")),
    }
}

impl Sealed {
    fn open(&self) -> Result<Secret, PgError> {
        let key = key_file::read().map_err(|error| self.unreadable(&error.words()))?;
        let binding = Binding::new(&self.name, self.base_url.as_deref());
        key.open(&self.sealed, &binding.parts()).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, why: &str) -> PgError {
        PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("could not read secret {} of this database: {why}", self.name),
        )
        .with_hint(format!(
            "Set it again with ai.set_secret(), remove it with ai.drop_secret(), or restore the file {} that \
             the server's data directory had when it was set.",
            key_file::NAME
        ))
    }
}

fn seal(key: &SealKey, name: &str, value: &Secret, base_url: Option<&str>) -> Result<Vec<u8>, PgError> {
    key.seal(value, &Binding::new(name, base_url).parts()).map_err(|error| {
        PgError::new(PgSqlErrorCode::ERRCODE_SYSTEM_ERROR, format!("could not encrypt the secret: {error}"))
    })
}

/// The context that a secret is bound to: in another database, under another name or for another URL it can't
/// be decrypted.
struct Binding<'a> {
    database: [u8; 4],
    name: &'a str,
    base_url: Option<&'a str>,
}

impl<'a> Binding<'a> {
    fn new(name: &'a str, base_url: Option<&'a str>) -> Self {
        // A database keeps its OID for life, and through pg_upgrade.
        let database = this_database().to_u32().to_le_bytes();
        Binding { database, name, base_url }
    }

    fn parts(&self) -> Vec<&[u8]> {
        let url = self.base_url.map(str::as_bytes);
        [&b"pgai_rs secret"[..], &self.database, self.name.as_bytes()].into_iter().chain(url).collect()
    }
}
