//! The source of a row's document.

use serde::{Deserialize, Serialize};

use super::S3Access;

/// `ai.loading_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Loading {
    /// The column holds the document itself.
    Column {
        /// Name of a text or bytea column of the source.
        column_name: String,
        /// The number of times that a failed load is tried again.
        #[serde(default = "default_retries")]
        retries: u32,
    },
    /// The column holds the address of the document.
    Uri {
        /// Name of a text column of the source.
        column_name: String,
        /// The number of times that a failed load is tried again.
        #[serde(default = "default_retries")]
        retries: u32,
        /// The way to ask S3.
        #[serde(flatten)]
        s3: S3Access,
    },
}

fn default_retries() -> u32 {
    6
}

impl Loading {
    /// The source column that is read.
    pub fn column_name(&self) -> &str {
        match self {
            Loading::Column { column_name, .. } | Loading::Uri { column_name, .. } => column_name,
        }
    }

    /// Returns the number of times that a failed load is tried again, after the first attempt.
    pub fn retries(&self) -> u32 {
        match self {
            Loading::Column { retries, .. } | Loading::Uri { retries, .. } => *retries,
        }
    }
}
