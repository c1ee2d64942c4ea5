//! Running a search.

use super::arms::Arms;
use super::known::Known;
use super::nearest::Nearest;
use super::prepared::{lock, prepare};
use super::reader::as_reader;
use super::request::Request;
use crate::pg::error::PgError;
use crate::pg::result::ReturnedRows;

/// Searches as the current user, and returns the rows that are found: rank, score, distance, the columns of
/// [`column::RETURNED`](super::statement::column::RETURNED), and what the arms have found.
pub fn search(mut known: Known, request: &Request, returned: &ReturnedRows) -> Result<(), PgError> {
    lock(&mut known, request)?;
    let owner = known.entry.owner();
    let collection = match &request.words {
        Some(_) => Some(as_reader(owner, || known.collection())?),
        None => None,
    };
    let search = prepare(&mut known, request)?;
    as_reader(owner, || match (&request.words, collection) {
        (Some(text), Some(collection)) => Arms::new(&search, text, collection)?.run(returned),
        _ => Nearest::new(&search).run(returned),
    })?;
    known.keep();
    Ok(())
}
