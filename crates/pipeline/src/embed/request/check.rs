//! Checks that an answer is what was asked for.
//!
//! A provider that answers fewer vectors than inputs, or in another order, would otherwise shift
//! vectors onto the wrong chunks without anybody noticing.

use super::dimensions::MOST_DIMENSIONS;
use crate::embed::Vectors;

/// The fault of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::embed) enum Wrong {
    /// All vectors have this many dimensions: the model never makes others.
    Dimensions(usize),
    /// Asked again, the provider may do better.
    Once(String),
}

impl Wrong {
    fn once(what: &str) -> Self {
        Wrong::Once(what.to_owned())
    }
}

/// Puts the vectors into the inputs' order.
///
/// `answered` holds, as the provider sent them, each vector's `index` if it has one. Without any
/// index the order of the answer counts.
///
/// # Errors
///
/// The fault: their number, an index that is missing, doubled or out of range, or a vector that
/// is not `dimensions` long.
pub(in crate::embed) fn in_order(
    answered: Vec<(Option<usize>, Vec<f32>)>,
    inputs: usize,
    dimensions: usize,
) -> Result<Vectors, Wrong> {
    if answered.len() != inputs {
        return Err(Wrong::Once(format!("{} vectors for {inputs} inputs", answered.len())));
    }

    // Whoever does not say how many takes what the first has.
    let first = answered.first().map_or(0, |(_, vector)| vector.len());
    if first > MOST_DIMENSIONS {
        return Err(Wrong::Once(format!(
            "a vector of {first} dimensions, where pgvector stores at most {MOST_DIMENSIONS}"
        )));
    }
    check_dimensions(&answered, if dimensions == 0 { first } else { dimensions })?;

    if answered.iter().all(|(index, _)| index.is_none()) {
        return Ok(answered.into_iter().map(|(_, vector)| vector).collect());
    }

    let mut ordered: Vec<Option<Vec<f32>>> = vec![None; inputs];
    for (index, vector) in answered {
        let place = index
            .and_then(|index| ordered.get_mut(index))
            .ok_or_else(|| Wrong::once("an index is missing or out of range"))?;
        if place.replace(vector).is_some() {
            return Err(Wrong::once("an index occurs twice"));
        }
    }

    // As many vectors as places and no place taken twice: all are taken.
    Ok(ordered.into_iter().flatten().collect())
}

fn check_dimensions(answered: &[(Option<usize>, Vec<f32>)], dimensions: usize) -> Result<(), Wrong> {
    let Some((_, wrong)) = answered.iter().find(|(_, vector)| vector.len() != dimensions) else {
        return Ok(());
    };
    if answered.iter().all(|(_, vector)| vector.len() == wrong.len()) {
        return Err(Wrong::Dimensions(wrong.len()));
    }
    Err(Wrong::Once(format!("a vector of {} dimensions among others of {dimensions}", wrong.len())))
}

/// Returns whether all numbers are finite; pgvector stores no others.
pub(in crate::embed) fn is_finite(vector: &[f32]) -> bool {
    vector.iter().all(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_index() {
        let answered = vec![(Some(1), vec![1.0]), (Some(2), vec![2.0]), (Some(0), vec![0.0])];
        assert_eq!(in_order(answered, 3, 1), Ok(vec![vec![0.0], vec![1.0], vec![2.0]]));
        assert_eq!(
            in_order(vec![(None, vec![1.0]), (None, vec![0.0])], 2, 1),
            Ok(vec![vec![1.0], vec![0.0]])
        );
    }

    #[test]
    fn refuses_what_was_not_asked_for() {
        let wrong = |answered| in_order(answered, 2, 1).unwrap_err();
        assert_eq!(wrong(vec![(Some(0), vec![0.0])]), Wrong::once("1 vectors for 2 inputs"));
        assert_eq!(
            wrong(vec![(Some(0), vec![0.0]), (Some(0), vec![0.0])]),
            Wrong::once("an index occurs twice")
        );
        let missing = Wrong::once("an index is missing or out of range");
        assert_eq!(wrong(vec![(Some(0), vec![0.0]), (Some(2), vec![0.0])]), missing);
        assert_eq!(wrong(vec![(Some(0), vec![0.0]), (None, vec![0.0])]), missing);
        assert_eq!(wrong(vec![(Some(0), vec![0.0; 3]), (Some(1), vec![0.0; 3])]), Wrong::Dimensions(3));
        assert_eq!(
            wrong(vec![(Some(0), vec![0.0]), (Some(1), vec![0.0; 2])]),
            Wrong::once("a vector of 2 dimensions among others of 1")
        );
    }

    #[test]
    fn refuses_more_dimensions_than_are_stored_however_many_were_asked_for() {
        let answered = |dimensions| vec![(None, vec![0.0; dimensions])];
        for asked_for in [0, MOST_DIMENSIONS + 1] {
            let wrong = in_order(answered(MOST_DIMENSIONS + 1), 1, asked_for).unwrap_err();
            assert!(matches!(wrong, Wrong::Once(_)), "{wrong:?}");
        }
        assert!(in_order(answered(MOST_DIMENSIONS), 1, 0).is_ok());
    }

    #[test]
    fn tells_numbers_that_can_be_stored() {
        assert!(is_finite(&[0.0, -1.0]));
        assert!(!is_finite(&[0.0, f32::NAN]));
        assert!(!is_finite(&[f32::INFINITY]));
    }
}
