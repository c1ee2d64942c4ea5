//! pgvector's HNSW index: its options and limits.

use serde::{Deserialize, Serialize};

use super::{check_range, given};

/// The largest number of dimensions of a `vector` under an HNSW index (pgvector's `HNSW_MAX_DIM`).
pub const MAX_VECTOR: u32 = 2_000;

/// The largest number of dimensions of a `halfvec` under an HNSW index (pgvector: twice `HNSW_MAX_DIM`).
pub const MAX_HALFVEC: u32 = 4_000;

/// The operator classes by which pgvector's `hnsw` can order vectors.
const OPCLASSES: [&str; 4] = ["vector_cosine_ops", "vector_ip_ops", "vector_l2_ops", "vector_l1_ops"];

/// pgvector's limits and defaults of an HNSW index (`src/hnsw.h`).
const M: (i32, i32, i32) = (2, 16, 100);
const EF_CONSTRUCTION: (i32, i32, i32) = (4, 64, 1_000);

/// The index that `ai.indexing_hnsw` declares, apart from the time when it is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hnsw {
    /// The operator class of pgvector's type `vector` by which vectors are ordered.
    #[serde(default = "default_opclass")]
    pub opclass: String,
    /// The largest number of connections of a node in a layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m: Option<i32>,
    /// Candidates that are looked at for each new node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ef_construction: Option<i32>,
    /// The precision of the vectors in the index; `None` for that in which they are stored, where the index has room
    /// for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// The precision of the vectors in an index, where it is less than that in which they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Quantization {
    /// Two bytes a number.
    Halfvec,
    /// A bit a number, its sign.
    Binary,
}

impl Quantization {
    fn name(self) -> &'static str {
        match self {
            Quantization::Halfvec => "halfvec",
            Quantization::Binary => "binary",
        }
    }
}

impl TryFrom<String> for Quantization {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Quantization::Halfvec, Quantization::Binary]
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or("quantization must be \"halfvec\" or \"binary\"")
    }
}

impl From<Quantization> for &'static str {
    fn from(quantization: Quantization) -> Self {
        quantization.name()
    }
}

fn default_opclass() -> String {
    "vector_cosine_ops".to_owned()
}

impl Hnsw {
    /// Refuses what pgvector would refuse when the index is built. The first error's text is pgai's.
    pub fn check(&self) -> Result<(), String> {
        if !OPCLASSES.contains(&self.opclass.as_str()) {
            return Err("invalid opclass".to_owned());
        }

        check_range("m", self.m, (M.0, M.2))?;
        check_range("ef_construction", self.ef_construction, (EF_CONSTRUCTION.0, EF_CONSTRUCTION.2))?;

        let m = self.m.unwrap_or(M.1);
        let ef_construction = self.ef_construction.unwrap_or(EF_CONSTRUCTION.1);
        if ef_construction < 2 * m {
            return Err(format!(
                "ef_construction must be at least twice m: {ef_construction} is less than {}",
                2 * m
            ));
        }
        Ok(())
    }

    /// Returns the precision of so many dimensions in the index; `None` for that in which they are stored.
    pub(super) fn quantization(&self, dimensions: u32) -> Option<Quantization> {
        self.quantization.or((dimensions > MAX_VECTOR).then_some(Quantization::Halfvec))
    }

    /// Refuses more dimensions than pgvector would index. There are no vectors with as many as fit as bits, 64,000.
    pub(super) fn check_dimensions(&self, dimensions: u32) -> Result<(), String> {
        match self.quantization {
            Some(Quantization::Binary) => Ok(()),
            Some(Quantization::Halfvec) | None if dimensions <= MAX_HALFVEC => Ok(()),
            Some(Quantization::Halfvec) | None => {
                Err(format!("an hnsw index cannot have more than {MAX_HALFVEC} dimensions"))
            }
        }
    }

    /// The operator class for half precision that orders as the one for `vector` does.
    pub fn halfvec_opclass(&self) -> String {
        self.opclass.replacen("vector", "halfvec", 1)
    }

    /// Returns the options that were given, by name.
    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        [given("m", self.m.as_ref()), given("ef_construction", self.ef_construction.as_ref())]
            .into_iter()
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hnsw(json: &str) -> Hnsw {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn refuses_what_pgvector_would_refuse() {
        let refused = |json: &str| hnsw(json).check().unwrap_err();
        assert_eq!(refused(r#"{"opclass": "bit_hamming_ops"}"#), "invalid opclass");
        assert_eq!(refused(r#"{"m": 1}"#), "m must be an integer between 2 and 100");
        assert_eq!(
            refused(r#"{"ef_construction": 2000}"#),
            "ef_construction must be an integer between 4 and 1000"
        );
        assert!(refused(r#"{"m": 33}"#).starts_with("ef_construction must be at least twice m"));
        for opclass in OPCLASSES {
            assert_eq!(hnsw(&format!(r#"{{"opclass": "{opclass}", "m": 32}}"#)).check(), Ok(()));
        }
    }

    #[test]
    fn half_precision_is_ordered_alike() {
        assert_eq!(hnsw(r#"{"opclass": "vector_l2_ops"}"#).halfvec_opclass(), "halfvec_l2_ops");
    }
}
