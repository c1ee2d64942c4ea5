//! Numbers of vectorizers, batches, S3 sources and runs.
//!
//! Whoever may write all data (`pg_write_all_data`) may set any sequence, also back to numbers that are taken.

use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// A sequence of the extension's.
pub struct Sequence {
    /// Its qualified name.
    name: &'static str,
    /// The table and the column that its numbers are for.
    table: &'static str,
    column: &'static str,
}

/// Ids of vectorizers.
pub const VECTORIZERS: Sequence =
    Sequence { name: "ai.vectorizer_id_seq", table: "ai.vectorizer", column: "id" };

/// Ids of S3 sources.
pub const S3_SOURCES: Sequence =
    Sequence { name: "ai.s3_source_id_seq", table: "ai.s3_source", column: "id" };

/// Numbers of the runs of S3 sources.
pub const RUNS: Sequence =
    Sequence { name: "ai._s3_source_run_run_seq", table: "ai._s3_source_run", column: "run" };

/// Ids of batches.
pub const BATCHES: Sequence =
    Sequence { name: "ai._vectorizer_batch_id_seq", table: "ai._vectorizer_batch", column: "id" };

impl Sequence {
    /// Returns the next number, which is higher than all that are taken. Postgres errors, and names the sequence, if
    /// there is none.
    pub fn next<T: pgrx::FromDatum + pgrx::IntoDatum>(&self, of_type: &str) -> Result<T, PgError> {
        self.pass_taken()?;
        let next = format!("SELECT pg_catalog.nextval('{}')::{of_type}", self.name);
        let number = as_superuser(|| sql::query_row(&next, &[], |row| row.get::<T>(1)))?;
        number.ok_or_else(|| PgError::internal(format!("sequence {} returned no value", self.name)))
    }

    /// Moves the sequence past the numbers that are taken, if it is not there.
    pub fn pass_taken(&self) -> Result<(), PgError> {
        let Sequence { name, table, column } = self;
        let behind = format!(
            "SELECT pg_catalog.setval('{name}', h.number)
             FROM (SELECT max({column}) FROM {table}) h (number), {name} s
             WHERE h.number > s.last_value OR h.number = s.last_value AND NOT s.is_called"
        );
        as_superuser(|| sql::query(&behind, &[], |_| Ok(()))).map(drop)
    }
}
