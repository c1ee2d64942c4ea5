//! Running a search.

use super::arms::Arms;
use super::known::Known;
use super::nearest::Nearest;
use super::prepared::{lock, prepare};
use super::reader::as_reader;
use super::request::Request;
use super::reranked::{Candidates, Reranker};
use crate::pg::error::PgError;
use crate::pg::result::ReturnedRows;

/// Searches as the current user, and returns the rows that are found: rank, score, distance, the columns of
/// [`column::RETURNED`](super::statement::column::RETURNED), and what the arms have found. A model ranks them if there is one.
pub fn search(
    mut known: Known,
    request: &Request,
    reranker: Option<&dyn Reranker>,
    returned: &ReturnedRows,
) -> Result<(), PgError> {
    lock(&mut known, request)?;
    let owner = known.entry.owner();
    let collection = match &request.words {
        Some(_) => Some(as_reader(owner, || known.collection())?),
        None => None,
    };
    let search = prepare(&mut known, request)?;
    let words = request.words.as_ref().zip(collection);

    if let Some(reranker) = reranker {
        let candidates = as_reader(owner, || {
            let arms = match words {
                Some((text, collection)) => Arms::new(&search, text, collection)?,
                None => Arms::of_vector(&search),
            };
            Candidates::find(&search, &arms, reranker.candidates())
        })?;
        let relevance = reranker.relevance(&candidates.texts)?;
        as_reader(owner, || candidates.answer(&search, relevance.as_deref(), returned))?;
    } else {
        as_reader(owner, || match words {
            Some((text, collection)) => Arms::new(&search, text, collection)?.run(returned),
            None => Nearest::new(&search).run(returned),
        })?;
    }
    known.keep();
    Ok(())
}
