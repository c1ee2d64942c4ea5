//! The extension in the worker's database: whether it is there.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::catalog::definitions::{self, Watch};
use crate::catalog::{schema, telling};
use crate::pg::error::PgError;
use crate::pg::sql;

/// The worker's knowledge of the extension in its database.
#[derive(Default)]
pub struct Extension {
    /// The watch over a table of the extension's, which goes with it; `None` if its catalog is to be asked each time.
    watch: Option<Watch>,
}

impl Extension {
    /// Returns whether it is there. Errors if its schema can't be trusted, because it is read as superuser. Must be called
    /// within a transaction, with whose beginning all that others have changed was heard of.
    pub fn is_there(&mut self) -> Result<bool, PgError> {
        match self.watch.as_ref().is_some_and(Watch::is_undisturbed) {
            true => Ok(true),
            false => self.look(),
        }
    }

    fn look(&mut self) -> Result<bool, PgError> {
        let since = definitions::generation();
        let before = self.watch.take();
        let is_there = version()?.is_some();
        if is_there {
            let tables = telling::of(&telling::OF_VECTORIZERS)?;
            self.watch = tables.map(|tables| Watch::over_names(tables, since));
        }
        drop(before);
        Ok(is_there)
    }
}

/// Returns the version of the extension's objects, or `None` if the database does not have the extension.
/// Errors if its schema can't be trusted. Must be called within a transaction.
pub fn version() -> Result<Option<String>, PgError> {
    let look = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pgai_rs'";
    let version = sql::read(look, &[], |row| row.get::<String>(1))?.into_iter().next();
    if version.is_some() {
        schema::require_trusted()?;
    }
    Ok(version)
}

/// Warns that the extension's objects are of another version. They work, but lack what is new.
pub fn recommend_update(version: &str) {
    let own = env!("CARGO_PKG_VERSION");
    if version != own {
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            format!(
                "the version of the library pgai_rs is {own}, but that of the extension in this database is \
                 {version}"
            ),
            "",
        )
        .set_hint("Run ALTER EXTENSION pgai_rs UPDATE.")
        .report(PgLogLevel::WARNING);
    }
}
