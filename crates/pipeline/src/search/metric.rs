//! Distances between vectors, and the scores that they become.

/// A distance by which pgvector orders vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// One minus the cosine of the angle.
    Cosine,
    /// The inner product, negated, so that less is nearer.
    InnerProduct,
    /// The Euclidean distance.
    L2,
    /// The taxicab distance.
    L1,
}

impl Metric {
    /// All of them.
    const ALL: [Metric; 4] = [Metric::Cosine, Metric::InnerProduct, Metric::L2, Metric::L1];

    /// Returns the metric of an operator, such as `<=>`; `None` if it is none of pgvector's.
    pub fn of_operator(operator: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.operator() == operator)
    }

    /// Returns the metric of an operator class of pgvector's, such as `vector_cosine_ops`; `None` if it is none
    /// of them.
    ///
    /// ```
    /// # use pgai_rs_pipeline::search::metric::Metric;
    /// assert_eq!(Metric::of_opclass("halfvec_l2_ops"), Some(Metric::L2));
    /// assert_eq!(Metric::of_opclass("text_ops"), None);
    /// ```
    pub fn of_opclass(opclass: &str) -> Option<Metric> {
        let (element, rest) = opclass.split_once('_')?;
        if !matches!(element, "vector" | "halfvec") {
            return None;
        }
        Metric::ALL.into_iter().find(|metric| metric.opclass() == rest)
    }

    /// Returns the name of pgvector's operator classes without the type before it, such as `cosine_ops`.
    pub fn opclass(self) -> &'static str {
        match self {
            Metric::Cosine => "cosine_ops",
            Metric::InnerProduct => "ip_ops",
            Metric::L2 => "l2_ops",
            Metric::L1 => "l1_ops",
        }
    }

    /// Returns pgvector's operator, without its schema.
    pub fn operator(self) -> &'static str {
        match self {
            Metric::Cosine => "<=>",
            Metric::InnerProduct => "<#>",
            Metric::L2 => "<->",
            Metric::L1 => "<+>",
        }
    }

    /// Returns the score of a distance; more is nearer. It is the cosine, from -1 to 1; the inner product; or,
    /// of the other two, 1 / (1 + distance), from 0 to 1.
    pub fn score(self, distance: f64) -> f64 {
        match self {
            Metric::Cosine => 1.0 - distance,
            Metric::InnerProduct => -distance,
            Metric::L2 | Metric::L1 => 1.0 / (1.0 + distance),
        }
    }

    /// Returns the score of two vectors of the same number of dimensions, as [`score`](Metric::score) would of
    /// their distance. It is not finite if the metric does not compare them, as the cosine of a vector of zeros.
    pub fn similarity(self, left: &[f32], right: &[f32]) -> f64 {
        match self {
            Metric::Cosine => inner(left, right) / (inner(left, left) * inner(right, right)).sqrt(),
            Metric::InnerProduct => inner(left, right),
            Metric::L2 => self.score(summed(left, right, |difference| difference * difference).sqrt()),
            Metric::L1 => self.score(summed(left, right, f64::abs)),
        }
    }
}

fn inner(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(l, r)| f64::from(*l) * f64::from(*r)).sum()
}

fn summed(left: &[f32], right: &[f32], of_difference: impl Fn(f64) -> f64) -> f64 {
    left.iter().zip(right).map(|(l, r)| of_difference(f64::from(*l) - f64::from(*r))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distances are those that pgvector gives of these two.
    #[test]
    fn a_similarity_is_the_score_of_the_distance() {
        let (left, right) = ([1.0, 2.0, 2.0], [2.0, 0.0, 1.0]);
        for (metric, distance) in [
            (Metric::Cosine, 1.0 - 4.0 / 45_f64.sqrt()),
            (Metric::InnerProduct, -4.0),
            (Metric::L2, 6_f64.sqrt()),
            (Metric::L1, 4.0),
        ] {
            let difference = metric.similarity(&left, &right) - metric.score(distance);
            assert!(difference.abs() < 1e-12, "{metric:?}: {difference}");
        }
    }

    #[test]
    fn a_vector_of_zeros_has_no_cosine() {
        assert!(!Metric::Cosine.similarity(&[0.0, 0.0], &[1.0, 0.0]).is_finite());
    }

    #[test]
    fn an_operator_leads_back_to_its_metric() {
        for metric in Metric::ALL {
            assert_eq!(Metric::of_operator(metric.operator()), Some(metric));
        }
        assert_eq!(Metric::of_operator("<~>"), None);
    }
}
