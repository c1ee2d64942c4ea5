//! The destination of vectors.

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
    },
    /// A column of the source: one vector for each row, and so [`Chunking::None`](super::Chunking::None).
    Column {
        /// Its name.
        embedding_column: String,
    },
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
        })
    }
}
