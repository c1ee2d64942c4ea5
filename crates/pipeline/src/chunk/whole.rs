//! Chunking none: a document is one chunk.

use super::allowance::Chunks;
use super::{Allowance, ChunkError, Chunker};

/// Keeps a document whole, whitespace and all; only an empty one has no chunk.
pub(super) struct WholeDocument;

impl Chunker for WholeDocument {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        let mut chunks = Chunks::new(allowance);
        if !text.is_empty() {
            chunks.push(text)?;
        }
        Ok(chunks.into_vec())
    }
}
