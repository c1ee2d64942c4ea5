//! Rows of `ai._vectorizer_errors`: repeated errors are counted on one row, and the number of rows is
//! limited.

use pgrx::JsonB;
use serde_json::Value;

use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql::execute;

/// Adds an error, or counts it on the row that has the same message, code and key.
///
/// The caller must have the right to write the extension's catalog.
pub fn record(id: i32, message: &str, details: &Value) -> Result<(), PgError> {
    let args = || [id.into(), message.to_owned().into(), JsonB(details.clone()).into()];
    let counted = execute(
        "UPDATE ai._vectorizer_errors
         SET recorded = now(), details = $3 || jsonb_build_object('count', (details ->> 'count')::int8 + 1)
         WHERE id = $1 AND message = $2 AND details ->> 'code' = $3 ->> 'code'
           AND details -> 'key' IS NOT DISTINCT FROM $3 -> 'key'",
        &args(),
    )?;
    if counted == 0 {
        execute(
            "INSERT INTO ai._vectorizer_errors (id, message, details)
             VALUES ($1, $2, $3 || jsonb_build_object('count', 1))",
            &args(),
        )?;
    }
    Ok(())
}

/// Deletes a vectorizer's oldest rows beyond `pgai_rs.max_errors`.
pub fn trim(id: i32) -> Result<(), PgError> {
    execute(
        "DELETE FROM ai._vectorizer_errors
         WHERE ctid = ANY (ARRAY(SELECT ctid FROM ai._vectorizer_errors WHERE id = $1
                                 ORDER BY recorded DESC OFFSET $2))",
        &[id.into(), guc::max_errors().into()],
    )
    .map(drop)
}
