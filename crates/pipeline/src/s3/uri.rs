//! The address of an object, as people write it.

use std::fmt;

use crate::document::{Failure, Retry, Step};

/// `s3://bucket/key`, taken literally.
///
/// The key is everything after the first slash behind the bucket, byte for byte: blanks, `+`, `%`,
/// `?`, `#` and further leading slashes are part of it, and nothing is decoded. That is how the
/// AWS CLI and `smart_open` (pgai) read such an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Uri {
    bucket: String,
    key: String,
}

impl S3Uri {
    /// Reads an address whose scheme, in any case, is `s3`.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme` for any other scheme and for a bare path, `invalid_uri` when bucket or
    /// key are missing or the bucket holds a character that no bucket has.
    pub fn parse(uri: &str) -> Result<S3Uri, Failure> {
        let rest = match uri.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("s3") => rest,
            other => return Err(unsupported_scheme(other.map(|(scheme, _)| scheme))),
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(invalid_uri("it names no bucket"));
        }
        if !is_bucket_name(bucket) {
            return Err(invalid_uri(
                "its bucket holds a character other than letters, digits, '.', '-' and '_'",
            ));
        }
        if key.is_empty() {
            return Err(invalid_uri("it names a bucket but no key"));
        }
        Ok(S3Uri { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What follows the key's last slash: what a file would be called.
    pub fn file_name(&self) -> Option<&str> {
        self.key.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Whether one of the prefixes allows this object.
    ///
    /// A prefix that ends within the bucket (`s3://reports`) means that bucket and not
    /// `s3://reports-of-others`. A prefix that reaches into the key allows no key with a `.` or
    /// `..` segment: S3 takes them literally, but a proxy before a compatible server may not.
    pub fn is_allowed(&self, prefixes: &[String]) -> bool {
        prefixes.iter().any(|prefix| self.has_prefix(prefix))
    }

    fn has_prefix(&self, prefix: &str) -> bool {
        let Some((scheme, rest)) = prefix.split_once("://") else { return false };
        if !scheme.eq_ignore_ascii_case("s3") {
            return false;
        }
        match rest.split_once('/') {
            None => rest.is_empty() || rest == self.bucket,
            Some((bucket, "")) => bucket == self.bucket,
            Some((bucket, key)) => {
                bucket == self.bucket
                    && self.key.starts_with(key)
                    && !self.key.split('/').any(|segment| matches!(segment, "." | ".."))
            }
        }
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

fn is_bucket_name(bucket: &str) -> bool {
    let permitted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A path-style request would turn these two into another path.
    bucket.chars().all(permitted) && bucket != "." && bucket != ".."
}

fn unsupported_scheme(scheme: Option<&str>) -> Failure {
    // Only the scheme is repeated: the rest of, say, an https URL may hold a signature.
    let message = match scheme {
        Some(scheme) if scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            format!("documents can't be loaded from {scheme}://")
        }
        _ => "the document's address has no scheme such as s3://".to_owned(),
    };
    Failure::new(Step::Loading, "unsupported_scheme", message, Retry::Never)
        .with_hint("Only addresses of the form s3://bucket/key can be loaded.")
}

fn invalid_uri(why: &str) -> Failure {
    Failure::new(
        Step::Loading,
        "invalid_uri",
        format!("the document's address is not valid: {why}"),
        Retry::Never,
    )
    .with_hint("Write it as s3://bucket/key. The key is taken literally, nothing in it is decoded.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> (String, String) {
        let uri = S3Uri::parse(uri).unwrap();
        (uri.bucket, uri.key)
    }

    fn code(uri: &str) -> &'static str {
        S3Uri::parse(uri).unwrap_err().code
    }

    #[test]
    fn takes_the_key_literally() {
        let key = "a b+c%20d/é?x=1#y";
        assert_eq!(parts(&format!("s3://bucket/{key}")), ("bucket".into(), key.into()));
        assert_eq!(parts("S3://my.bucket_1/k"), ("my.bucket_1".into(), "k".into()));
        assert_eq!(parts("s3://bucket//k"), ("bucket".into(), "/k".into()));
        assert_eq!(parts("s3://bucket/a/"), ("bucket".into(), "a/".into()));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(code("s3://"), "invalid_uri");
        assert_eq!(code("s3:///key"), "invalid_uri");
        assert_eq!(code("s3://bucket"), "invalid_uri");
        assert_eq!(code("s3://bucket/"), "invalid_uri");
        assert_eq!(code("s3://user@host/key"), "invalid_uri");
        assert_eq!(code("s3://../key"), "invalid_uri");
        assert_eq!(code("/etc/passwd"), "unsupported_scheme");
        assert_eq!(code("file:///etc/passwd"), "unsupported_scheme");
    }

    #[test]
    fn repeats_nothing_of_a_signed_url() {
        let failure = S3Uri::parse("https://bucket.s3.amazonaws.com/k?X-Amz-Signature=abc").unwrap_err();
        assert_eq!(failure.message, "documents can't be loaded from https://");
    }

    #[test]
    fn names_the_file() {
        assert_eq!(S3Uri::parse("s3://b/x/report.pdf").unwrap().file_name(), Some("report.pdf"));
        assert_eq!(S3Uri::parse("s3://b/x/").unwrap().file_name(), None);
    }

    #[test]
    fn a_prefix_allows_what_it_says_and_no_neighbour() {
        let allowed = |uri: &str, prefix: &str| S3Uri::parse(uri).unwrap().is_allowed(&[prefix.to_owned()]);
        assert!(allowed("s3://b/k", "s3://"));
        assert!(allowed("s3://b/k", "S3://b"));
        assert!(allowed("s3://b/k", "s3://b/"));
        assert!(allowed("s3://b/public/k", "s3://b/public/"));
        assert!(allowed("s3://b/../k", "s3://b/"));
        assert!(!allowed("s3://b2/k", "s3://b"));
        assert!(!allowed("s3://b/k", "s3://b/public/"));
        assert!(!allowed("s3://b/public/../k", "s3://b/public/"));
        assert!(!allowed("s3://b/k", "https://"));
        assert!(!allowed("s3://b/k", ""));
        assert!(!S3Uri::parse("s3://b/k").unwrap().is_allowed(&[]));
    }
}
