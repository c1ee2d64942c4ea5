//! pgvectorscale's DiskANN index: its options and limits.

use serde::{Deserialize, Serialize};

use super::{given, within};

/// What vectors can be stored as.
const STORAGE_LAYOUTS: [&str; 2] = ["memory_optimized", "plain"];

/// pgvectorscale's limits (`access_method/options.rs`); -1 neighbours are its default.
const NUM_NEIGHBORS: (i32, i32) = (10, 1_000);
const SEARCH_LIST_SIZE: (i32, i32) = (10, 1_000);
const NUM_DIMENSIONS: (i32, i32) = (0, 5_000);
const NUM_BITS_PER_DIMENSION: (i32, i32) = (0, 32);
const MAX_ALPHA: (f64, f64) = (1.0, 5.0);

/// What `ai.indexing_diskann` asks for, but when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diskann {
    /// `memory_optimized` or `plain`.
    #[serde(default)]
    pub storage_layout: Option<String>,
    /// Most neighbours of a node.
    #[serde(default)]
    pub num_neighbors: Option<i32>,
    /// Candidates that are looked at for each new node.
    #[serde(default)]
    pub search_list_size: Option<i32>,
    /// How far edges reach beyond the nearest.
    #[serde(default)]
    pub max_alpha: Option<f64>,
    /// How many of the dimensions are indexed.
    #[serde(default)]
    pub num_dimensions: Option<i32>,
    /// Bits for each dimension of a compressed vector.
    #[serde(default)]
    pub num_bits_per_dimension: Option<i32>,
}

impl Diskann {
    /// What pgvectorscale would refuse whatever is indexed. The first text is pgai's.
    pub fn check(&self) -> Result<(), String> {
        if self.storage_layout.as_ref().is_some_and(|layout| !STORAGE_LAYOUTS.contains(&layout.as_str())) {
            return Err("invalid storage_layout".to_owned());
        }
        within("num_neighbors", self.num_neighbors.filter(|&given| given != -1), NUM_NEIGHBORS)?;
        within("search_list_size", self.search_list_size, SEARCH_LIST_SIZE)?;
        within("num_dimensions", self.num_dimensions, NUM_DIMENSIONS)?;
        within("num_bits_per_dimension", self.num_bits_per_dimension, NUM_BITS_PER_DIMENSION)?;
        match self.max_alpha {
            Some(given) if !(MAX_ALPHA.0..=MAX_ALPHA.1).contains(&given) => {
                Err(format!("max_alpha must be a number from {} to {}", MAX_ALPHA.0, MAX_ALPHA.1))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        [
            given("storage_layout", self.storage_layout.as_ref()),
            given("num_neighbors", self.num_neighbors.as_ref()),
            given("search_list_size", self.search_list_size.as_ref()),
            given("max_alpha", self.max_alpha.as_ref()),
            given("num_dimensions", self.num_dimensions.as_ref()),
            given("num_bits_per_dimension", self.num_bits_per_dimension.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diskann(json: &str) -> Diskann {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn refuses_what_pgvectorscale_would_refuse() {
        for (json, refused) in [
            (r#"{"storage_layout": "tape"}"#, "invalid storage_layout"),
            (r#"{"num_neighbors": 9}"#, "num_neighbors must be a whole number from 10 to 1000"),
            (r#"{"search_list_size": 1001}"#, "search_list_size must be a whole number from 10 to 1000"),
            (r#"{"num_dimensions": -1}"#, "num_dimensions must be a whole number from 0 to 5000"),
            (
                r#"{"num_bits_per_dimension": 33}"#,
                "num_bits_per_dimension must be a whole number from 0 to 32",
            ),
            (r#"{"max_alpha": 0.9}"#, "max_alpha must be a number from 1 to 5"),
        ] {
            assert_eq!(diskann(json).check(), Err(refused.to_owned()));
        }
        assert_eq!(diskann(r#"{"num_neighbors": -1, "max_alpha": 5, "num_dimensions": 0}"#).check(), Ok(()));
    }
}
