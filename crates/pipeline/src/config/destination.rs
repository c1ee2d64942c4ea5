//! The destination of vectors.

use serde::{Deserialize, Serialize};

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
    },
    /// A column of the source: one vector for each row, and so [`Chunking::None`](super::Chunking::None).
    Column {
        /// Its name.
        embedding_column: String,
    },
}
