//! The part of a bucket that a source keeps.

use std::fmt;

use crate::document::Failure;
use crate::s3::S3Uri;

/// Longest key of S3, in bytes (User Guide, "Naming Amazon S3 objects"), and so the longest prefix.
const LONGEST_KEY: usize = 1024;

/// `s3://bucket/prefix`, taken literally as S3 takes it: keys that begin with `prefix`, whether or
/// not that ends with a slash. Without a prefix the whole bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Prefix {
    bucket: String,
    prefix: String,
}

impl S3Prefix {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme` and `invalid_uri`, as [`S3Uri::parse`].
    pub fn parse(uri: &str) -> Result<S3Prefix, Failure> {
        // S3Uri wants a key; any will do to have scheme and bucket checked.
        let probe = match uri.split_once("://").map(|(_, rest)| rest.contains('/')) {
            Some(false) => format!("{uri}/x"),
            _ => format!("{uri}x"),
        };
        let bucket = S3Uri::parse(&probe)?.bucket().to_owned();
        let prefix = uri.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
        if prefix.len() > LONGEST_KEY || prefix.contains('\0') {
            return Err(super::failure::invalid_prefix());
        }
        Ok(S3Prefix { bucket, prefix })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the keys begin with; empty for all.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The address of a key in this bucket.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// The key of an address that this source keeps.
    pub fn key<'a>(&self, uri: &'a str) -> Option<&'a str> {
        let key = uri.strip_prefix("s3://")?.strip_prefix(&self.bucket)?.strip_prefix('/')?;
        key.starts_with(&self.prefix).then_some(key)
    }

    /// Whether all of it lies within one of the allowed prefixes, as [`S3Uri::is_allowed`] reads them.
    pub fn is_allowed(&self, allowed: &[String]) -> bool {
        // A byte that no setting holds stands for whatever follows the prefix.
        S3Uri::parse(&format!("{self}\0")).is_ok_and(|uri| uri.is_allowed(allowed))
    }
}

impl fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> (String, String) {
        let prefix = S3Prefix::parse(uri).unwrap();
        (prefix.bucket, prefix.prefix)
    }

    #[test]
    fn is_taken_literally() {
        assert_eq!(parts("s3://b"), ("b".into(), String::new()));
        assert_eq!(parts("s3://b/"), ("b".into(), String::new()));
        assert_eq!(parts("s3://b/docs"), ("b".into(), "docs".into()));
        assert_eq!(parts("S3://b/a b/+%20/é/"), ("b".into(), "a b/+%20/é/".into()));
        assert_eq!(parts("s3://b//x"), ("b".into(), "/x".into()));
    }

    #[test]
    fn says_what_is_wrong() {
        let code = |uri: &str| S3Prefix::parse(uri).unwrap_err().code;
        assert_eq!(code("https://b/x"), "unsupported_scheme");
        assert_eq!(code("bucket"), "unsupported_scheme");
        assert_eq!(code("s3://"), "invalid_uri");
        assert_eq!(code("s3:///x"), "invalid_uri");
        assert_eq!(code(&format!("s3://b/{}", "x".repeat(1025))), "invalid_uri");
    }

    #[test]
    fn finds_its_keys_and_no_others() {
        let docs = S3Prefix::parse("s3://b/docs/").unwrap();
        assert_eq!(docs.uri("docs/a"), "s3://b/docs/a");
        assert_eq!(docs.key("s3://b/docs/a"), Some("docs/a"));
        assert_eq!(docs.key("s3://b/other/a"), None);
        assert_eq!(docs.key("s3://b2/docs/a"), None);
    }

    #[test]
    fn is_allowed_only_as_a_whole() {
        let allowed =
            |uri: &str, prefix: &str| S3Prefix::parse(uri).unwrap().is_allowed(&[prefix.to_owned()]);
        assert!(allowed("s3://b/docs/", "s3://"));
        assert!(allowed("s3://b/docs/", "s3://b"));
        assert!(allowed("s3://b", "s3://b/"));
        assert!(allowed("s3://b/docs/", "s3://b/docs/"));
        assert!(allowed("s3://b/docs/", "s3://b/doc"));
        assert!(!allowed("s3://b/doc", "s3://b/docs/"));
        assert!(!allowed("s3://b", "s3://b/x"));
        assert!(!allowed("s3://b", "s3://b2"));
        assert!(!allowed("s3://b/docs/../", "s3://b/docs/"));
    }
}
