//! The fingerprint of all that decides a row's chunks: as long as it stays the same, and the object as
//! well, there is nothing to do.

use sha2::{Digest as _, Sha256};

use crate::chunk;
use crate::config::VectorizerConfig;
use crate::document::{Digest, ExistingChunk};

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
        let parts =
            (&config.loading, &config.parsing, &config.chunking, &config.formatting, &config.embedding);
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
