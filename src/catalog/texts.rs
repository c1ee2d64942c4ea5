//! The texts of documents: whether a vectorizer keeps them.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::Loading;
pub use pgai_rs_queue::tables::Texts;

use super::queue_tables::Remembered;
use super::vectorizer::Vectorizer;
use crate::pg::error::PgError;

/// Returns how a vectorizer treats the texts of its documents. Errors if they are to be kept and there is no room for them,
/// which there is from the beginning where documents are loaded from addresses or the destination is a column.
pub fn of(v: &Vectorizer) -> Result<Texts, PgError> {
    let has_room = v.remembered != Remembered::Nothing && v.own.have_texts();
    match (are_wanted(v)?, has_room) {
        (true, true) => Ok(Texts::Kept),
        (false, true) => Ok(Texts::Removed),
        (false, false) => Ok(Texts::Absent),
        (true, false) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("vectorizer \"{}\" has no table in which it could keep texts", v.name),
        )
        .with_detail("The table is made with the vectorizer, and was not before version 0.3.0.")
        .with_hint(
            "Drop the vectorizer and create it again with keep_text, or remove keep_text from its config.",
        )),
    }
}

/// Returns whether the texts of documents are to be kept. The text of a text column is in the column.
fn are_wanted(v: &Vectorizer) -> Result<bool, PgError> {
    Ok(v.config.parsing.keep_text
        && match &v.config.loading {
            Loading::Uri { .. } => true,
            Loading::Column { .. } => v.loading_type()? == "bytea",
        })
}
