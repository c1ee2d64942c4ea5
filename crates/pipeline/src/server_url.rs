//! The URL of a server that is asked, and the prefixes by which an administrator allows such URLs.
//!
//! A URL is compared as the client will read it, and not as it is written: whatever two readers could
//! understand differently (a backslash, `..`, a user before an `@`) is refused beforehand.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::network::Reach;

/// The base URL of a server: scheme, host, port and path, and nothing else.
///
/// ```
/// use pgai_rs_pipeline::server_url::ServerUrl;
///
/// let url = ServerUrl::parse("https://Models.Example.com:443/v1/").unwrap();
/// assert!(url.is_within(&ServerUrl::parse("https://models.example.com").unwrap()));
/// assert!(ServerUrl::parse("https://models.example.com/v1/../admin").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

/// The reason why a text is not a server's URL. The messages repeat nothing of it, for it may hold a
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// It has another scheme, or none.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A blank or a control character, wherever it stands.
    #[error("must not contain blanks or control characters")]
    Blank,
    /// Browsers read it as a slash, others do not.
    #[error("must not contain a backslash")]
    Backslash,
    /// A name or a password before an `@`.
    #[error("must not contain a user name or a password")]
    Userinfo,
    /// Nothing stands between the scheme and the path.
    #[error("must name a host")]
    NoHost,
    /// A host or a port that is none.
    #[error("must have a valid host and port")]
    Invalid,
    /// It has a query, which follows a `?`.
    #[error("must not contain a query")]
    Query,
    /// It has a fragment, which follows a `#`.
    #[error("must not contain a fragment")]
    Fragment,
    /// A part of the path that is empty, `.` or `..`, in whatever way it is written.
    #[error("must not contain an empty path segment, \".\" or \"..\"")]
    Path,
}

impl ServerUrlError {
    /// Returns what a person can do about it, with an example of such a URL.
    pub fn hint(self, example: &str) -> String {
        let why = match self {
            ServerUrlError::Userinfo => ", without the part before the @, because everybody can read it here",
            ServerUrlError::Query | ServerUrlError::Fragment => ": the request's own path is added to it",
            _ => "",
        };
        format!("Write it as {example}{why}.")
    }
}

/// The largest number of bytes of a URL, as most servers have it. Looking for a way out of a path takes
/// time with its square.
const LONGEST: usize = 2048;

impl ServerUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`ServerUrlError`], for what is no URL of a server, and for what could be asked otherwise than it
    /// reads.
    pub fn parse(text: &str) -> Result<ServerUrl, ServerUrlError> {
        if text.len() > LONGEST {
            return Err(ServerUrlError::Invalid);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ServerUrlError::Blank);
        }

        let (scheme, rest) = text.split_once("://").ok_or(ServerUrlError::Scheme)?;
        if !["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return Err(ServerUrlError::Scheme);
        }

        check_parts(rest)?;
        let url = Url::parse(text).map_err(|_| ServerUrlError::Invalid)?;
        url.has_host().then_some(ServerUrl(url)).ok_or(ServerUrlError::NoHost)
    }

    /// The host, in lower case, and without the dot that makes a name absolute.
    pub fn host(&self) -> Cow<'_, str> {
        match self.0.host() {
            Some(Host::Domain(name)) => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
            Some(address) => Cow::Owned(address.to_string()),
            None => Cow::Borrowed(""),
        }
    }

    /// Returns whether this is the prefix's server, and its path the prefix's or below it.
    ///
    /// Below a path nothing is allowed that a server may take for a way out of it, however often it
    /// decodes what it is asked for.
    pub fn is_within(&self, prefix: &ServerUrl) -> bool {
        let server = |url: &ServerUrl| (url.0.scheme() == "https", url.0.port_or_known_default());
        if server(self) != server(prefix) || self.host() != prefix.host() {
            return false;
        }

        let base = prefix.0.path().trim_end_matches('/');
        let Some(below) = self.0.path().strip_prefix(base) else { return false };
        let ends_there = below.is_empty() || below.starts_with('/');
        ends_there && (base.is_empty() || !below.split('/').any(leads_elsewhere))
    }

    /// Returns whether one of an administrator's prefixes allows the URL. A prefix that is only a scheme
    /// (`https://`) allows all of it; one that is no URL allows nothing.
    pub fn is_allowed(&self, prefixes: &[String]) -> bool {
        self.is_named(prefixes) || self.is_of_scheme(prefixes)
    }

    /// Returns the addresses that the URL may lead to, if it may be asked at all. Where only its scheme
    /// is allowed, nobody but its author chose the host.
    pub fn reach(&self, prefixes: &[String]) -> Reach {
        match self.is_of_scheme(prefixes) && !self.is_named(prefixes) {
            true => Reach::Public,
            false => Reach::Named,
        }
    }

    /// Returns whether one of the prefixes has the URL's host.
    pub fn is_named(&self, prefixes: &[String]) -> bool {
        prefixes.iter().any(|prefix| ServerUrl::parse(prefix).is_ok_and(|prefix| self.is_within(&prefix)))
    }

    fn is_of_scheme(&self, prefixes: &[String]) -> bool {
        let scheme = |prefix: &String| prefix.strip_suffix("://").map(str::to_owned);
        prefixes.iter().filter_map(scheme).any(|scheme| self.0.scheme().eq_ignore_ascii_case(&scheme))
    }

    /// The URL itself.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL in the one form in which all that mean the same server and path are written, but for the parts of the path that need
    /// not be encoded: in lower case, without the port that its scheme has anyway, and without a dot or a slash at the end.
    pub fn normal(&self) -> String {
        let (scheme, host) = (self.0.scheme(), self.host());
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}{}", self.0.path().trim_end_matches('/'))
    }

    /// Its path without a slash at its end, decoded until there is nothing left to decode.
    pub(crate) fn decoded_path(&self) -> String {
        decoded(self.0.path().trim_end_matches('/'))
    }

    /// The URL of the server as a whole, without a path.
    pub fn origin(&self) -> ServerUrl {
        let mut url = self.0.clone();
        url.set_path("/");
        ServerUrl(url)
    }
}

/// Checks all that follows the scheme, before a parser has made something else of it.
fn check_parts(rest: &str) -> Result<(), ServerUrlError> {
    if rest.contains('\\') {
        return Err(ServerUrlError::Backslash);
    }

    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, of)| (rest, Some(of)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, of)| (rest, Some(of)));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));

    if host.contains('@') {
        return Err(ServerUrlError::Userinfo);
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(ServerUrlError::NoHost);
    }
    if query.is_some() {
        return Err(ServerUrlError::Query);
    }
    if fragment.is_some() {
        return Err(ServerUrlError::Fragment);
    }

    let path = path.trim_end_matches('/');
    let odd = |part: &str| part.is_empty() || is_dots(&decoded(part));
    if !path.is_empty() && path.split('/').any(odd) {
        return Err(ServerUrlError::Path);
    }
    Ok(())
}

/// Returns whether a part of a path may be read as several, or as a way upwards.
fn leads_elsewhere(part: &str) -> bool {
    let part = decoded(part);
    is_dots(&part) || part.contains(['/', '\\', '\0'])
}

fn is_dots(part: &str) -> bool {
    matches!(part, "." | "..")
}

/// A part of a path, decoded until there is nothing left to decode: some servers do so twice.
fn decoded(part: &str) -> String {
    let mut text = part.to_owned();
    loop {
        // Each round that changes something leaves less to decode.
        match percent_decode_str(&text).decode_utf8_lossy() {
            once if once == text.as_str() => return text,
            once => text = once.into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Option<ServerUrlError> {
        ServerUrl::parse(text).err()
    }

    #[test]
    fn a_url_of_any_length_is_not_decoded_again_and_again() {
        assert_eq!(error(&format!("http://h/%{}", "25".repeat(1_000_000))), Some(ServerUrlError::Invalid));
        assert_eq!(error(&format!("http://h/{}", "a".repeat(2000))), None);
    }

    #[test]
    fn a_url_has_one_normal_form() {
        for (text, normal) in [
            ("https://sqs.eu-west-1.amazonaws.com/1/q", "https://sqs.eu-west-1.amazonaws.com/1/q"),
            ("HTTPS://SQS.eu-west-1.amazonaws.com.:443/1/q//", "https://sqs.eu-west-1.amazonaws.com/1/q"),
            ("http://h", "http://h"),
            ("http://h:80/", "http://h"),
            ("http://[::1]:4566/A/b%20c", "http://[::1]:4566/A/b%20c"),
        ] {
            assert_eq!(ServerUrl::parse(text).map(|url| url.normal()).as_deref(), Ok(normal), "{text}");
        }
    }

    #[test]
    fn a_servers_url_is_read() {
        for text in [
            "http://h",
            "http://h/",
            "https://h/v1",
            "HTTPS://H:8443/v1/",
            "http://127.0.0.1:11434/v1//",
            "http://[::1]:80/a/b.c/d..e",
            "https://bücher.example/v1",
            "http://svc.ns.svc.cluster.local./v1",
            "https://h/accounts/a%20b/ai",
        ] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    #[test]
    fn what_would_be_asked_otherwise_than_it_reads_is_refused() {
        use ServerUrlError::*;
        for (text, expected) in [
            ("", Scheme),
            ("h/v1", Scheme),
            ("ftp://h", Scheme),
            ("http:/h", Scheme),
            ("http:h", Scheme),
            ("file:///etc", Scheme),
            (" http://h", Blank),
            ("http://h/v1\n", Blank),
            ("http://h/a b", Blank),
            ("http://h\t/v1", Blank),
            ("http://h/v1\u{a0}", Blank),
            ("http://h\\@evil/v1", Backslash),
            ("http://h/v1\\..\\admin", Backslash),
            ("http://u:p@h/v1", Userinfo),
            ("http://u@h/v1?x", Userinfo),
            ("http:///v1", NoHost),
            ("http://", NoHost),
            ("http://:80/v1", NoHost),
            ("http://?x", NoHost),
            ("http://h:99999/v1", Invalid),
            ("http://h:x/v1", Invalid),
            ("http://[::1/v1", Invalid),
            ("http://a b/v1", Blank),
            ("http://h/v1?api-version=1", Query),
            ("http://h/v1?", Query),
            ("http://h?x=/v1", Query),
            ("http://h/v1#top", Fragment),
            ("http://h/v1/../admin", Path),
            ("http://h/v1/%2e%2E/admin", Path),
            ("http://h/v1/%252e%252e/admin", Path),
            ("http://h/./v1", Path),
            ("http://h//v1", Path),
            ("http://h/v1/..", Path),
            ("http://h/v1/../", Path),
        ] {
            assert_eq!(error(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_repeats_nothing_of_the_url() {
        for text in
            ["http://u:SECRET@h", "http://h/?SECRET", "http://h#SECRET", "SECRET", "http://h/SECRET/.."]
        {
            let error = error(text).unwrap();
            assert!(!format!("{error} {}", error.hint("https://h")).contains("SECRET"));
        }
    }

    fn within(url: &str, prefix: &str) -> bool {
        ServerUrl::parse(url).unwrap().is_allowed(&[prefix.to_owned()])
    }

    #[test]
    fn one_server_is_one_however_it_is_written() {
        for (url, prefix) in [
            ("http://h:80/v1", "http://h"),
            ("http://h/v1", "http://h:80/"),
            ("https://h:443", "https://h"),
            ("http://H.Example/v1", "http://h.example"),
            ("HTTP://h/v1", "http://h"),
            ("http://h.example./v1", "http://h.example/v1"),
            ("http://h/v1/", "http://h/v1"),
            ("http://h/v1", "http://h/v1/"),
            ("http://h/v1/a/b", "http://h/v1"),
            ("http://[0:0:0:0:0:0:0:1]/v1", "http://[::1]"),
            ("http://[::FFFF]/v1", "http://[::ffff]"),
            ("http://127.1/v1", "http://127.0.0.1"),
            ("http://2130706433/v1", "http://127.0.0.1"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://ｅｘａｍｐｌｅ.com", "https://example.com"),
            ("https://%65xample.com", "https://example.com"),
            ("https://any.example", "https://"),
        ] {
            assert!(within(url, prefix), "{url} {prefix}");
        }
    }

    #[test]
    fn a_prefix_allows_no_neighbour() {
        for (url, prefix) in [
            ("https://h.evil.example/v1", "https://h"),
            ("https://h/v1", "http://h"),
            ("http://h:8080/v1", "http://h"),
            ("https://sub.h/v1", "https://h"),
            ("http://h/v10", "http://h/v1"),
            ("http://h/", "http://h/v1"),
            ("http://h/V1", "http://h/v1"),
            ("http://h/v1/..%2fadmin", "http://h/v1"),
            ("http://h/v1/..%5cadmin", "http://h/v1"),
            ("http://h/v1/%2e%2e%2fadmin", "http://h/v1"),
            ("http://h/v1/..%252fadmin", "http://h/v1"),
            ("http://h/v1%2f..%2fadmin", "http://h/v1"),
            ("http://h/v1", "http://u@h"),
            ("http://h/v1", "http://h/v1/../v1"),
            ("http://h/v1", "h"),
            ("http://h/v1", ""),
            ("http://h/v1", "https://"),
        ] {
            assert!(!within(url, prefix), "{url} {prefix}");
        }
        // Without a path there is nothing to climb out of.
        assert!(within("http://h/a%2fb", "http://h"));
    }
}
