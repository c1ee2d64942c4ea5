//! Running a search.

use super::answer::Receiver;
use super::arms::Arms;
use super::known::Known;
use super::nearest::Nearest;
use super::prepared::{Search, lock, prepare};
use super::reader::as_reader;
use super::request::Request;
use super::reranked::{Candidates, Reranker};
use super::scale::Scale;
use super::steps::Steps;
use crate::pg::error::PgError;

/// Searches as the current user, gives the rows that are found to the receiver, and returns what their scores measure. A model
/// ranks them if there is one.
pub fn search(
    mut known: Known,
    request: &Request,
    reranker: Option<&dyn Reranker>,
    steps: &Steps,
    receiver: &dyn Receiver,
) -> Result<Scale, PgError> {
    lock(&mut known, request)?;
    let owner = known.entry.owner();
    let collection = match &request.words {
        Some(_) => Some(as_reader(owner, || known.collection())?),
        None => None,
    };
    let search = prepare(&mut known, request, steps)?;
    let words = request.words.as_ref().zip(collection);
    steps.note_preparation();

    let mut scale = scale(&search);
    if let Some(reranker) = reranker {
        let candidates = as_reader(owner, || {
            let arms = match words {
                Some((text, collection)) => Arms::new(&search, text, collection)?,
                None => Arms::of_vector(&search),
            };
            Candidates::find(&search, &arms, reranker.candidates())
        })?;
        let relevance = candidates.relevance(&search, reranker)?;
        as_reader(owner, || candidates.answer(&search, relevance.as_deref(), receiver))?;
        scale = if relevance.is_some() { Scale::Relevance } else { scale };
    } else {
        as_reader(owner, || match words {
            Some((text, collection)) => Arms::new(&search, text, collection)?.run(receiver),
            None => Nearest::new(&search).run(receiver),
        })?;
    }
    known.keep();
    Ok(scale)
}

/// Returns what the scores of a search measure before a model has ranked what it finds.
fn scale(search: &Search<'_>) -> Scale {
    match search.request.words {
        None => Scale::Distance {
            metric: search.ordering.metric,
            embedding: search.vectorizer.config.embedding.clone(),
        },
        Some(_) => Scale::OfItsOwn,
    }
}
