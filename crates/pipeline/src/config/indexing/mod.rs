//! `ai.indexing_*`: which vector index is wanted, and what kind of number it can hold.

pub mod diskann;
pub mod hnsw;

use serde::{Deserialize, Serialize};

use diskann::Diskann;
use hnsw::{Hnsw, Quantization};

use super::VectorType;

/// `ai.indexing_*`, resolved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Indexing {
    /// No index is built.
    #[default]
    None,
    /// pgvector's.
    Hnsw {
        /// The conditions for building it.
        #[serde(flatten)]
        when: When,
        /// The options of the index.
        #[serde(flatten)]
        index: Hnsw,
    },
    /// pgvectorscale's.
    Diskann {
        /// The conditions for building it.
        #[serde(flatten)]
        when: When,
        /// The options of the index.
        #[serde(flatten)]
        index: Diskann,
    },
}

/// The conditions for building an index. Absent keys mean what they mean to pgai.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct When {
    /// The number of rows that the store must have.
    #[serde(default)]
    pub min_rows: i32,
    /// `true` if nothing may be waiting in the queue.
    #[serde(default = "default_true")]
    pub create_when_queue_empty: bool,
}

/// The part of the vectors that is indexed, and its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// The column itself, a `vector`.
    Vector,
    /// The column itself, a `halfvec`.
    Halfvec,
    /// A `vector` cast to half precision, which needs half of the space.
    CastToHalfvec,
    /// The signs of the numbers, a bit each.
    Bits,
}

fn default_true() -> bool {
    true
}

impl Indexing {
    /// Returns the conditions for building the index; `None` if there is to be none.
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

    /// Returns what is indexed of vectors that are stored as this type, with so many dimensions.
    pub fn element(&self, stored: VectorType, dimensions: u32) -> Element {
        let quantization = match self {
            Indexing::Hnsw { index, .. } => index.quantization(dimensions),
            Indexing::Diskann { .. } | Indexing::None => None,
        };
        match (quantization, stored) {
            (Some(Quantization::Binary), _) => Element::Bits,
            (_, VectorType::Halfvec) => Element::Halfvec,
            (Some(Quantization::Halfvec), VectorType::Vector) => Element::CastToHalfvec,
            (None, VectorType::Vector) => Element::Vector,
        }
    }

    /// Returns whether the access method can index vectors that are stored as this type.
    pub fn takes(&self, stored: VectorType) -> bool {
        stored == VectorType::Vector || !matches!(self, Indexing::Diskann { .. })
    }

    /// Refuses what the access method would refuse for vectors of so many dimensions.
    pub fn check_dimensions(&self, dimensions: u32) -> Result<(), String> {
        match self {
            Indexing::Hnsw { index, .. } => index.check_dimensions(dimensions),
            Indexing::Diskann { index, .. } => index.check_dimensions(dimensions),
            Indexing::None => Ok(()),
        }
    }

    /// Refuses options that the access method would refuse whatever is indexed.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Indexing::None => Ok(()),
            Indexing::Hnsw { index, .. } => index.check(),
            Indexing::Diskann { index, .. } => index.check(),
        }
    }

    /// Returns the options for the index's `WITH (…)`: those that were given, by name.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        match self {
            Indexing::None => Vec::new(),
            Indexing::Hnsw { index, .. } => index.options(),
            Indexing::Diskann { index, .. } => index.options(),
        }
    }
}

fn check_range(name: &str, given: Option<i32>, (least, most): (i32, i32)) -> Result<(), String> {
    match given {
        Some(value) if !(least..=most).contains(&value) => {
            Err(format!("{name} must be an integer between {least} and {most}"))
        }
        _ => Ok(()),
    }
}

/// An option that stands in `WITH (…)` if it was given.
fn given<T: ToString>(name: &'static str, value: Option<&T>) -> Option<(&'static str, String)> {
    value.map(|value| (name, value.to_string()))
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
        let diskann = indexing(r#"{"implementation": "diskann"}"#);
        assert_eq!(hnsw("").element(VectorType::Vector, 2_000), Element::Vector);
        assert_eq!(hnsw("").element(VectorType::Vector, 2_001), Element::CastToHalfvec);
        assert_eq!(diskann.element(VectorType::Vector, 16_000), Element::Vector);
        assert_eq!(hnsw("").check_dimensions(4_000), Ok(()));
        assert!(hnsw("").check_dimensions(4_001).is_err());
    }

    #[test]
    fn what_is_indexed_follows_what_is_stored() {
        let of = |quantization: &str, stored| {
            hnsw(&format!(r#", "quantization": {quantization}"#)).element(stored, 8)
        };
        assert_eq!(of("null", VectorType::Halfvec), Element::Halfvec);
        assert_eq!(of(r#""halfvec""#, VectorType::Halfvec), Element::Halfvec);
        assert_eq!(of(r#""halfvec""#, VectorType::Vector), Element::CastToHalfvec);
        for stored in [VectorType::Vector, VectorType::Halfvec] {
            assert_eq!(of(r#""binary""#, stored), Element::Bits);
            assert!(hnsw("").takes(stored));
        }
        assert!(!indexing(r#"{"implementation": "diskann"}"#).takes(VectorType::Halfvec));
    }

    #[test]
    fn bits_have_room_for_every_vector() {
        let binary = hnsw(r#", "quantization": "binary""#);
        assert_eq!(binary.check_dimensions(16_000), Ok(()));
        assert_eq!(serde_json::to_value(&binary).unwrap()["quantization"], "binary");
        let refused = serde_json::from_value::<Indexing>(
            serde_json::json!({"implementation": "hnsw", "quantization": "int8"}),
        );
        assert_eq!(refused.unwrap_err().to_string(), "quantization must be \"halfvec\" or \"binary\"");
    }
}
