//! The fusion of what several arms of a search have found into one order.

use std::collections::HashMap;
use std::hash::Hash;

/// The constant that reciprocal ranks are smoothed with: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
/// Condorcet and individual Rank Learning Methods", SIGIR 2009.
pub const SMOOTHING: f64 = 60.0;

/// The way in which the arms' orders become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fusion {
    /// Adds up ranks: a chunk's score is the sum of `weight / (60 + rank)` over the arms that have found it.
    Ranks,
    /// Adds up scores: a chunk's score is the sum of `weight * score` over the arms, each arm's scores stretched so that
    /// its best one is 1 and its worst one 0 (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
    /// Retrieval", ACM TOIS 42 (1), 2023, who call it a convex combination of min-max-normalised scores).
    Scores,
}

impl Fusion {
    /// Returns its name, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Fusion::Ranks => "ranks",
            Fusion::Scores => "scores",
        }
    }
}

/// The chunks that an arm has found, the best first, with their scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm<T> {
    /// The weight of the arm.
    pub weight: f64,
    /// The chunks that it has found, with their scores; more is better.
    pub found: Vec<(T, f64)>,
}

/// A chunk in the fused order.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<T> {
    /// The chunk.
    pub chunk: T,
    /// The fused score.
    pub score: f64,
    /// For each arm, its place in that arm's order, counted from 0; `None` if the arm has not found it.
    pub places: Vec<Option<usize>>,
}

/// Returns all chunks that one of the arms has found, the best first. Of equals, the one comes first that the first arm has
/// found earlier.
///
/// ```
/// # use pgai_rs_pipeline::search::fusion::{Arm, Fusion, fuse};
/// let vectors = Arm { weight: 1.0, found: vec![("a", 0.9), ("b", 0.8)] };
/// let words = Arm { weight: 1.0, found: vec![("b", 7.0), ("c", 3.0)] };
/// let fused = fuse(&[vectors, words], Fusion::Ranks);
/// assert_eq!(fused.iter().map(|fused| fused.chunk).collect::<Vec<_>>(), ["b", "a", "c"]);
/// ```
pub fn fuse<T: Clone + Eq + Hash>(arms: &[Arm<T>], fusion: Fusion) -> Vec<Fused<T>> {
    let mut fused: Vec<Fused<T>> = Vec::new();
    let mut known: HashMap<&T, usize> = HashMap::new();
    for (number, arm) in arms.iter().enumerate() {
        let contribution = Contribution::of(arm, fusion);
        for (place, (chunk, score)) in arm.found.iter().enumerate() {
            let index = *known.entry(chunk).or_insert(fused.len());
            if index == fused.len() {
                fused.push(Fused { chunk: chunk.clone(), score: 0.0, places: vec![None; arms.len()] });
            }
            let found = &mut fused[index];
            found.score += arm.weight * contribution.of_chunk(place, *score);
            found.places[number] = Some(place);
        }
    }

    fused.sort_by(|left, right| right.score.total_cmp(&left.score));
    fused
}

/// The share of a chunk in the fused score, before the arm's weight.
enum Contribution {
    OfRank,
    OfScore { worst: f64, range: f64 },
}

impl Contribution {
    fn of<T>(arm: &Arm<T>, fusion: Fusion) -> Contribution {
        if fusion == Fusion::Ranks {
            return Contribution::OfRank;
        }
        let scores = || arm.found.iter().map(|(_, score)| *score);
        let (best, worst) = (scores().fold(f64::MIN, f64::max), scores().fold(f64::MAX, f64::min));
        Contribution::OfScore { worst, range: best - worst }
    }

    fn of_chunk(&self, place: usize, score: f64) -> f64 {
        match *self {
            Contribution::OfRank => 1.0 / (SMOOTHING + place as f64 + 1.0),
            // All are equally good, and so all are the best.
            Contribution::OfScore { range, .. } if range <= 0.0 => 1.0,
            Contribution::OfScore { worst, range } => (score - worst) / range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(weight: f64, found: &[(char, f64)]) -> Arm<char> {
        Arm { weight, found: found.to_vec() }
    }

    fn order(fused: &[Fused<char>]) -> String {
        fused.iter().map(|fused| fused.chunk).collect()
    }

    #[test]
    fn by_ranks_the_score_is_the_sum_of_reciprocals() {
        let fused = fuse(&[arm(1.0, &[('a', 0.9), ('b', 0.1)]), arm(0.5, &[('b', 3.0)])], Fusion::Ranks);

        assert_eq!(order(&fused), "ba");
        assert!((fused[0].score - (1.0 / 62.0 + 0.5 / 61.0)).abs() < 1e-12);
        assert!((fused[1].score - 1.0 / 61.0).abs() < 1e-12);
        assert_eq!(fused[0].places, [Some(1), Some(0)]);
        assert_eq!(fused[1].places, [Some(0), None]);
    }

    #[test]
    fn by_scores_each_arm_reaches_from_0_to_1() {
        let arms = [arm(1.0, &[('a', 0.9), ('b', 0.8), ('c', 0.7)]), arm(2.0, &[('c', 12.0), ('d', 2.0)])];
        let fused = fuse(&arms, Fusion::Scores);

        assert_eq!(order(&fused), "cabd");
        let scores: Vec<f64> = fused.iter().map(|fused| (fused.score * 1e6).round() / 1e6).collect();
        assert_eq!(scores, [2.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn equal_scores_are_all_the_best() {
        let fused = fuse(&[arm(1.0, &[('a', 0.5), ('b', 0.5)]), arm(1.0, &[])], Fusion::Scores);
        assert_eq!(order(&fused), "ab");
        assert_eq!(fused[1].score, 1.0);
    }

    #[test]
    fn an_arm_without_weight_changes_no_order_of_the_other() {
        let arms = [arm(1.0, &[('a', 0.9), ('b', 0.8)]), arm(0.0, &[('b', 9.0), ('c', 8.0)])];
        assert_eq!(order(&fuse(&arms, Fusion::Ranks)), "abc");
        assert_eq!(order(&fuse(&arms, Fusion::Scores)), "abc");
    }

    #[test]
    fn nothing_found_is_nothing() {
        assert!(fuse::<char>(&[], Fusion::Ranks).is_empty());
        assert!(fuse(&[arm(1.0, &[]), arm(1.0, &[])], Fusion::Scores).is_empty());
    }
}
