//! A vectorizer with what is built from its config once rather than once a document.

use std::sync::Arc;

use crate::chunk::{Chunker, shared_chunker};
use crate::config::{ChunkUnit, Chunking, Destination, Formatting};
use crate::document::{Vectorizer, fields_size};
use crate::failure::Failure;
use crate::format::{DocumentField, Template};

/// The bytes that a chunk takes beside its text and its numbers: it travels in several places.
pub(super) const CHUNK_OVERHEAD: u64 = 256;

/// The number of separators that can be looked for in the time of one look at a text.
const USUAL_SEPARATORS: usize = 8;

/// The semantic splitter takes as long as so many looks at a text, by characters and by tokens.
const SEMANTIC_LOOKS: usize = 16;
const TOKEN_LOOKS: usize = 64;

/// A vectorizer, ready to work. What its config makes impossible is each document's failure.
pub(super) struct Prepared {
    /// The vectorizer.
    pub vectorizer: Arc<Vectorizer>,
    /// Cuts texts.
    pub chunker: Result<Box<dyn Chunker>, Failure>,
    /// Makes an embedding input of a chunk.
    pub template: Result<Template, Failure>,
}

impl Prepared {
    /// Builds what the config asks for.
    pub(super) fn new(vectorizer: &Arc<Vectorizer>) -> Arc<Self> {
        let Formatting::PythonTemplate { template, .. } = &vectorizer.config.formatting;
        Arc::new(Prepared {
            chunker: shared_chunker(&vectorizer.config.chunking).map_err(Failure::from),
            template: Template::parse(template).map_err(Failure::from),
            vectorizer: Arc::clone(vectorizer),
        })
    }

    /// Returns whether the store keeps the places of chunks in their documents.
    pub(super) fn is_cited(&self) -> bool {
        matches!(self.vectorizer.config.destination, Destination::Table { citation: true, .. })
    }

    /// Returns whether the template asks for the places of chunks in their documents.
    pub(super) fn needs_places(&self) -> bool {
        self.document_fields().any(|(_, field)| field.is_of_chunk())
    }

    /// Returns the template's placeholders that are filled from the document.
    pub(super) fn document_fields(&self) -> impl Iterator<Item = (&str, DocumentField)> {
        let Formatting::PythonTemplate { document_fields, .. } = &self.vectorizer.config.formatting;
        document_fields.iter().filter_map(|name| Some((name.as_str(), DocumentField::named(name)?)))
    }

    /// Bytes that a chunk takes beside its text.
    pub(super) fn bytes_per_chunk(&self) -> u64 {
        u64::from(self.vectorizer.config.embedding.dimensions()) * 4 + CHUNK_OVERHEAD
    }

    /// Returns the work of cutting a text of so many bytes and filling the template, as bytes that are looked at:
    /// without end where that is more than in proportion to them.
    pub(super) fn work(&self, size: usize, fields: &[(String, String)]) -> usize {
        let looks = match &self.vectorizer.config.chunking {
            Chunking::None => 1,
            Chunking::CharacterTextSplitter { is_separator_regex: true, .. }
            | Chunking::RecursiveCharacterTextSplitter { is_separator_regex: true, .. } => usize::MAX,
            Chunking::CharacterTextSplitter { .. } => 1,
            Chunking::RecursiveCharacterTextSplitter { separators, .. } => {
                separators.len().div_ceil(USUAL_SEPARATORS)
            }
            Chunking::TextSplitter { unit, .. } | Chunking::Markdown { unit, .. } => match unit {
                ChunkUnit::Characters => SEMANTIC_LOOKS,
                ChunkUnit::Tokens => TOKEN_LOOKS,
            },
        };
        let repeated = size.saturating_mul(usize::try_from(self.repetitions()).unwrap_or(usize::MAX));

        // What the template has of a chunk, and beside it.
        let Ok(template) = &self.template else { return repeated.saturating_mul(looks) };
        let Formatting::PythonTemplate { template: text, .. } = &self.vectorizer.config.formatting;
        let beside = template.length("", fields);
        let times = template.length("x", fields).saturating_sub(beside);
        let chunks = usize::try_from(size as u64 / self.chunk_step()).unwrap_or(usize::MAX).saturating_add(1);
        let filled =
            repeated.saturating_mul(times).saturating_add(chunks.saturating_mul(beside + text.len()));
        repeated.saturating_mul(looks).saturating_add(filled)
    }

    /// Bytes that a document of so many bytes is expected to take: itself, its template's columns and its chunks, in each of which
    /// the template repeats what it names.
    pub(super) fn estimated_bytes(&self, size: u64, fields: &[(String, String)]) -> u64 {
        let chunks = size / self.chunk_step() + 1;
        let beside = self.template.as_ref().map_or(0, |template| template.length("", fields) as u64);
        size.saturating_add(fields_size(fields))
            .saturating_add(chunks.saturating_mul(beside))
            .saturating_add(chunks.saturating_mul(self.bytes_per_chunk()))
            .saturating_add(size.saturating_mul(self.repetitions()))
    }

    /// Returns how many documents, of how many bytes together, are expected to take so many bytes of
    /// memory.
    pub(super) fn fitting(&self, bytes: u64) -> (usize, u64) {
        let documents = bytes / self.bytes_per_chunk();
        let per_byte = (1 + self.repetitions()).saturating_add(self.bytes_per_chunk() / self.chunk_step());
        (usize::try_from(documents).unwrap_or(usize::MAX).max(1), (bytes / per_byte).max(1))
    }

    /// Returns the smallest number of bytes by which a document must grow to have one chunk more.
    fn chunk_step(&self) -> u64 {
        let Some((size, overlap)) = self.chunk_bytes() else { return u64::MAX };
        // They are seldom full.
        (size / 2).min(size.saturating_sub(overlap)).max(1)
    }

    /// Returns the largest number of chunks that a byte of a document stands in.
    fn repetitions(&self) -> u64 {
        let Some((size, overlap)) = self.chunk_bytes() else { return 1 };
        (size / size.saturating_sub(overlap).max(1)).max(1)
    }

    /// Returns the size of chunks and of their overlap, in bytes; `None` if documents stay whole.
    fn chunk_bytes(&self) -> Option<(u64, u64)> {
        let (size, overlap, unit) = match &self.vectorizer.config.chunking {
            Chunking::None => return None,
            Chunking::CharacterTextSplitter { chunk_size, chunk_overlap, .. }
            | Chunking::RecursiveCharacterTextSplitter { chunk_size, chunk_overlap, .. } => {
                (*chunk_size, *chunk_overlap, 1)
            }
            Chunking::TextSplitter { chunk_size, chunk_overlap, unit, .. } => {
                (*chunk_size, *chunk_overlap, bytes_of(*unit))
            }
            Chunking::Markdown { chunk_size, unit, .. } => (*chunk_size, 0, bytes_of(*unit)),
        };

        let bytes = |length: i64| u64::try_from(length).unwrap_or(0).saturating_mul(unit);
        Some((bytes(size), bytes(overlap)))
    }

    /// Returns whether this is what the vectorizer asks for; the queue may read it anew at each turn.
    pub(super) fn serves(&self, vectorizer: &Arc<Vectorizer>) -> bool {
        Arc::ptr_eq(&self.vectorizer, vectorizer)
            || (self.vectorizer.name == vectorizer.name
                && self.vectorizer.api_key == vectorizer.api_key
                && self.vectorizer.config == vectorizer.config)
    }
}
/// Returns the bytes of a unit: a token is some four.
fn bytes_of(unit: ChunkUnit) -> u64 {
    match unit {
        ChunkUnit::Characters => 1,
        ChunkUnit::Tokens => 4,
    }
}
