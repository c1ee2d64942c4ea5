//! Rows of `ai._vectorizer_errors`: repeated errors are counted on one row, and the number of rows is
//! limited.

use serde_json::Value;

use crate::session::{Connection, Param};
use crate::sql::errors;

/// Adds an error of the vectorizer with this id, or counts it on the row that has the same message, code and key.
///
/// The caller must have the right to write the extension's catalog.
pub fn record<C: Connection>(
    connection: &mut C,
    id: i32,
    message: &str,
    details: &Value,
) -> Result<(), C::Error> {
    let args = [Param::Int4(id), Param::Text(message), Param::Jsonb(details)];
    let counted = connection.execute(errors::COUNT, &args)?;
    if counted == 0 {
        connection.execute(errors::ADD, &args)?;
    }
    Ok(())
}

/// Deletes a vectorizer's oldest rows beyond so many.
pub fn trim<C: Connection>(connection: &mut C, id: i32, most: i64) -> Result<(), C::Error> {
    connection.execute(errors::TRIM, &[Param::Int4(id), Param::Limit(most)]).map(drop)
}
