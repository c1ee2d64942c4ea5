//! The scale of a search's scores: what they measure.

use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::search::metric::Metric;

/// The scale of a search's scores.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// A distance between the vectors of a model.
    Distance {
        /// The distance.
        metric: Metric,
        /// The config of the model.
        embedding: Embedding,
    },
    /// The relevance that a model has told.
    Relevance,
    /// One on which nothing stands but what the same search has found: of words among its chunks, or of several arms.
    OfItsOwn,
}

/// Returns whether scores of these scales can be compared, where all that rank have asked the same model.
pub fn are_comparable(scales: &[Scale]) -> bool {
    let Some((first, others)) = scales.split_first() else { return true };
    others.iter().all(|scale| scale == first && *scale != Scale::OfItsOwn)
}
