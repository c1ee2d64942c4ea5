//! Index builds at a user's request, within the user's transaction, as pgai's functions do it.

use pgai_rs_pipeline::config::indexing::Indexing;
use pgrx::pg_sys;

use super::{definition, existing};
use crate::catalog::destination::stored_as;
use crate::catalog::relation::{self, Relation};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::lock;
use crate::pg::sql;

/// The first key of the advisory lock that pgai takes while it builds an index; the second is the table's
/// OID.
const LOCK: i32 = 1_982_010_642;

/// The result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOutcome {
    /// The index was built, and is visible once the transaction has committed.
    Built,
    /// There was an index already.
    Exists,
    /// Another process is building one.
    Busy,
}

/// A table's column of vectors.
#[derive(Debug, Clone)]
pub struct VectorColumn {
    /// The table.
    pub table: Relation,
    /// The column's name.
    pub name: String,
}

impl VectorColumn {
    /// Returns whether it has an index of this access method.
    pub fn is_indexed(&self, method: &str) -> Result<bool, PgError> {
        existing::indexed(self.table.oid, &self.name, method)
    }

    /// Builds an index as the current user, unless there is one or another process is building one.
    pub fn index(&self, indexing: &Indexing, method: &str) -> Result<BuildOutcome, PgError> {
        if !self.lock()? || as_superuser(|| existing::being_built(self.table.oid))? {
            return Ok(BuildOutcome::Busy);
        }
        if self.is_indexed(method)? {
            return Ok(BuildOutcome::Exists);
        }
        lock::schema_names(&[&self.table.schema, &relation::vector_schema()?])?;
        self.table.as_read().hold(pg_sys::AccessShareLock)?;
        let dimensions = self.dimensions()?;
        let stored = stored_as(self.table.oid, &self.name)?;
        let statement =
            definition::create_now(&self.table.qualified(), &self.name, stored, dimensions, indexing)?;
        if let Some(statement) = statement {
            sql::execute(&statement, &[])?;
        }
        Ok(BuildOutcome::Built)
    }

    /// Takes the lock until the end of the transaction. Returns false if another session holds it.
    fn lock(&self) -> Result<bool, PgError> {
        // OIDs are unsigned, but the keys of the lock are signed.
        let key = self.table.oid.to_u32().cast_signed();
        let lock = "SELECT pg_catalog.pg_try_advisory_xact_lock($1, $2)";
        Ok(sql::query_row(lock, &[LOCK.into(), key.into()], |row| row.get(1))?.unwrap_or(false))
    }

    /// Returns the number of dimensions of the column's type; 0 if it has no fixed number.
    fn dimensions(&self) -> Result<u32, PgError> {
        let modifier = sql::query_row(
            "SELECT a.atttypmod FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = $1 AND a.attname::text = $2",
            &[self.table.oid.into(), self.name.clone().into()],
            |row| row.get::<i32>(1),
        )?;
        Ok(modifier.and_then(|modifier| u32::try_from(modifier).ok()).unwrap_or_default())
    }
}
