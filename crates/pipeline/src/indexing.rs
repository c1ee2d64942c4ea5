//! `ai.indexing_*`: which vector index is wanted, and what kind of number it can hold.

use serde::{Deserialize, Serialize};

/// Most dimensions of a `vector` under an HNSW index (pgvector's `HNSW_MAX_DIM`).
pub const HNSW_MAX_VECTOR: u32 = 2_000;

/// Most dimensions of a `halfvec` under an HNSW index (pgvector: twice `HNSW_MAX_DIM`).
pub const HNSW_MAX_HALFVEC: u32 = 4_000;

/// What pgvector's `hnsw` can order vectors by.
const OPCLASSES: [&str; 4] = ["vector_cosine_ops", "vector_ip_ops", "vector_l2_ops", "vector_l1_ops"];

/// What pgvectorscale's `diskann` can store its vectors as.
const STORAGE_LAYOUTS: [&str; 2] = ["memory_optimized", "plain"];

/// pgvector's limits and defaults of an HNSW index (`src/hnsw.h`).
const M: (i32, i32, i32) = (2, 16, 100);
const EF_CONSTRUCTION: (i32, i32, i32) = (4, 64, 1_000);

/// pgvectorscale's limits of a DiskANN index (`access_method/options.rs`); -1 neighbours are its default.
const NUM_NEIGHBORS: (i32, i32) = (10, 1_000);
const SEARCH_LIST_SIZE: (i32, i32) = (10, 1_000);
const NUM_DIMENSIONS: (i32, i32) = (0, 5_000);
const NUM_BITS_PER_DIMENSION: (i32, i32) = (0, 32);
const MAX_ALPHA: (f64, f64) = (1.0, 5.0);

/// `ai.indexing_*`, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Indexing {
    /// No index is built.
    None,
    /// pgvector's.
    Hnsw {
        /// When it is built.
        #[serde(flatten)]
        when: When,
        /// What vectors are ordered by, as pgvector's operator class for `vector`.
        #[serde(default = "default_opclass")]
        opclass: String,
        /// Most connections of a node in a layer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        m: Option<i32>,
        /// Candidates that are looked at for each new node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ef_construction: Option<i32>,
    },
    /// pgvectorscale's.
    Diskann {
        /// When it is built.
        #[serde(flatten)]
        when: When,
        /// `memory_optimized` or `plain`.
        #[serde(default)]
        storage_layout: Option<String>,
        /// Most neighbours of a node.
        #[serde(default)]
        num_neighbors: Option<i32>,
        /// Candidates that are looked at for each new node.
        #[serde(default)]
        search_list_size: Option<i32>,
        /// How far edges reach beyond the nearest.
        #[serde(default)]
        max_alpha: Option<f64>,
        /// How many of the dimensions are indexed.
        #[serde(default)]
        num_dimensions: Option<i32>,
        /// Bits for each dimension of a compressed vector.
        #[serde(default)]
        num_bits_per_dimension: Option<i32>,
    },
}

/// When an index is built. Absent keys mean what they mean to pgai.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct When {
    /// Not before the store has so many rows.
    #[serde(default)]
    pub min_rows: i32,
    /// Not while anything waits in the queue.
    #[serde(default = "default_true")]
    pub create_when_queue_empty: bool,
}

/// The type of what is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// The embedding column itself.
    Vector,
    /// The embedding cast to half precision, which needs half of the space.
    Halfvec,
}

fn default_opclass() -> String {
    "vector_cosine_ops".to_owned()
}

fn default_true() -> bool {
    true
}

impl Indexing {
    /// When it is to be built; none if it is not.
    pub fn when(&self) -> Option<&When> {
        match self {
            Indexing::None => None,
            Indexing::Hnsw { when, .. } | Indexing::Diskann { when, .. } => Some(when),
        }
    }

    /// The access method; none if no index is wanted.
    pub fn access_method(&self) -> Option<&'static str> {
        match self {
            Indexing::None => None,
            Indexing::Hnsw { .. } => Some("hnsw"),
            Indexing::Diskann { .. } => Some("diskann"),
        }
    }

    /// What is indexed of embeddings with so many dimensions; none if they are too many.
    pub fn element(&self, dimensions: u32) -> Option<Element> {
        match self {
            Indexing::Hnsw { .. } if dimensions > HNSW_MAX_HALFVEC => None,
            Indexing::Hnsw { .. } if dimensions > HNSW_MAX_VECTOR => Some(Element::Halfvec),
            _ => Some(Element::Vector),
        }
    }

    /// What the access method would refuse when the index is built. The first two texts are pgai's.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Indexing::Hnsw { opclass, .. } if !OPCLASSES.contains(&opclass.as_str()) => {
                Err("invalid opclass".to_owned())
            }
            Indexing::Hnsw { m, ef_construction, .. } => check_hnsw(*m, *ef_construction),
            Indexing::Diskann { storage_layout: Some(layout), .. }
                if !STORAGE_LAYOUTS.contains(&layout.as_str()) =>
            {
                Err("invalid storage_layout".to_owned())
            }
            Indexing::Diskann {
                num_neighbors,
                search_list_size,
                max_alpha,
                num_dimensions,
                num_bits_per_dimension,
                ..
            } => {
                within("num_neighbors", num_neighbors.filter(|&given| given != -1), NUM_NEIGHBORS)?;
                within("search_list_size", *search_list_size, SEARCH_LIST_SIZE)?;
                within("num_dimensions", *num_dimensions, NUM_DIMENSIONS)?;
                within("num_bits_per_dimension", *num_bits_per_dimension, NUM_BITS_PER_DIMENSION)?;
                match max_alpha {
                    Some(given) if !(MAX_ALPHA.0..=MAX_ALPHA.1).contains(given) => {
                        Err(format!("max_alpha must be a number from {} to {}", MAX_ALPHA.0, MAX_ALPHA.1))
                    }
                    _ => Ok(()),
                }
            }
            Indexing::None => Ok(()),
        }
    }
}

fn within(name: &str, given: Option<i32>, (least, most): (i32, i32)) -> Result<(), String> {
    match given {
        Some(value) if !(least..=most).contains(&value) => {
            Err(format!("{name} must be a whole number from {least} to {most}"))
        }
        _ => Ok(()),
    }
}

fn check_hnsw(m: Option<i32>, ef_construction: Option<i32>) -> Result<(), String> {
    within("m", m, (M.0, M.2))?;
    within("ef_construction", ef_construction, (EF_CONSTRUCTION.0, EF_CONSTRUCTION.2))?;
    let (m, ef_construction) = (m.unwrap_or(M.1), ef_construction.unwrap_or(EF_CONSTRUCTION.1));
    if ef_construction < 2 * m {
        return Err(format!(
            "ef_construction must be at least twice m: {ef_construction} is less than {}",
            2 * m
        ));
    }
    Ok(())
}

/// The operator class for half precision that orders as one for `vector` does.
pub fn halfvec_opclass(opclass: &str) -> String {
    opclass.replacen("vector", "halfvec", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexing(json: &str) -> Indexing {
        serde_json::from_str(json).unwrap()
    }

    fn hnsw(more: &str) -> Indexing {
        indexing(&format!(r#"{{"config_type": "indexing", "implementation": "hnsw"{more}}}"#))
    }

    #[test]
    fn reads_what_pgai_stores() {
        let stored = indexing(
            r#"{"config_type": "indexing", "implementation": "diskann", "min_rows": 10,
                "storage_layout": "plain", "max_alpha": 1.2, "create_when_queue_empty": false}"#,
        );
        assert_eq!(stored.access_method(), Some("diskann"));
        assert_eq!(stored.when(), Some(&When { min_rows: 10, create_when_queue_empty: false }));
        assert_eq!(stored.check(), Ok(()));
        assert_eq!(indexing(r#"{"implementation": "none"}"#), Indexing::None);
    }

    #[test]
    fn absent_keys_mean_what_they_mean_to_pgai() {
        assert_eq!(hnsw("").when(), Some(&When { min_rows: 0, create_when_queue_empty: true }));
        assert_eq!(hnsw(""), hnsw(r#", "opclass": "vector_cosine_ops""#));
    }

    #[test]
    fn writes_what_it_reads() {
        let written = serde_json::to_value(hnsw(r#", "m": 8"#)).unwrap();
        assert_eq!(
            written,
            serde_json::json!({"implementation": "hnsw", "min_rows": 0, "create_when_queue_empty": true,
                               "opclass": "vector_cosine_ops", "m": 8})
        );
    }

    #[test]
    fn beyond_what_a_vector_can_have_half_precision_is_indexed() {
        let elements = [2_000, 2_001, 4_000, 4_001].map(|dimensions| hnsw("").element(dimensions));
        assert_eq!(elements, [Some(Element::Vector), Some(Element::Halfvec), Some(Element::Halfvec), None]);
        assert_eq!(indexing(r#"{"implementation": "diskann"}"#).element(16_000), Some(Element::Vector));
        assert_eq!(halfvec_opclass("vector_l2_ops"), "halfvec_l2_ops");
    }

    #[test]
    fn refuses_what_the_access_method_would_refuse() {
        let refused = |json: &str| hnsw(json).check().unwrap_err();
        assert_eq!(refused(r#", "opclass": "bit_hamming_ops""#), "invalid opclass");
        assert_eq!(refused(r#", "m": 1"#), "m must be a whole number from 2 to 100");
        assert_eq!(
            refused(r#", "ef_construction": 2000"#),
            "ef_construction must be a whole number from 4 to 1000"
        );
        assert!(refused(r#", "m": 33"#).starts_with("ef_construction must be at least twice m"));
        for opclass in OPCLASSES {
            assert_eq!(hnsw(&format!(r#", "opclass": "{opclass}", "m": 32"#)).check(), Ok(()));
        }
        let diskann = |more: &str| indexing(&format!(r#"{{"implementation": "diskann", {more}}}"#)).check();
        for (more, refused) in [
            (r#""storage_layout": "tape""#, "invalid storage_layout"),
            (r#""num_neighbors": 9"#, "num_neighbors must be a whole number from 10 to 1000"),
            (r#""search_list_size": 1001"#, "search_list_size must be a whole number from 10 to 1000"),
            (r#""num_dimensions": -1"#, "num_dimensions must be a whole number from 0 to 5000"),
            (r#""num_bits_per_dimension": 33"#, "num_bits_per_dimension must be a whole number from 0 to 32"),
            (r#""max_alpha": 0.9"#, "max_alpha must be a number from 1 to 5"),
        ] {
            assert_eq!(diskann(more), Err(refused.to_owned()));
        }
        assert_eq!(diskann(r#""num_neighbors": -1, "max_alpha": 5, "num_dimensions": 0"#), Ok(()));
    }
}
