//! Chunking none: a document is one chunk.

use super::{ChunkError, Chunker};

/// Keeps a document whole, whitespace and all; only an empty one has no chunk.
pub(super) struct WholeDocument;

impl Chunker for WholeDocument {
    fn chunk(&self, text: &str) -> Result<Vec<String>, ChunkError> {
        Ok(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
    }
}
