//! The size of batches, and the number of those at a time.

use serde::{Deserialize, Serialize};

/// `ai.processing_*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Processing {
    /// The one implementation.
    Default {
        /// The largest number of rows of one claim; none lets the worker choose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// The largest number of embedding requests in flight; none lets the worker choose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
    },
}

impl Default for Processing {
    fn default() -> Self {
        Processing::Default { batch_size: None, concurrency: None }
    }
}

impl Processing {
    /// Returns the largest number of rows of one claim, if the vectorizer says so.
    pub fn batch_size(&self) -> Option<u32> {
        let Processing::Default { batch_size, .. } = self;
        *batch_size
    }

    /// Returns the largest number of embedding requests in flight, if the vectorizer says so.
    pub fn concurrency(&self) -> Option<u32> {
        let Processing::Default { concurrency, .. } = self;
        *concurrency
    }
}
