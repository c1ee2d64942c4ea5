//! What `ai.create_s3_source` stores of a source in `config`.

use serde::{Deserialize, Serialize};

use super::S3Access;

/// Which objects, and how S3 is asked about them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceConfig {
    /// Globs of which a key must match one; none: every key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Globs of which a key must match none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Largest object in bytes; `None`: the operator's largest document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// The SQS queue of the bucket's event notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_url: Option<String>,
    /// Whether S3 is asked for the content type of what is new or changed.
    #[serde(default)]
    pub head_objects: bool,
    /// How S3, and the queue, are asked.
    #[serde(flatten)]
    pub s3: S3Access,
}
