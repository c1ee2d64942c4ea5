//! The destination of vectors.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// `ai.destination_*`, evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Destination {
    /// A table of chunks, and a view that joins it to the source.
    Table {
        /// Schema of the store table.
        target_schema: String,
        /// Name of the store table.
        target_table: String,
        /// Schema of the view.
        view_schema: String,
        /// Name of the view.
        view_name: String,
        /// `true` if the store keeps the place of each chunk in its document.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        citation: bool,
        /// The type of the store's vectors.
        #[serde(default, skip_serializing_if = "VectorType::is_vector")]
        vector_type: VectorType,
    },
    /// A column of the source: one vector for each row, and so [`Chunking::None`](super::Chunking::None).
    Column {
        /// Its name.
        embedding_column: String,
        /// Its type.
        #[serde(default, skip_serializing_if = "VectorType::is_vector")]
        vector_type: VectorType,
    },
}

impl Destination {
    /// Returns the type of the vectors.
    pub fn vector_type(&self) -> VectorType {
        match self {
            Destination::Table { vector_type, .. } | Destination::Column { vector_type, .. } => *vector_type,
        }
    }
}

/// The type of a column of vectors, one of pgvector's. A config without it means `vector`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum VectorType {
    /// Four bytes a number.
    #[default]
    Vector,
    /// Two bytes a number.
    Halfvec,
}

/// The largest number that a `halfvec` can hold: IEEE 754's binary16 (pgvector's `HALF_MAX`, `src/halfvec.h`).
const LARGEST_HALF: f32 = 65_504.0;

/// The numbers from here on are nearer to the next power of two than to [`LARGEST_HALF`], and are rounded to infinity.
const ROUNDED_TO_INFINITY: f32 = 65_520.0;

impl VectorType {
    /// Returns pgvector's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            VectorType::Vector => "vector",
            VectorType::Halfvec => "halfvec",
        }
    }

    /// Returns the size in bytes of a vector with so many dimensions (pgvector's `VECTOR_SIZE` and `HALFVEC_SIZE`).
    ///
    /// ```
    /// use pgai_rs_pipeline::config::VectorType;
    ///
    /// assert_eq!(VectorType::Vector.bytes(768), 3_080);
    /// assert_eq!(VectorType::Halfvec.bytes(768), 1_544);
    /// ```
    pub fn bytes(self, dimensions: u32) -> usize {
        const HEADER: usize = 8;
        let number = match self {
            VectorType::Vector => 4,
            VectorType::Halfvec => 2,
        };
        HEADER + number * dimensions as usize
    }

    /// Returns whether this is what a config without it means.
    pub fn is_vector(&self) -> bool {
        *self == VectorType::Vector
    }

    /// Returns the objection to a vector that the type can't hold. Its numbers are finite.
    ///
    /// ```
    /// use pgai_rs_pipeline::config::VectorType;
    ///
    /// assert_eq!(VectorType::Halfvec.objection(&[65_519.0]), None);
    /// assert!(VectorType::Halfvec.objection(&[1.0, -65_520.0]).is_some());
    /// assert_eq!(VectorType::Vector.objection(&[65_520.0]), None);
    /// ```
    pub fn objection(self, vector: &[f32]) -> Option<String> {
        let is_too_large = |number: &&f32| number.abs() >= ROUNDED_TO_INFINITY;
        let number = vector.iter().find(is_too_large).filter(|_| self == VectorType::Halfvec)?;
        Some(format!("a vector contains {number}, and the largest number of a halfvec is {LARGEST_HALF}"))
    }
}

impl TryFrom<String> for VectorType {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [VectorType::Vector, VectorType::Halfvec]
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or("vector_type must be \"vector\" or \"halfvec\"")
    }
}

impl From<VectorType> for &'static str {
    fn from(vector_type: VectorType) -> Self {
        vector_type.name()
    }
}

/// `ai.destination_*` as it is declared. Names that are missing, or that are no texts, are `None`; they are
/// derived from the source's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationNames {
    /// `true` if the vectors go to a column of the source.
    pub is_column: bool,
    /// The name that those of the store and the view are derived from.
    pub destination: Option<String>,
    /// Schema of the store table.
    pub target_schema: Option<String>,
    /// Name of the store table.
    pub target_table: Option<String>,
    /// Schema of the view.
    pub view_schema: Option<String>,
    /// Name of the view.
    pub view_name: Option<String>,
    /// Name of the column for the vectors.
    pub embedding_column: Option<String>,
    /// `true` if the store keeps the place of each chunk in its document.
    pub citation: bool,
    /// The type of the vectors; `None` if it is to be chosen.
    pub vector_type: Option<VectorType>,
}

impl<'de> Deserialize<'de> for DestinationNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let declared = Value::deserialize(deserializer)?;
        let text = |key: &str| declared[key].as_str().map(str::to_owned);
        Ok(DestinationNames {
            is_column: declared["implementation"] == "column",
            destination: text("destination"),
            target_schema: text("target_schema"),
            target_table: text("target_table"),
            view_schema: text("view_schema"),
            view_name: text("view_name"),
            embedding_column: text("embedding_column"),
            citation: declared["citation"] == true,
            vector_type: Option::deserialize(&declared["vector_type"]).map_err(D::Error::custom)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn column(json: Value) -> Destination {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_config_of_an_earlier_version_means_vector() {
        let stored = json!({"implementation": "column", "embedding_column": "e"});
        assert_eq!(column(stored.clone()).vector_type(), VectorType::Vector);
        assert_eq!(serde_json::to_value(column(stored.clone())).unwrap(), stored);
    }

    #[test]
    fn writes_the_type_that_it_reads() {
        let stored = json!({"implementation": "column", "embedding_column": "e", "vector_type": "halfvec"});
        assert_eq!(column(stored.clone()).vector_type(), VectorType::Halfvec);
        assert_eq!(serde_json::to_value(column(stored.clone())).unwrap(), stored);
    }

    #[test]
    fn a_type_that_is_none_of_pgvectors_is_refused() {
        let declared = |kind: Value| serde_json::from_value::<DestinationNames>(json!({"vector_type": kind}));
        assert_eq!(declared(json!(null)).unwrap().vector_type, None);
        assert_eq!(declared(json!("vector")).unwrap().vector_type, Some(VectorType::Vector));
        let refused = declared(json!("sparsevec")).unwrap_err().to_string();
        assert_eq!(refused, "vector_type must be \"vector\" or \"halfvec\"");
        assert!(declared(json!(16)).is_err());
    }

    #[test]
    fn tells_what_half_precision_can_hold() {
        let objection = |number: f32| VectorType::Halfvec.objection(&[0.5, number]);
        for number in [0.0, 1e-30, LARGEST_HALF, -65_519.99] {
            assert_eq!(objection(number), None);
        }
        for number in [ROUNDED_TO_INFINITY, -70_000.0, f32::MAX] {
            assert!(objection(number).is_some_and(|why| why.ends_with("halfvec is 65504")));
        }
    }
}
