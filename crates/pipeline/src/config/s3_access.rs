//! The way to ask S3.

use serde::{Deserialize, Serialize};

use super::Author;

/// A vectorizer's or source's way to ask S3, as far as it differs from the operator's settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct S3Access {
    /// ARN of the IAM role to assume before S3 is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
    /// The region that is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of an S3-compatible server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The place of the bucket's name in a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_style: Option<UrlStyle>,
    /// Ask without credentials, as public buckets allow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// The one who declared it. No declaration says that; whoever reads one does.
    #[serde(skip)]
    pub author: Author,
}

/// The form of the URL by which S3 addresses a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum UrlStyle {
    /// `https://bucket.host/key`.
    #[default]
    #[serde(rename = "vhost")]
    VirtualHosted,
    /// `https://host/bucket/key`.
    #[serde(rename = "path")]
    Path,
}
