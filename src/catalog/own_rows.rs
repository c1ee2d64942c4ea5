//! Rows that sessions append for the worker, such as requests: one of a transaction says as much as a million.

use crate::pg::error::PgError;
use crate::pg::sql;
use crate::pg::transaction::has_written;

/// Returns whether this transaction has appended a row for a vectorizer to this table of the extension. Nobody else sees it yet, and
/// so nobody has taken it. Must be called as a superuser.
pub fn has_appended(table: &str, vectorizer: i32) -> Result<bool, PgError> {
    let look = format!(
        "SELECT t.xmin::pg_catalog.text::pg_catalog.int8 FROM ai.{table} t WHERE t.vectorizer_id = $1"
    );
    let appended_by = sql::query(&look, &[vectorizer.into()], |row| row.get::<i64>(1))?;
    Ok(appended_by.into_iter().any(has_written))
}
