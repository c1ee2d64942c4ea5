//! Claims that a change of their vectorizer's definition has ended: the text of a key is different since its
//! type, or a value of its enum, has changed.

use pgai_rs_pipeline::document::Ticket;

use crate::definition::Definition;
use crate::session::{QueueError, Session};
use crate::work::{Claimed, held};

/// Returns the tickets whose work rows are no longer held under the keys of the claims. Their results are not
/// written; the rows are claimed again.
pub fn unheld<S: Session>(session: &mut S, v: &Definition, claims: &[(Ticket, Claimed)]) -> Vec<Ticket> {
    match still_held(session, v, claims) {
        Ok(indexes) => claims
            .iter()
            .enumerate()
            .filter(|(index, _)| !indexes.contains(index))
            .map(|(_, (ticket, _))| *ticket)
            .collect(),
        Err(error) if error.is_contention() => Vec::new(),
        // A key that its type does not take any more fails the statement for all.
        Err(_) if claims.len() > 1 => {
            let (left, right) = claims.split_at(claims.len() / 2);
            [unheld(session, v, left), unheld(session, v, right)].concat()
        }
        Err(_) => claims.iter().map(|(ticket, _)| *ticket).collect(),
    }
}

fn still_held<S: Session>(
    session: &mut S,
    v: &Definition,
    claims: &[(Ticket, Claimed)],
) -> Result<Vec<usize>, S::Error> {
    let claims: Vec<&Claimed> = claims.iter().map(|(_, claim)| claim).collect();
    session.transaction(|s| s.as_owner_unchanged(|s| held(s, v, &claims)))
}
