//! pgvectorscale's DiskANN index: its options and limits.

use serde::{Deserialize, Serialize};

use super::{check_range, given};

/// The ways in which pgvectorscale can store vectors.
const STORAGE_LAYOUTS: [&str; 2] = ["memory_optimized", "plain"];

/// pgvectorscale's limits (`access_method/options.rs`); -1 neighbours are its default.
const NUM_NEIGHBORS: (i32, i32) = (10, 1_000);
const SEARCH_LIST_SIZE: (i32, i32) = (10, 1_000);
const NUM_DIMENSIONS: (i32, i32) = (0, 5_000);
const NUM_BITS_PER_DIMENSION: (i32, i32) = (0, 32);
const MAX_ALPHA: (f64, f64) = (1.0, 5.0);

/// The value of `num_neighbors` if none is given.
const DEFAULT_NEIGHBORS: u64 = 50;

/// The largest number of dimensions that `plain` can store (`access_method/build.rs`).
const MAX_PLAIN: u32 = 2_000;

/// The largest number of dimensions for which more than one bit is kept. pgvectorscale's own message
/// says 900, and takes 930.
const MAX_OF_SEVERAL_BITS: u32 = 930;

/// The number of dimensions from which on one bit is kept for each if nothing is given; below it, two.
const ONE_BIT_FROM: u32 = 900;

/// The largest number of bytes of a node's vector and neighbours, of which each takes 8: what a page of
/// 8 KiB has room for beside its headers. Seen with pgvectorscale 0.9, for both layouts.
const MAX_NODE: u64 = 8_120;
const NEIGHBOR: u64 = 8;

/// The index that `ai.indexing_diskann` declares, apart from the time when it is built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diskann {
    /// `memory_optimized` or `plain`.
    #[serde(default)]
    pub storage_layout: Option<String>,
    /// The largest number of neighbours of a node.
    #[serde(default)]
    pub num_neighbors: Option<i32>,
    /// Candidates that are looked at for each new node.
    #[serde(default)]
    pub search_list_size: Option<i32>,
    /// The factor by which edges may reach beyond the nearest neighbors.
    #[serde(default)]
    pub max_alpha: Option<f64>,
    /// The number of dimensions that are indexed.
    #[serde(default)]
    pub num_dimensions: Option<i32>,
    /// Bits for each dimension of a compressed vector.
    #[serde(default)]
    pub num_bits_per_dimension: Option<i32>,
}

impl Diskann {
    /// Refuses options that pgvectorscale would refuse whatever is indexed. The first error's text is
    /// pgai's.
    pub fn check(&self) -> Result<(), String> {
        if self.storage_layout.as_ref().is_some_and(|layout| !STORAGE_LAYOUTS.contains(&layout.as_str())) {
            return Err("invalid storage_layout".to_owned());
        }

        check_range("num_neighbors", self.num_neighbors.filter(|&given| given != -1), NUM_NEIGHBORS)?;
        check_range("search_list_size", self.search_list_size, SEARCH_LIST_SIZE)?;
        check_range("num_dimensions", self.num_dimensions, NUM_DIMENSIONS)?;
        check_range("num_bits_per_dimension", self.num_bits_per_dimension, NUM_BITS_PER_DIMENSION)?;

        if self.is_plain() && self.bits_given().is_some_and(|bits| bits > 1) {
            return Err(
                "num_bits_per_dimension cannot be greater than 1 with storage_layout plain".to_owned()
            );
        }

        match self.max_alpha {
            Some(given) if !(MAX_ALPHA.0..=MAX_ALPHA.1).contains(&given) => {
                Err(format!("max_alpha must be a number between {} and {}", MAX_ALPHA.0, MAX_ALPHA.1))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what pgvectorscale would refuse for vectors of so many dimensions. Some of it
    /// pgvectorscale does not refuse before the first vector is written, when an index that was built on
    /// an empty table fails every write to it.
    pub fn check_dimensions(&self, dimensions: u32) -> Result<(), String> {
        let indexed = match self.num_dimensions.and_then(|given| u32::try_from(given).ok()) {
            None | Some(0) => dimensions,
            Some(given) if given > dimensions => {
                return Err(format!(
                    "num_dimensions cannot be greater than the embedding's {dimensions} dimensions"
                ));
            }
            Some(given) => given,
        };

        if self.is_plain() && indexed > MAX_PLAIN {
            return Err(format!(
                "a diskann index with storage_layout plain cannot have more than {MAX_PLAIN} dimensions"
            ));
        }
        if indexed > MAX_OF_SEVERAL_BITS && self.bits_given().is_some_and(|bits| bits > 1) {
            return Err(format!(
                "num_bits_per_dimension cannot be greater than 1 with more than {MAX_OF_SEVERAL_BITS} dimensions"
            ));
        }

        // A node must fit into a page.
        let most = (MAX_NODE - self.vector_bytes(indexed).min(MAX_NODE)) / NEIGHBOR;
        if self.neighbors() > most {
            return Err(format!("num_neighbors cannot be greater than {most} with {indexed} dimensions"));
        }
        Ok(())
    }

    fn is_plain(&self) -> bool {
        self.storage_layout.as_deref() == Some("plain")
    }

    /// None is the default, and so is 0.
    fn bits_given(&self) -> Option<u64> {
        self.num_bits_per_dimension.and_then(|given| u64::try_from(given).ok()).filter(|&bits| bits > 0)
    }

    fn neighbors(&self) -> u64 {
        self.num_neighbors.and_then(|given| u64::try_from(given).ok()).unwrap_or(DEFAULT_NEIGHBORS)
    }

    /// Returns the bytes that a vector takes in a node: 4 for each dimension, or bits in words of 64.
    fn vector_bytes(&self, dimensions: u32) -> u64 {
        if self.is_plain() {
            return 4 * u64::from(dimensions);
        }
        let default = if dimensions < ONE_BIT_FROM { 2 } else { 1 };
        8 * (u64::from(dimensions) * self.bits_given().unwrap_or(default)).div_ceil(64)
    }

    /// Returns the options that were given, by name.
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
            (r#"{"num_neighbors": 9}"#, "num_neighbors must be an integer between 10 and 1000"),
            (r#"{"search_list_size": 1001}"#, "search_list_size must be an integer between 10 and 1000"),
            (r#"{"num_dimensions": -1}"#, "num_dimensions must be an integer between 0 and 5000"),
            (
                r#"{"num_bits_per_dimension": 33}"#,
                "num_bits_per_dimension must be an integer between 0 and 32",
            ),
            (r#"{"max_alpha": 0.9}"#, "max_alpha must be a number between 1 and 5"),
        ] {
            assert_eq!(diskann(json).check(), Err(refused.to_owned()));
        }
        assert_eq!(diskann(r#"{"num_neighbors": -1, "max_alpha": 5, "num_dimensions": 0}"#).check(), Ok(()));
    }
    /// Each pair is where pgvectorscale 0.9 begins to refuse; tests/search/test_diskann.py asks it.
    #[test]
    fn refuses_what_does_not_fit_the_embedding() {
        let fits = |json: &str, dimensions| diskann(json).check_dimensions(dimensions).is_ok();
        for (json, most) in [
            (r#"{"storage_layout": "plain"}"#, 1_930),
            (r#"{"storage_layout": "plain", "num_neighbors": 10}"#, 2_000),
            (r#"{"storage_layout": "plain", "num_neighbors": 200}"#, 1_630),
            (r#"{"num_bits_per_dimension": 2}"#, 930),
            (r#"{"num_neighbors": 991}"#, 1_536),
            (r#"{"num_bits_per_dimension": 32, "num_neighbors": 631}"#, 768),
        ] {
            assert!(fits(json, most), "{json} with {most}");
            assert!(!fits(json, most + 1), "{json} with {}", most + 1);
        }
        assert!(fits("{}", 16_000));
        assert!(fits(r#"{"num_dimensions": 768, "num_bits_per_dimension": 2}"#, 768));
        assert!(!fits(r#"{"num_dimensions": 769}"#, 768));
        assert!(diskann(r#"{"storage_layout": "plain", "num_bits_per_dimension": 2}"#).check().is_err());
    }
}
