//! The terms of a search.

use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::search::fusion::Fusion;

use super::filter::Filter;

/// The terms of a search. At least one of vector and words is given.
#[derive(Debug, Clone)]
pub struct Request {
    /// The vector whose neighbours are looked for; `None` if words alone are looked for.
    pub vector: Option<Vec<f32>>,
    /// The model that made the vector; `None` if the caller gave the vector.
    pub made_by: Option<Embedding>,
    /// The text whose words are looked for; `None` if the vector alone is.
    pub words: Option<String>,
    /// The weights of what either finds.
    pub weights: Weights,
    /// The way in which the order of what both find is made.
    pub fusion: Fusion,
    /// The number of rows that are wanted.
    pub k: usize,
    /// The condition on the rows of the source.
    pub filter: Option<Filter>,
    /// The least score.
    pub min_score: Option<f64>,
    /// The largest number of chunks of one document.
    pub per_document: Option<usize>,
    /// The weight of being unlike the rows before, from 0 to 1.
    pub diversity: Option<f64>,
    /// True if no index of the vectors may be used.
    pub exact: bool,
}

/// The weights of the arms of a search; only their ratio counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// The weight of what the vector finds.
    pub vector: f64,
    /// The weight of what the words find.
    pub text: f64,
}
