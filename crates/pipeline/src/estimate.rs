//! Totals that are estimated from a sample.

/// The factor by which a standard error is multiplied, so that the total lies within the spread in 95 of 100 samples.
const CONFIDENCE: f64 = 1.96;

/// One element of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The weight of the element, which is known of all, such as its size.
    pub weight: f64,
    /// The probability with which it came into the sample; more than 0, at most 1.
    pub probability: f64,
    /// The value whose total is wanted.
    pub value: f64,
}

/// An estimated total.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Total {
    /// The amount.
    pub amount: f64,
    /// The amount by which it may be off in either direction, with a confidence of 95 %.
    pub spread: f64,
}

/// Estimates a total from a sample of elements that were chosen independently. `weight` is that of all elements together.
///
/// The ratio of values to weights is estimated, and taken times the weight of all: where values grow with the weights, a small
/// sample tells much. An element that was certain to be chosen adds nothing to the spread.
pub fn total(sample: &[Observation], weight: f64) -> Total {
    let sum = |of: &dyn Fn(&Observation) -> f64| sample.iter().map(of).sum::<f64>();
    let weighed = sum(&|one| one.weight / one.probability);
    if weighed <= 0.0 {
        return Total::default();
    }

    let ratio = sum(&|one| one.value / one.probability) / weighed;
    let variance = sum(&|one| {
        let off = (one.value - ratio * one.weight) / one.probability;
        (1.0 - one.probability).max(0.0) * off * off
    });
    Total { amount: ratio * weight, spread: CONFIDENCE * variance.sqrt() * weight / weighed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(weight: f64, probability: f64, value: f64) -> Observation {
        Observation { weight, probability, value }
    }

    #[test]
    fn all_elements_are_no_estimate() {
        let all = [one(1.0, 1.0, 5.0), one(3.0, 1.0, 2.0)];
        assert_eq!(total(&all, 4.0), Total { amount: 7.0, spread: 0.0 });
    }

    #[test]
    fn what_is_in_proportion_to_the_weights_is_known_from_few() {
        let few = [one(10.0, 0.1, 20.0), one(40.0, 0.4, 80.0)];
        assert_eq!(total(&few, 1_000.0), Total { amount: 2_000.0, spread: 0.0 });
    }

    #[test]
    fn what_is_not_has_a_spread() {
        let few = [one(1.0, 0.5, 1.0), one(1.0, 0.5, 3.0)];
        let found = total(&few, 4.0);
        assert_eq!(found.amount, 8.0);
        assert!((found.spread - 1.96 * 2.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn nothing_comes_to_nothing() {
        assert_eq!(total(&[], 4.0), Total::default());
    }
}
