//! The address of an object, as people write it.

mod error;
mod https;

use std::borrow::Cow;
use std::fmt;

use self::error::{invalid_uri, unsupported_scheme};
use crate::config::S3Access;
use crate::failure::{Failure, Retry, Step};

/// The text between a key and its version.
const VERSION: &str = "?versionId=";

/// `s3://bucket/key`, taken literally, or an `https` URL of S3 that means the same.
///
/// The key is everything after the first slash behind the bucket, byte for byte: blanks, `+`, `%`,
/// `?`, `#` and further leading slashes are part of it, and nothing is decoded. That is how the
/// AWS CLI and `smart_open` (pgai) read such an address. Only `?versionId=` and a version's id at
/// the very end are not the key's: they name that version of the object.
///
/// The bucket may be the ARN of an access point: `s3://arn:aws:s3:region:account:accesspoint/name/key`.
///
/// ```
/// use pgai_rs_pipeline::s3::S3Uri;
///
/// let uri = S3Uri::parse("s3://reports/2024/July 1.md?versionId=3sL4kqtJlcpXroDTDmJ")?;
/// assert_eq!((uri.bucket(), uri.key()), ("reports", "2024/July 1.md"));
/// assert_eq!(uri.version(), Some("3sL4kqtJlcpXroDTDmJ"));
///
/// let same = S3Uri::parse("https://reports.s3.eu-west-1.amazonaws.com/2024/July+1.md")?;
/// assert_eq!((same.key(), same.region()), ("2024/July 1.md", Some("eu-west-1")));
///
/// assert_eq!(S3Uri::parse("ftp://reports/July.md").unwrap_err().code, "unsupported_scheme");
/// # Ok::<(), pgai_rs_pipeline::failure::Failure>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Uri {
    bucket: String,
    key: String,
    version: Option<String>,
    region: Option<String>,
}

impl S3Uri {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// `unsupported_scheme` for any other scheme, for a URL of another host than S3's and for a bare
    /// path; `invalid_uri` when bucket or key are missing, the bucket holds a character that no bucket
    /// has, or a URL asks for more than an object.
    pub fn parse(uri: &str) -> Result<S3Uri, Failure> {
        match uri.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("s3") => Self::parse_s3(rest),
            Some((scheme, rest)) if is_http(scheme) => match https::parse(rest)? {
                Some(parts) => Self::new(&parts.bucket, &parts.key, parts.version, parts.region),
                None => Err(unsupported_scheme(Some(scheme))),
            },
            other => Err(unsupported_scheme(other.map(|(scheme, _)| scheme))),
        }
    }

    fn parse_s3(rest: &str) -> Result<S3Uri, Failure> {
        let (bucket, key) = split_bucket(rest);
        let (key, version) = match key.rsplit_once(VERSION) {
            Some((key, version)) if is_version(version) => (key, Some(version.to_owned())),
            _ => (key, None),
        };
        Self::new(bucket, key, version, None)
    }

    fn new(
        bucket: &str,
        key: &str,
        version: Option<String>,
        region: Option<String>,
    ) -> Result<S3Uri, Failure> {
        if bucket.is_empty() {
            return Err(invalid_uri("it lacks a bucket"));
        }

        let region = match access_point_region(bucket)? {
            Some(of_access_point) => Some(of_access_point.to_owned()),
            None if is_bucket_name(bucket) => region,
            None => {
                return Err(invalid_uri(
                    "its bucket contains a character other than letters, digits, '.', '-' and '_'",
                ));
            }
        };

        if key.is_empty() {
            return Err(invalid_uri("it has a bucket but no key"));
        }
        Ok(S3Uri { bucket: bucket.to_owned(), key: key.to_owned(), version, region })
    }

    /// The bucket's name, or an access point's ARN.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The id of the version that is meant, if it isn't the latest.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The region that the address names.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns `access`, with the region that the address names as the one that is asked first.
    pub fn access<'a>(&self, access: &'a S3Access) -> Cow<'a, S3Access> {
        match &self.region {
            Some(region) => Cow::Owned(S3Access { region: Some(region.clone()), ..access.clone() }),
            None => Cow::Borrowed(access),
        }
    }

    /// Returns the text after the key's last slash: the name that a file would have.
    pub fn file_name(&self) -> Option<&str> {
        self.key.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Returns whether one of the prefixes, written as `s3://bucket/key`, allows this object, in
    /// whatever way its address was written.
    ///
    /// A prefix that ends within the bucket (`s3://reports`) means that bucket and not
    /// `s3://reports-of-others`. A prefix that reaches into the key allows no key with a `.` or
    /// `..` segment: S3 takes them literally, but a proxy before a compatible server may not.
    pub fn is_allowed(&self, prefixes: &[String]) -> bool {
        prefixes.iter().any(|prefix| self.has_prefix(prefix))
    }

    /// Refuses an object that none of the prefixes allows.
    ///
    /// # Errors
    ///
    /// `uri_not_allowed`.
    pub fn permit(&self, prefixes: &[String]) -> Result<(), Failure> {
        if self.is_allowed(prefixes) {
            return Ok(());
        }
        let message = format!("address {self} is not allowed");
        Err(Failure::new(Step::Loading, "uri_not_allowed", message, Retry::Never)
            .with_hint("A superuser can add a prefix of it to pgai_rs.allowed_uris."))
    }

    fn has_prefix(&self, prefix: &str) -> bool {
        let Some((scheme, rest)) = prefix.split_once("://") else { return false };
        if !scheme.eq_ignore_ascii_case("s3") {
            return false;
        }

        let (bucket, key) = split_bucket(rest);
        if rest.is_empty() {
            return true;
        }
        bucket == self.bucket
            && self.key.starts_with(key)
            && (key.is_empty() || !self.key.split('/').any(|segment| matches!(segment, "." | "..")))
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "{VERSION}{version}"))
    }
}

/// The beginning of an address that it shares, as it is written, with those of all objects in the same
/// bucket; `None` if it is not one of an object.
///
/// ```
/// use pgai_rs_pipeline::s3::store_of;
///
/// assert_eq!(store_of("s3://bucket/folder/key"), Some("s3://bucket/"));
/// assert_eq!(store_of("https://bucket.s3.amazonaws.com/key"), Some("https://bucket.s3.amazonaws.com/"));
/// assert_eq!(store_of("https://s3.amazonaws.com/bucket/key"), Some("https://s3.amazonaws.com/bucket/"));
/// assert_eq!(store_of("s3://bucket"), None);
/// ```
pub fn store_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let length = match scheme {
        _ if scheme.eq_ignore_ascii_case("s3") => split_bucket(rest).0.len(),
        _ if is_http(scheme) => https::store(rest)?.len(),
        _ => return None,
    };
    let end = uri.len() - rest.len() + length;
    uri[end..].starts_with('/').then(|| &uri[..=end])
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// The bucket and the key. An access point's ARN has a slash of its own.
fn split_bucket(rest: &str) -> (&str, &str) {
    let resource = if rest.starts_with("arn:") { rest.find('/').map_or(0, |slash| slash + 1) } else { 0 };
    match rest.get(resource..).and_then(|rest| rest.find('/')) {
        Some(slash) => (&rest[..resource + slash], &rest[resource + slash + 1..]),
        None => (rest, ""),
    }
}

/// The region of the access point that a bucket stands for, if it is one:
/// `arn:partition:s3:region:account:accesspoint/name`.
fn access_point_region(bucket: &str) -> Result<Option<&str>, Failure> {
    if !bucket.starts_with("arn:") {
        return Ok(None);
    }

    let parts: Vec<&str> = bucket.splitn(6, ':').collect();
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match parts[..] {
        [_, partition, "s3", region, account, resource] => match resource.strip_prefix("accesspoint/") {
            Some(name) if [partition, region, account, name].into_iter().all(word) => Ok(Some(region)),
            _ => Err(invalid_uri("its ARN does not belong to an access point in a single region")),
        },
        _ => Err(invalid_uri("its ARN does not belong to an access point of S3")),
    }
}

fn is_bucket_name(bucket: &str) -> bool {
    let permitted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A path-style request would turn these two into another path.
    bucket.chars().all(permitted) && bucket != "." && bucket != ".."
}

/// Returns whether this is what S3 gives a version as its id, as far as its characters tell.
fn is_version(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
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
        for key in ["a b+c%20d/é?x=1#y", "/k", "a/", "日本語 📄.md", " ", "?", "%", "a//b", "x?versionId=a b"]
        {
            assert_eq!(parts(&format!("s3://bucket/{key}")), ("bucket".into(), key.into()));
        }
        assert_eq!(parts("S3://my.bucket_1/k"), ("my.bucket_1".into(), "k".into()));
    }

    #[test]
    fn a_version_is_named_at_the_very_end() {
        for (uri, key, version) in [
            ("s3://b/k?versionId=3HL4kqtJlcpXrof3._-x", "k", Some("3HL4kqtJlcpXrof3._-x")),
            ("s3://b/k?versionId=null", "k", Some("null")),
            ("s3://b/k?versionId=a?versionId=b", "k?versionId=a", Some("b")),
            ("s3://b/k?versionId=", "k?versionId=", None),
            ("s3://b/k?versionId=a&x=1", "k?versionId=a&x=1", None),
            ("s3://b/k?versionid=a", "k?versionid=a", None),
        ] {
            let parsed = S3Uri::parse(uri).unwrap();
            assert_eq!((parsed.key(), parsed.version()), (key, version));
            assert_eq!(parsed.to_string(), uri);
        }
        assert_eq!(code("s3://b/?versionId=a"), "invalid_uri");
    }

    #[test]
    fn an_access_point_stands_for_a_bucket() {
        let arn = "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/reports";
        let uri = S3Uri::parse(&format!("s3://{arn}/a/b.md?versionId=x")).unwrap();
        assert_eq!((uri.bucket(), uri.key(), uri.region()), (arn, "a/b.md", Some("cn-north-1")));
        let alias = "reports-abcdefghijklmnopqrstuvwxyz0123456-s3alias";
        assert_eq!(parts(&format!("s3://{alias}/k")), (alias.into(), "k".into()));
        for uri in [
            "s3://arn:aws:s3:::bucket/key",
            "s3://arn:aws:s3::123456789012:accesspoint/many.mrap/key",
            "s3://arn:aws:s3-outposts:us-east-1:123456789012:outpost/o/accesspoint/x/key",
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/x",
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint//key",
            "s3://arn:/key",
        ] {
            assert_eq!(code(uri), "invalid_uri", "{uri}");
        }
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
    fn names_the_file() {
        assert_eq!(S3Uri::parse("s3://b/x/report.pdf").unwrap().file_name(), Some("report.pdf"));
        assert_eq!(S3Uri::parse("s3://b/x/").unwrap().file_name(), None);
    }

    #[test]
    fn a_prefix_allows_what_it_says_and_no_neighbour() {
        let allowed = |uri: &str, prefix: &str| S3Uri::parse(uri).unwrap().is_allowed(&[prefix.to_owned()]);
        let point = "s3://arn:aws:s3:eu-west-1:1:accesspoint/reports";
        assert!(allowed("s3://b/k", "s3://"));
        assert!(allowed("s3://b/k", "S3://b"));
        assert!(allowed("s3://b/k", "s3://b/"));
        assert!(allowed("s3://b/public/k", "s3://b/public/"));
        assert!(allowed("s3://b/public/k?versionId=x", "s3://b/public/"));
        assert!(allowed("https://b.s3.amazonaws.com/public/k", "s3://b/public/"));
        assert!(allowed("s3://b/../k", "s3://b/"));
        assert!(allowed(&format!("{point}/public/k"), &format!("{point}/public/")));
        assert!(!allowed(&format!("{point}/public/k"), "s3://arn:aws:s3:eu-west-1:1:accesspoint/rep"));
        assert!(!allowed(&format!("{point}/public/k"), "s3://arn:aws:s3"));
        assert!(!allowed(&format!("{point}/public/k"), &format!("{point}/private/")));
        assert!(!allowed("s3://b2/k", "s3://b"));
        assert!(!allowed("s3://b/k", "s3://b/public/"));
        assert!(!allowed("https://b.s3.amazonaws.com/k", "s3://b/public/"));
        assert!(!allowed("s3://b/public/../k", "s3://b/public/"));
        assert!(!allowed("https://b.s3.amazonaws.com/public/%2e%2e/k", "s3://b/public/"));
        assert!(!allowed("s3://b/k", "https://"));
        assert!(!allowed("s3://b/k", ""));
        assert!(!S3Uri::parse("s3://b/k").unwrap().is_allowed(&[]));
    }
}
