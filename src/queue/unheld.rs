//! Claims that a change of their vectorizer's definition has ended: the text of a key is different since its
//! type, or a value of its enum, has changed.

use pgai_rs_pipeline::document::Ticket;

use super::claim::Claimed;
use super::complete::held;
use super::served::Served;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// Returns the tickets whose work rows are no longer held under the keys of the claims. Their results are not
/// written; the rows are claimed again.
pub fn unheld(served: &Served, claims: &[(Ticket, Claimed)]) -> Vec<Ticket> {
    match still_held(served, claims) {
        Ok(places) => claims
            .iter()
            .enumerate()
            .filter(|(place, _)| !places.contains(place))
            .map(|(_, (ticket, _))| *ticket)
            .collect(),
        Err(error) if error.is_contention() => Vec::new(),
        // A key that its type does not take any more fails the statement for all.
        Err(_) if claims.len() > 1 => {
            let (left, right) = claims.split_at(claims.len() / 2);
            [unheld(served, left), unheld(served, right)].concat()
        }
        Err(_) => claims.iter().map(|(ticket, _)| *ticket).collect(),
    }
}

fn still_held(served: &Served, claims: &[(Ticket, Claimed)]) -> Result<Vec<usize>, PgError> {
    let claims: Vec<&Claimed> = claims.iter().map(|(_, claim)| claim).collect();
    transaction(|| served.as_owner(|| held(served, &claims)))
}
