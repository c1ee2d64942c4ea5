//! The size of batches, the number of those at a time, and the way that existing rows go.

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
        /// The way that existing rows go; none for that of all others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backfill: Option<Backfill>,
    },
}

/// The way that rows go which were there before their vectorizer, or are all to be embedded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backfill {
    /// The provider's batch API, which answers within a day and costs half.
    Batch,
}

impl Default for Processing {
    fn default() -> Self {
        Processing::Default { batch_size: None, concurrency: None, backfill: None }
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

    /// Returns whether existing rows go by the provider's batch API.
    pub fn backfills_by_batch(&self) -> bool {
        let Processing::Default { backfill, .. } = self;
        *backfill == Some(Backfill::Batch)
    }
}
