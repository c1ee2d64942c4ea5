//! One order of what searches in several places have found.

use super::fusion::SMOOTHING;

/// Returns the first `most` of what several searches have found, each the best first, with their scores. Scores that can be
/// compared are kept, and the best come first; otherwise a place in its own order makes the score, so that the first ones of
/// all searches come first. Of equals, that of the earlier search comes first.
///
/// ```
/// # use pgai_rs_pipeline::search::merging::merge;
/// let found = || vec![vec![("a", 0.9), ("b", 0.2)], vec![("c", 0.7)]];
/// let order = |comparable| merge(found(), comparable, 2).into_iter().map(|(row, _)| row).collect::<Vec<_>>();
/// assert_eq!(order(true), ["a", "c"]);
/// assert_eq!(merge(found(), false, 1), [("a", 1.0 / 61.0)]);
/// ```
pub fn merge<T>(found: Vec<Vec<(T, f64)>>, are_comparable: bool, most: usize) -> Vec<(T, f64)> {
    let scored = |(place, (row, score)): (usize, (T, f64))| match are_comparable {
        true => (row, score),
        false => (row, 1.0 / (SMOOTHING + place as f64 + 1.0)),
    };
    let mut merged: Vec<(T, f64)> =
        found.into_iter().flat_map(|rows| rows.into_iter().enumerate().map(scored)).collect();
    // A stable sort, so that equals stay as they came.
    merged.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    merged.truncate(most);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<Vec<(char, f64)>> {
        vec![vec![('a', 0.5), ('b', 0.4)], vec![('c', 0.5), ('d', 0.45)], Vec::new()]
    }

    fn order(merged: &[(char, f64)]) -> String {
        merged.iter().map(|(row, _)| row).collect()
    }

    #[test]
    fn scores_that_can_be_compared_decide() {
        let merged = merge(found(), true, 10);
        assert_eq!(order(&merged), "acdb");
        assert_eq!(merged[2].1, 0.45);
    }

    #[test]
    fn otherwise_places_do() {
        let merged = merge(found(), false, 3);
        assert_eq!(order(&merged), "acb");
        assert_eq!([merged[1].1, merged[2].1], [1.0 / 61.0, 1.0 / 62.0]);
    }

    #[test]
    fn nothing_found_is_nothing() {
        assert!(merge::<char>(Vec::new(), true, 5).is_empty());
    }
}
