//! The scores of texts by the words that they share with a question: BM25.
//!
//! Stephen Robertson and Hugo Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in
//! Information Retrieval 3 (4), 2009. A word's weight is that of Lucene's `BM25Similarity`, which is never negative.

/// The number of times a word may occur in a text before further ones hardly count (Lucene's default).
const K1: f64 = 1.2;

/// The degree, from 0 to 1, to which a text's length counts against it (Lucene's default).
const B: f64 = 0.75;

/// The texts among which a question is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collection {
    /// The number of texts.
    pub texts: f64,
    /// The mean number of words of a text.
    pub mean_length: f64,
}

/// A question, by its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The weight of each word.
    weights: Vec<f64>,
    mean_length: f64,
}

impl Question {
    /// Returns the question of words that are in so many texts of the collection each.
    ///
    /// ```
    /// # use pgai_rs_pipeline::search::bm25::{Collection, Question};
    /// let question = Question::new(Collection { texts: 1000.0, mean_length: 50.0 }, &[10.0, 800.0]);
    /// // Of two texts of fifty words, the one with the rarer word is the better one.
    /// assert!(question.score(&[1, 0], 50) > question.score(&[0, 1], 50));
    /// ```
    pub fn new(collection: Collection, texts_with: &[f64]) -> Question {
        let weights = texts_with.iter().map(|with| weight(collection.texts, *with)).collect();
        Question { weights, mean_length: collection.mean_length.max(1.0) }
    }

    /// Returns the score of a text of `length` words, in which the question's words occur so many times. It is 0 for a text
    /// with none of them, and has no upper limit.
    pub fn score(&self, occurrences: &[u32], length: u32) -> f64 {
        let norm = K1 * (1.0 - B + B * f64::from(length) / self.mean_length);
        let words = self.weights.iter().zip(occurrences);
        words.map(|(weight, times)| weight * f64::from(*times) / (f64::from(*times) + norm)).sum()
    }
}

/// Returns the weight of a word that is in `with` of `texts` texts: the logarithm of how surprising it is.
fn weight(texts: f64, with: f64) -> f64 {
    let with = with.clamp(0.0, texts);
    (1.0 + (texts - with + 0.5) / (with + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: Collection = Collection { texts: 100.0, mean_length: 10.0 };

    /// The values are those of Lucene 9 for these numbers, without the factor `k1 + 1` that it has left out since 8.0.
    #[test]
    fn a_score_is_that_of_the_formula() {
        let question = Question::new(HUNDRED, &[5.0, 50.0]);

        let rare = (1.0 + 95.5 / 5.5_f64).ln();
        let common = (1.0 + 50.5 / 50.5_f64).ln();
        let expected =
            rare * 2.0 / (2.0 + 1.2 * (0.25 + 0.75 * 2.0)) + common * 1.0 / (1.0 + 1.2 * (0.25 + 0.75 * 2.0));
        assert!((question.score(&[2, 1], 20) - expected).abs() < 1e-12);
    }

    #[test]
    fn more_of_a_word_counts_less_and_less() {
        let question = Question::new(HUNDRED, &[5.0]);
        let score = |times| question.score(&[times], 10);
        assert!(score(2) - score(1) > score(3) - score(2));
        assert!(score(1000) < weight(100.0, 5.0));
    }

    #[test]
    fn a_longer_text_counts_less() {
        let question = Question::new(HUNDRED, &[5.0]);
        assert!(question.score(&[1], 10) > question.score(&[1], 20));
    }

    #[test]
    fn no_word_counts_against_a_text() {
        // A word of all texts, and one that more texts have than there are by a stale count.
        let question = Question::new(HUNDRED, &[100.0, 120.0]);
        assert!(question.score(&[1, 0], 10) > 0.0);
        assert!(question.score(&[0, 1], 10) > 0.0);
        assert_eq!(question.score(&[0, 0], 10), 0.0);
    }

    #[test]
    fn an_empty_collection_divides_by_nothing() {
        let question = Question::new(Collection { texts: 0.0, mean_length: 0.0 }, &[0.0]);
        assert!(question.score(&[1], 1).is_finite());
    }
}
