//! Claims that a change of their vectorizer's definition has ended: the text of a key is different since its
//! type, or a value of its enum, has changed.

use pgai_rs_pipeline::document::Ticket;

use super::active::Active;
use super::work::{Claimed, held};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// Returns the tickets whose work rows are no longer held under the keys of the claims. Their results are not
/// written; the rows are claimed again.
pub fn unheld(active: &Active, claims: &[(Ticket, Claimed)]) -> Vec<Ticket> {
    match still_held(active, claims) {
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
            [unheld(active, left), unheld(active, right)].concat()
        }
        Err(_) => claims.iter().map(|(ticket, _)| *ticket).collect(),
    }
}

fn still_held(active: &Active, claims: &[(Ticket, Claimed)]) -> Result<Vec<usize>, PgError> {
    let claims: Vec<&Claimed> = claims.iter().map(|(_, claim)| claim).collect();
    transaction(|| active.as_owner(|| held(&active.definition, &claims)))
}
