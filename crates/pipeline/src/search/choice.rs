//! The choice among candidates that are sorted by their scores.

use std::collections::HashMap;

use super::metric::Metric;

/// A chunk that a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its score; more is better.
    pub score: f64,
    /// Its document. It counts only if the number of chunks of a document is limited.
    pub document: String,
    /// Its vector. It counts only if diversity is asked for.
    pub vector: Vec<f32>,
}

/// The conditions of a choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The number of candidates to choose.
    pub k: usize,
    /// The largest number of chunks of one document; `None` if any.
    pub per_document: Option<usize>,
    /// The weight of being unlike what is chosen already, from 0 to 1; `None` if it has none.
    pub diversity: Option<f64>,
    /// The metric by which vectors are compared.
    pub metric: Metric,
}

/// Returns the indexes of the chosen candidates, in the order in which they were chosen. The candidates are
/// sorted by score, the best first. `pause` is called now and then, for what the caller has to do meanwhile.
pub fn choose(candidates: &[Candidate], terms: &Terms, pause: impl FnMut()) -> Vec<usize> {
    match terms.diversity {
        Some(diversity) => diverse(candidates, terms, diversity, pause),
        None => best(candidates, terms),
    }
}

/// The numbers of chunks that were chosen of each document.
struct Counts<'a> {
    most: Option<usize>,
    chosen: HashMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn new(most: Option<usize>) -> Self {
        Counts { most, chosen: HashMap::new() }
    }

    fn has_room(&self, document: &str) -> bool {
        self.most.is_none_or(|most| self.chosen.get(document).is_none_or(|chosen| *chosen < most))
    }

    fn note(&mut self, document: &'a str) {
        if self.most.is_some() {
            *self.chosen.entry(document).or_default() += 1;
        }
    }
}

fn best(candidates: &[Candidate], terms: &Terms) -> Vec<usize> {
    let mut counts = Counts::new(terms.per_document);
    let mut chosen = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        if chosen.len() == terms.k {
            break;
        }
        if counts.has_room(&candidate.document) {
            counts.note(&candidate.document);
            chosen.push(index);
        }
    }
    chosen
}

/// Chooses by maximal marginal relevance: each time the candidate with the largest
/// `(1 - diversity) * score - diversity * similarity`, where `similarity` is that to the most similar one of those
/// that are chosen already (Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering
/// documents and producing summaries", SIGIR 1998; their λ is `1 - diversity`).
fn diverse(candidates: &[Candidate], terms: &Terms, diversity: f64, mut pause: impl FnMut()) -> Vec<usize> {
    let mut counts = Counts::new(terms.per_document);
    let mut chosen = Vec::new();
    let mut rest: Vec<usize> = (0..candidates.len()).collect();
    // To the most similar of those that are chosen; 0 weighs nothing where none is.
    let mut similarities = vec![None::<f64>; candidates.len()];

    while chosen.len() < terms.k {
        rest.retain(|index| counts.has_room(&candidates[*index].document));
        let worth = |index: usize| {
            (1.0 - diversity) * candidates[index].score - diversity * similarities[index].unwrap_or(0.0)
        };
        // Of equals the first, whose score is the best.
        let next = rest.iter().copied().reduce(|a, b| if worth(b) > worth(a) { b } else { a });
        let Some(next) = next else { break };

        chosen.push(next);
        counts.note(&candidates[next].document);
        rest.retain(|index| *index != next);
        for &index in &rest {
            pause();
            let similarity = terms.metric.similarity(&candidates[index].vector, &candidates[next].vector);
            if similarity.is_finite() {
                let known = similarities[index].unwrap_or(similarity);
                similarities[index] = Some(known.max(similarity));
            }
        }
    }

    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(score: f64, document: &str, vector: &[f32]) -> Candidate {
        Candidate { score, document: document.to_owned(), vector: vector.to_vec() }
    }

    fn terms(k: usize, per_document: Option<usize>, diversity: Option<f64>) -> Terms {
        Terms { k, per_document, diversity, metric: Metric::Cosine }
    }

    /// Two that are alike, one that is unlike them, and a third that is like the first two.
    fn found() -> Vec<Candidate> {
        vec![
            candidate(0.95, "a", &[1.0, 0.1]),
            candidate(0.94, "a", &[1.0, 0.1]),
            candidate(0.60, "b", &[0.1, 1.0]),
            candidate(0.50, "c", &[1.0, 0.0]),
        ]
    }

    fn chosen(k: usize, per_document: Option<usize>, diversity: Option<f64>) -> Vec<usize> {
        choose(&found(), &terms(k, per_document, diversity), || ())
    }

    #[test]
    fn takes_the_best() {
        assert_eq!(chosen(2, None, None), [0, 1]);
        assert_eq!(chosen(9, None, None), [0, 1, 2, 3]);
        assert_eq!(choose(&[], &terms(2, Some(1), Some(0.5)), || ()), [0; 0]);
    }

    #[test]
    fn takes_so_many_of_a_document() {
        assert_eq!(chosen(2, Some(1), None), [0, 2]);
        assert_eq!(chosen(9, Some(1), None), [0, 2, 3]);
        assert_eq!(chosen(9, Some(2), None), [0, 1, 2, 3]);
        assert_eq!(chosen(9, Some(1), Some(0.5)), [0, 2, 3]);
    }

    #[test]
    fn prefers_what_is_unlike_what_it_has() {
        assert_eq!(chosen(2, None, Some(0.0)), [0, 1]);
        assert_eq!(chosen(2, None, Some(0.5)), [0, 2]);
        assert_eq!(chosen(4, None, Some(0.5)), [0, 2, 1, 3]);
        // Only being unlike counts, once there is something to be unlike.
        assert_eq!(chosen(2, None, Some(1.0)), [0, 2]);
    }

    #[test]
    fn a_vector_that_is_compared_to_nothing_counts_by_its_score() {
        let found = [candidate(0.9, "a", &[1.0, 0.0]), candidate(0.8, "b", &[0.0, 0.0])];
        assert_eq!(choose(&found, &terms(2, None, Some(0.5)), || ()), [0, 1]);
    }
}
