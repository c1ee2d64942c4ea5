//! The URLs by which browsers, the AWS console and other tools name an object.

use super::error::invalid_uri;
use super::is_version;
use crate::failure::Failure;

/// The parts of an object's address that a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UrlParts {
    /// The bucket's name, decoded.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The id of the version that is meant.
    pub version: Option<String>,
    /// The region in the host's name.
    pub region: Option<String>,
}

/// Reads what follows `https://`; `None` if the host is not one of S3's.
///
/// # Errors
///
/// `invalid_uri`, without a part of the URL, which may be signed.
pub(super) fn parse(rest: &str) -> Result<Option<UrlParts>, Failure> {
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
    let Some(Host { bucket, region }) = Host::parse(&host) else { return Ok(None) };

    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let version = version(query)?;
    let (bucket, key) = match bucket {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };

    let bucket = decode(bucket)?;
    let key = decode(key)?;
    Ok(Some(UrlParts { bucket, key, version, region: region.map(str::to_owned) }))
}

/// The part of what follows `https://` that names the bucket; `None` if the host is not one of S3's.
pub(super) fn store(rest: &str) -> Option<&str> {
    let (written, path) = rest.split_once('/')?;
    let host = written.strip_suffix(":443").unwrap_or(written).to_ascii_lowercase();
    let bucket = match Host::parse(&host)?.bucket {
        Some(_) => "",
        None => path.split('/').next().unwrap_or_default(),
    };
    Some(if bucket.is_empty() { written } else { &rest[..written.len() + 1 + bucket.len()] })
}

/// A host of S3 (<https://docs.aws.amazon.com/general/latest/gr/s3.html>).
struct Host<'a> {
    /// The bucket; if there is none, it is the path's first part.
    bucket: Option<&'a str>,
    region: Option<&'a str>,
}

impl<'a> Host<'a> {
    fn parse(host: &'a str) -> Option<Self> {
        let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
        let (before, last) = split_last(host);

        // s3.amazonaws.com and s3-eu-west-1.amazonaws.com, as they were at first.
        if last == "s3" {
            return Some(Host { bucket: before, region: None });
        }
        if let Some(region) = last.strip_prefix("s3-").filter(|region| is_region(region)) {
            return Some(Host { bucket: before, region: Some(region) });
        }

        if !is_region(last) {
            return None;
        }

        let (mut before, mut service) = split_last(before?);
        if service == "dualstack" {
            (before, service) = split_last(before?);
        }
        matches!(service, "s3" | "s3-fips").then_some(Host { bucket: before, region: Some(last) })
    }
}

/// A host's last label, and what is before it.
fn split_last(host: &str) -> (Option<&str>, &str) {
    host.rsplit_once('.').map_or((None, host), |(before, last)| (Some(before), last))
}

/// Returns whether a label is the name of a region, such as `eu-west-1` or `us-gov-east-1`.
fn is_region(label: &str) -> bool {
    let mut parts = label.split('-').rev();
    let numbered = parts.next().is_some_and(|last| last.parse::<u8>().is_ok());
    let words: Vec<&str> = parts.collect();
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    numbered && words.len() >= 2 && words.iter().all(is_word) && words.last().is_some_and(|w| w.len() == 2)
}

/// The version that a query names.
fn version(query: &str) -> Result<Option<String>, Failure> {
    let mut version = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // By Version 4 of AWS's signatures, or by Version 2.
        let signed = name.to_ascii_lowercase().starts_with("x-amz-")
            || matches!(name, "Signature" | "AWSAccessKeyId" | "Expires");

        match name {
            _ if signed => {
                return Err(invalid_uri("it is a signed URL, which expires")
                    .with_hint("Use s3://bucket/key; the server uses its own credentials."));
            }
            "versionId" if is_version(value) => version = Some(value.to_owned()),
            _ => return Err(invalid_uri("its query contains more than versionId")),
        }
    }
    Ok(version)
}

/// Undoes a URL's encoding. `+` is a blank in a path, too: that is how the AWS console writes blanks,
/// and how S3 reads them.
fn decode(text: &str) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| hex(digit.unwrap_or_default()));
                let [Some(high), Some(low)] = digits else {
                    return Err(invalid_uri("a % in it is not followed by two hexadecimal digits"));
                };
                high << 4 | low
            }
            other => other,
        });
    }

    String::from_utf8(bytes).map_err(|_| invalid_uri("what it encodes is not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use crate::s3::S3Uri;

    /// Bucket, key, region and version of a URL.
    fn parts(url: &str) -> [String; 4] {
        let uri = S3Uri::parse(url).unwrap_or_else(|failure| panic!("{url}: {failure:?}"));
        [Some(uri.bucket()), Some(uri.key()), uri.region(), uri.version()]
            .map(|part| part.unwrap_or_default().to_owned())
    }

    #[test]
    fn every_host_of_s3_is_read() {
        for (url, region) in [
            ("https://b.s3.eu-west-1.amazonaws.com/k", "eu-west-1"),
            ("https://b.s3.amazonaws.com/k", ""),
            ("https://B.S3.AmazonAWS.com:443/k", ""),
            ("http://b.s3.amazonaws.com/k", ""),
            ("https://b.s3-eu-west-1.amazonaws.com/k", "eu-west-1"),
            ("https://b.s3.dualstack.ap-southeast-2.amazonaws.com/k", "ap-southeast-2"),
            ("https://b.s3-fips.us-gov-west-1.amazonaws.com/k", "us-gov-west-1"),
            ("https://b.s3-fips.dualstack.us-east-1.amazonaws.com/k", "us-east-1"),
            ("https://b.s3.cn-north-1.amazonaws.com.cn/k", "cn-north-1"),
            ("https://s3.eu-west-1.amazonaws.com/b/k", "eu-west-1"),
            ("https://s3.amazonaws.com/b/k", ""),
            ("https://s3-us-west-2.amazonaws.com/b/k", "us-west-2"),
            ("https://s3.dualstack.eu-west-1.amazonaws.com/b/k", "eu-west-1"),
        ] {
            assert_eq!(parts(url), ["b", "k", region, ""], "{url}");
        }
        assert_eq!(parts("https://my.dotted.name.s3.eu-west-1.amazonaws.com/k")[0], "my.dotted.name");
        assert_eq!(parts("https://s3.s3.amazonaws.com/k")[0], "s3");
    }

    #[test]
    fn a_url_is_decoded() {
        for (path, key) in [
            ("a%20b/%C3%A9.md", "a b/é.md"),
            ("a+b", "a b"),
            ("a%2Bb%25%3F%23", "a+b%?#"),
            ("/k", "/k"),
            ("é", "é"),
            ("a.pdf#page=3", "a.pdf"),
        ] {
            let url = format!("https://b.s3.amazonaws.com/{path}");
            assert_eq!(parts(&url), ["b", key, "", ""], "{url}");
        }
        assert_eq!(parts("https://b.s3.amazonaws.com/k?versionId=x.1#top"), ["b", "k", "", "x.1"]);
    }

    #[test]
    fn a_url_that_means_more_or_less_than_an_object_is_refused_without_repeating_it() {
        for (url, code) in [
            ("https://b.s3.amazonaws.com/k?X-Amz-Signature=SECRET", "invalid_uri"),
            ("https://b.s3.amazonaws.com/k?versionId=1&x-amz-security-token=SECRET", "invalid_uri"),
            ("https://b.s3.amazonaws.com/k?AWSAccessKeyId=SECRET&Signature=x", "invalid_uri"),
            ("https://b.s3.amazonaws.com/k?list-type=SECRET", "invalid_uri"),
            ("https://b.s3.amazonaws.com/k?versionId=SECRET%20", "invalid_uri"),
            ("https://b.s3.amazonaws.com/SECRET%", "invalid_uri"),
            ("https://b.s3.amazonaws.com/SECRET%4", "invalid_uri"),
            ("https://b.s3.amazonaws.com/SECRET%é1", "invalid_uri"),
            ("https://b.s3.amazonaws.com/SECRET%FF", "invalid_uri"),
            ("https://s3.amazonaws.com/SECRET", "invalid_uri"),
            ("https://b.s3.amazonaws.com/", "invalid_uri"),
            ("https://b.s3.amazonaws.com", "invalid_uri"),
            ("https://s3.amazonaws.com/b%2Fx/SECRET", "invalid_uri"),
            ("https://SECRET@b.s3.amazonaws.com/k", "invalid_uri"),
            ("https://b.s3-website.eu-west-1.amazonaws.com/SECRET", "unsupported_scheme"),
            ("https://b.s3.amazonaws.com.evil.example/SECRET", "unsupported_scheme"),
            ("https://amazonaws.com/b/SECRET", "unsupported_scheme"),
            ("https://b.s3.eu-west-1.example.com/SECRET?X-Amz-Signature=SECRET", "unsupported_scheme"),
            ("https://ec2.eu-west-1.amazonaws.com/b/SECRET", "unsupported_scheme"),
        ] {
            let failure = S3Uri::parse(url).unwrap_err();
            assert_eq!(failure.code, code, "{url}: {failure:?}");
            assert!(!format!("{failure:?}").contains("SECRET"), "{failure:?}");
        }
        let signed = S3Uri::parse("https://b.s3.amazonaws.com/k?X-Amz-Signature=x").unwrap_err();
        assert!(signed.hint.unwrap().contains("s3://bucket/key"));
    }
}
