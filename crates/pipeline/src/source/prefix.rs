//! The part of a bucket that a source keeps.

use std::fmt;

use super::failure;
use crate::config::S3Access;
use crate::failure::Failure;
use crate::s3::S3Uri;

/// Longest key of S3, in bytes (User Guide, "Naming Amazon S3 objects"), and so the longest prefix.
pub(super) const LONGEST_KEY: usize = 1024;
/// Stands for whatever follows a prefix.
const ANY: &str = "x";

/// `s3://bucket/prefix`, taken literally as S3 takes it: keys that begin with `prefix`, whether or
/// not that ends with a slash. Without a prefix the whole bucket. Or whatever else [`S3Uri`] reads as
/// an address, such as an access point's.
///
/// ```
/// use pgai_rs_pipeline::source::S3Prefix;
///
/// let reports = S3Prefix::parse("s3://bucket/reports/")?;
/// assert_eq!((reports.bucket(), reports.prefix()), ("bucket", "reports/"));
/// assert_eq!(reports.key("s3://bucket/reports/July.md"), Some("reports/July.md"));
/// assert_eq!(reports.key("s3://bucket/letters/July.md"), None);
/// # Ok::<(), pgai_rs_pipeline::failure::Failure>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Prefix {
    bucket: String,
    prefix: String,
    region: Option<String>,
}

impl S3Prefix {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme` and `invalid_uri`, as [`S3Uri::parse`]; the latter also for a version, and
    /// for a prefix that no key can have.
    pub fn parse(uri: &str) -> Result<S3Prefix, Failure> {
        // An S3Uri has a key; a bare bucket lacks the slash before it, too.
        let probe = S3Uri::parse(&format!("{uri}{ANY}"));
        let probe = probe.or_else(|_| S3Uri::parse(&format!("{uri}/{ANY}")))?;
        let prefix = probe.key().strip_suffix(ANY).ok_or_else(failure::invalid_prefix)?;
        if prefix.len() > LONGEST_KEY || prefix.contains('\0') || probe.version().is_some() {
            return Err(failure::invalid_prefix());
        }

        Ok(S3Prefix {
            bucket: probe.bucket().to_owned(),
            prefix: prefix.to_owned(),
            region: probe.region().map(str::to_owned),
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the beginning of the keys; empty for all.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns whether the bucket is an access point, by whose name events do not call it.
    pub fn is_access_point(&self) -> bool {
        self.bucket.starts_with("arn:")
    }

    /// Returns `access`, with the region that the address names as the one that is asked first.
    pub(super) fn access(&self, access: &S3Access) -> S3Access {
        let region = self.region.clone().or_else(|| access.region.clone());
        S3Access { region, ..access.clone() }
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

    /// Returns whether all of it lies within one of the allowed prefixes, as [`S3Uri::is_allowed`] reads
    /// them.
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
        let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine";
        assert_eq!(parts(&format!("s3://{point}/docs/")), (point.into(), "docs/".into()));
        assert_eq!(parts(&format!("s3://{point}")), (point.into(), String::new()));
        assert_eq!(parts("https://b.s3.eu-west-1.amazonaws.com/a%20b/"), ("b".into(), "a b/".into()));
    }

    #[test]
    fn says_what_is_wrong() {
        let code = |uri: &str| S3Prefix::parse(uri).unwrap_err().code;
        assert_eq!(code("https://b/x"), "unsupported_scheme");
        assert_eq!(code("bucket"), "unsupported_scheme");
        assert_eq!(code("s3://"), "invalid_uri");
        assert_eq!(code("s3:///x"), "invalid_uri");
        assert_eq!(code(&format!("s3://b/{}", "x".repeat(1025))), "invalid_uri");
        assert_eq!(code("s3://b/x?versionId="), "invalid_uri");
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
