//! The choice of objects that a source wants.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::S3Prefix;
use super::failure;
use super::metadata;
use super::prefix::LONGEST_KEY;
use crate::config::{MetadataPlace, SourceConfig};
use crate::failure::Failure;
use crate::s3::{S3Uri, reachable};
use crate::settings::Settings;

/// The largest number of globs of a kind that a source may have.
const MAX_GLOBS: usize = 100;
/// The largest length of a glob in bytes, which is also S3's for a key.
const MAX_GLOB_BYTES: usize = 1024;
/// The largest number of opening braces of a glob.
const MAX_BRACES: usize = 16;

/// Prefix, globs, size and the operator's allow-list, put together.
#[derive(Debug)]
pub struct ListingScope {
    prefix: S3Prefix,
    include: Option<GlobSet>,
    exclude: GlobSet,
    max_size: u64,
    allowed: Vec<String>,
    metadata: Vec<MetadataPlace>,
}

impl ListingScope {
    /// Reads a source's address and config under the operator's settings as they are now.
    ///
    /// # Errors
    ///
    /// Those of [`S3Prefix::parse`]; `invalid_glob`; `uri_not_allowed` unless the whole prefix is.
    pub fn new(uri: &str, config: &SourceConfig, settings: &Settings) -> Result<ListingScope, Failure> {
        let prefix = S3Prefix::parse(uri)?;
        let allowed = reachable(&settings.allowed_uris, &config.s3);
        if !prefix.is_allowed(allowed) {
            return Err(failure::not_allowed(&prefix));
        }
        if prefix.is_access_point() && config.queue_url.is_some() {
            return Err(failure::access_point_with_queue());
        }

        Ok(ListingScope {
            prefix,
            include: (!config.include.is_empty()).then(|| globs(&config.include)).transpose()?,
            exclude: globs(&config.exclude)?,
            max_size: config.max_size.unwrap_or(settings.max_document_size),
            allowed: allowed.to_vec(),
            metadata: config.metadata.clone(),
        })
    }

    /// The part of the bucket.
    pub fn prefix(&self) -> &S3Prefix {
        &self.prefix
    }

    /// Returns whether an object with this key is wanted, whatever its size.
    ///
    /// A key that ends with a slash is a folder's marker, as consoles make them, and no document; nor is a sidecar, if they are
    /// read. One that S3 would not have is not wanted either: its row could not be written.
    pub fn wants_key(&self, key: &str) -> bool {
        let Some(below) = key.strip_prefix(self.prefix.prefix()) else { return false };
        !key.ends_with('/')
            && !self.is_sidecar(key)
            && key.len() <= LONGEST_KEY
            && !key.contains('\0')
            && self.include.as_ref().is_none_or(|globs| globs.is_match(below))
            && !self.exclude.is_match(below)
            && self.is_addressable(key)
    }

    /// Returns the key of the wanted object that an object with this key makes different: that itself, or the one whose
    /// sidecar it is.
    pub fn document_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        self.document_of_sidecar(key).or_else(|| self.wants_key(key).then_some(key))
    }

    /// Returns the key of the wanted object whose sidecar has this key. There may be no such object.
    pub fn document_of_sidecar<'a>(&self, key: &'a str) -> Option<&'a str> {
        let document = metadata::document_of(key).filter(|_| self.reads_sidecars())?;
        self.wants_key(document).then_some(document)
    }

    fn is_sidecar(&self, key: &str) -> bool {
        self.reads_sidecars() && metadata::document_of(key).is_some()
    }

    /// The places that the metadata of an object is read from.
    pub fn metadata(&self) -> &[MetadataPlace] {
        &self.metadata
    }

    /// Returns whether the files beside objects are read.
    pub fn reads_sidecars(&self) -> bool {
        self.metadata.contains(&MetadataPlace::Sidecar)
    }

    /// Returns whether the object's address is allowed, and means this object: one that ends like a
    /// version's does not.
    fn is_addressable(&self, key: &str) -> bool {
        let uri = S3Uri::parse(&self.prefix.uri(key));
        uri.is_ok_and(|uri| uri.key() == key && uri.is_allowed(&self.allowed))
    }

    /// Returns whether an object of this size is wanted, whatever its key.
    pub fn wants_size(&self, size: u64) -> bool {
        size <= self.max_size
    }
}

/// Compiles globs: `*` stays within a segment, `**` crosses slashes; `?`, `[a-z]`, `{a,b}` and `\` as in a
/// shell.
fn globs(patterns: &[String]) -> Result<GlobSet, Failure> {
    if patterns.len() > MAX_GLOBS {
        return Err(failure::too_many_globs(patterns.len(), MAX_GLOBS));
    }

    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        require_bounded(pattern)?;
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| failure::invalid_glob(pattern, error.kind()))?);
    }
    set.build().map_err(|error| failure::invalid_glob(&patterns.join(", "), error.kind()))
}

/// Errors if a glob is longer, or might be nested deeper, than the crate that compiles it may be given: it
/// calls itself once for each brace within another, until the stack ends and with it the server.
fn require_bounded(pattern: &str) -> Result<(), Failure> {
    if pattern.len() > MAX_GLOB_BYTES {
        return Err(failure::invalid_glob(pattern, format_args!("more than {MAX_GLOB_BYTES} bytes")));
    }
    // Which of them are nested, only the crate knows; no more can be than there are.
    if pattern.matches('{').count() > MAX_BRACES {
        return Err(failure::invalid_glob(pattern, format_args!("more than {MAX_BRACES} braces")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(uri: &str, include: &[&str], exclude: &[&str]) -> ListingScope {
        let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let config =
            SourceConfig { include: texts(include), exclude: texts(exclude), ..SourceConfig::default() };
        ListingScope::new(uri, &config, &Settings::default()).unwrap()
    }

    #[test]
    fn globs_match_the_key_below_the_prefix() {
        let docs = scope("s3://b/docs/", &["*.md", "notes/**/*.txt"], &["**/draft-*"]);
        for key in ["docs/a.md", "docs/notes/a.txt", "docs/notes/x/y/a b+é.txt"] {
            assert!(docs.wants_key(key), "{key}");
        }
        for key in ["docs/x/a.md", "docs/a.txt", "docs/draft-1.md", "docs/notes/x/draft-2.txt", "other/a.md"]
        {
            assert!(!docs.wants_key(key), "{key}");
        }
    }

    #[test]
    fn a_sidecar_is_no_object_of_its_own_where_sidecars_are_read() {
        let config = SourceConfig {
            include: vec!["*.md".to_owned()],
            metadata: vec![MetadataPlace::Sidecar],
            ..SourceConfig::default()
        };
        let reads = ListingScope::new("s3://b/docs/", &config, &Settings::default()).unwrap();
        assert_eq!(reads.document_of("docs/a.md.metadata.json"), Some("docs/a.md"));
        assert_eq!(reads.document_of("docs/a.md"), Some("docs/a.md"));
        // Of what is not wanted, of a folder, of another sidecar, and elsewhere.
        for key in [
            "a.txt",
            ".metadata.json",
            "x/.metadata.json",
            "a.md.metadata.json.metadata.json",
            "../a.md.metadata.json",
        ] {
            assert_eq!(reads.document_of(&format!("docs/{key}")), None, "{key}");
        }

        let all =
            ListingScope::new("s3://b/", &SourceConfig { include: vec![], ..config }, &Settings::default())
                .unwrap();
        assert!(!all.wants_key("a.md.metadata.json") && all.wants_key("metadata.json"));
        let does_not = scope("s3://b/", &[], &[]);
        assert_eq!(does_not.document_of("a.md.metadata.json"), Some("a.md.metadata.json"));
    }

    #[test]
    fn two_stars_reach_every_depth() {
        let all = scope("s3://b", &["**/*.{md,txt}"], &[]);
        for key in ["a.md", "x/a.txt", "x/y/z/a.md", "/a.md"] {
            assert!(all.wants_key(key), "{key}");
        }
        assert!(!all.wants_key("a.mdx") && !all.wants_key("a.MD"));
    }

    #[test]
    fn without_globs_all_but_folders_are_wanted() {
        let all = scope("s3://b/x", &[], &[]);
        assert!(all.wants_key("x") && all.wants_key("xylophone/..hidden"));
        assert!(!all.wants_key("x?versionId=abc"));
        assert!(!all.wants_key("x/") && !all.wants_key("x/y/") && !all.wants_key("y"));
    }

    #[test]
    fn a_key_that_can_not_be_stored_is_not_wanted() {
        let all = scope("s3://b/", &[], &[]);
        assert!(all.wants_key(&"x".repeat(LONGEST_KEY)));
        assert!(!all.wants_key(&"x".repeat(LONGEST_KEY + 1)));
        assert!(!all.wants_key("x\0"));
    }

    #[test]
    fn a_size_limit_counts_bytes() {
        let config = SourceConfig { max_size: Some(10), ..SourceConfig::default() };
        let limited = ListingScope::new("s3://b/", &config, &Settings::default()).unwrap();
        assert!(limited.wants_size(10) && !limited.wants_size(11));
        let default = scope("s3://b/", &[], &[]);
        assert!(default.wants_size(64 << 20) && !default.wants_size((64 << 20) + 1));
    }

    #[test]
    fn what_is_not_allowed_is_refused_as_a_whole_or_by_key() {
        let settings = Settings { allowed_uris: vec!["s3://b/open/".into()], ..Settings::default() };
        let new = |uri: &str| ListingScope::new(uri, &SourceConfig::default(), &settings);
        assert_eq!(new("s3://b/").unwrap_err().code, "uri_not_allowed");
        let open = new("s3://b/open/").unwrap();
        assert!(open.wants_key("open/a") && !open.wants_key("open/../closed/a"));
    }

    #[test]
    fn a_broken_glob_is_named() {
        let config = SourceConfig { include: vec!["a[".into()], ..SourceConfig::default() };
        let failure = ListingScope::new("s3://b/", &config, &Settings::default()).unwrap_err();
        assert_eq!(failure.code, "invalid_glob");
        assert!(failure.message.contains("a["), "{}", failure.message);
    }

    #[test]
    fn globs_are_bounded_before_they_are_compiled() {
        let new = |include: Vec<String>, exclude: Vec<String>| {
            let config = SourceConfig { include, exclude, ..SourceConfig::default() };
            ListingScope::new("s3://b/", &config, &Settings::default()).map(drop)
        };
        let nested = |depth: usize| "{".repeat(depth) + &"}".repeat(depth);

        assert!(new(vec![nested(MAX_BRACES)], vec!["x".repeat(MAX_GLOB_BYTES)]).is_ok());
        for (globs, limit) in [
            (vec![nested(MAX_BRACES + 1)], "16 braces"),
            // A brace in a class closes nothing.
            (vec!["{[}]".repeat(MAX_BRACES + 1) + &"}".repeat(MAX_BRACES + 1)], "16 braces"),
            (vec!["x".repeat(MAX_GLOB_BYTES + 1)], "1024 bytes"),
            (vec!["x".to_owned(); MAX_GLOBS + 1], "100"),
        ] {
            for failure in [new(globs.clone(), vec![]), new(vec![], globs)].map(Result::unwrap_err) {
                assert_eq!(failure.code, "invalid_glob");
                assert!(failure.message.contains(limit), "{}", failure.message);
                assert!(failure.message.len() < 500, "{}", failure.message.len());
            }
        }
    }
}
