//! The fingerprint of all that decides a row's chunks: as long as it stays the same, and the object as
//! well, there is nothing to do. And that of all that decides a document's text: as long as that stays the same,
//! a text that was kept can be cut again.

use sha2::{Digest as _, Sha256};

use crate::chunk;
use crate::config::{Loading, VectorizerConfig};
use crate::document::{Digest, ExistingChunk};
use crate::parse::PARSER;

/// The version of what the pipeline itself makes of a document. To be raised when a change of a parser,
/// a chunker or the formatter shall reach documents that did not change; [`chunk::revision`] if it
/// concerns some configs only.
const OUTPUT_VERSION: u32 = 1;

/// The digest of all that decides a row's chunks, but for the object itself.
#[derive(Clone)]
pub(super) struct Basis(Sha256);

impl Basis {
    /// Digests an address, the template's columns and the config's parts from loading to embedding.
    pub(super) fn new(config: &VectorizerConfig, uri: &str, fields: &[(String, String)]) -> Option<Self> {
        let parts = (
            &config.loading,
            &config.parsing.parser,
            &config.chunking,
            &config.formatting,
            &config.embedding,
        );
        let version = OUTPUT_VERSION + chunk::revision(&config.chunking);
        // Quotes and brackets tell them apart, so that no two run into each other.
        let all = serde_json::to_vec(&(version, uri, fields, parts)).ok()?;
        Some(Basis(Sha256::new_with_prefix(all)))
    }

    /// Returns the fingerprint with the chunks that were made, in order.
    pub(super) fn fingerprint<'a>(&self, chunks: impl IntoIterator<Item = &'a Digest>) -> Digest {
        let mut hasher = self.0.clone();
        for chunk in chunks {
            hasher.update(chunk);
        }
        hasher.finalize().into()
    }

    /// Returns the fingerprint with the chunks that the store has, by their places; `None` if one is
    /// missing or there twice.
    pub(super) fn fingerprint_of(&self, existing: &[ExistingChunk]) -> Option<Digest> {
        let in_place = existing.iter().zip(0..).all(|(chunk, seq)| chunk.seq == seq);
        in_place.then(|| self.fingerprint(existing.iter().map(|chunk| &chunk.digest)))
    }
}

/// The document that a text is made of.
#[derive(Clone, Copy)]
pub(super) enum Original<'a> {
    /// An object at this address, with the version that its store names.
    Object(&'a str, &'a str),
    /// The content of a column, by its digest.
    Content(&'a Digest),
}

/// Returns the fingerprint of all that decides a document's text: the document and its name, the way to its store, and
/// the parser.
pub(super) fn text_fingerprint(config: &VectorizerConfig, original: Original<'_>) -> Option<Digest> {
    let s3 = match &config.loading {
        Loading::Column { .. } => None,
        Loading::Uri { s3, .. } => Some(s3),
    };
    let original = match original {
        Original::Object(uri, etag) => (Some((uri, etag)), None),
        Original::Content(digest) => (None, Some(digest)),
    };
    let all = serde_json::to_vec(&(PARSER, &config.parsing.parser, s3, original)).ok()?;
    Some(Sha256::digest(all).into())
}
