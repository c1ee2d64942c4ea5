//! The config of a source, as `ai.create_s3_source` stores it.

use serde::{Deserialize, Serialize};

use super::S3Access;

/// The choice of objects, and the way to ask S3 for them.
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
    /// `true` if S3 is asked for the content type of each new or changed object.
    #[serde(default)]
    pub head_objects: bool,
    /// The places that the metadata of an object is read from; none: it is not read. Of two that have the same key, the
    /// one that comes first counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<MetadataPlace>,
    /// The way to ask S3 and the queue of events.
    #[serde(flatten)]
    pub s3: S3Access,
}

/// A place that has metadata of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetadataPlace {
    /// The headers `x-amz-meta-…`, given when the object was written.
    User,
    /// The tags, which can be changed at any time.
    Tags,
    /// The object beside it whose key has `.metadata.json` at its end, as for knowledge bases of Amazon Bedrock.
    Sidecar,
}

impl MetadataPlace {
    /// All of them.
    pub const ALL: [MetadataPlace; 3] = [MetadataPlace::User, MetadataPlace::Tags, MetadataPlace::Sidecar];

    /// Returns its name in a declaration.
    pub fn name(self) -> &'static str {
        match self {
            MetadataPlace::User => "user",
            MetadataPlace::Tags => "tags",
            MetadataPlace::Sidecar => "sidecar",
        }
    }
}
