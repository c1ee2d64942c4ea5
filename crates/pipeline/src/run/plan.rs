//! The plan of a document: which of its chunks stay, and which texts need a vector.

use std::collections::HashMap;
use std::sync::Arc;

use super::fill::{Values, fill, filled_bytes};
use super::fingerprint::Basis;
use super::prepared::Prepared;
use super::progress::Progress;
use super::reuse::reuse;
use crate::chunk::{Allowance, ChunkError, Piece};
use crate::citation::{Citation, cut_cited};
use crate::config::{Embedding, VectorType};
use crate::document::{Chunk, Digest, ExistingChunk, digest, fields_size};
use crate::embed::{estimated_tokens, truncate};
use crate::failure::{Failure, Retry, Step};
use crate::parse::{Metadata, Parsed};

/// The plan of a document: chunks that stay, and texts that need a vector.
pub(super) struct DocumentPlan {
    chunks: Vec<Planned>,
    /// The texts that are sent, without repetition.
    pub inputs: Vec<Arc<str>>,
    /// Fingerprint of the inputs and of the resulting chunks.
    pub fingerprint: Option<Digest>,
    /// The places of the chunks in the document as JSON, if the store keeps them.
    pub citations: Option<Vec<String>>,
    /// The text that was cut, if it is to be kept.
    pub text: Option<String>,
}

/// A document that is to be cut.
pub(super) struct Uncut {
    /// Its text.
    pub parsed: Parsed,
    /// The template's columns, by name.
    pub fields: Vec<(String, String)>,
    /// The chunks that the store has.
    pub existing: Vec<ExistingChunk>,
    /// The digest of all that decides its chunks, but for the object itself.
    pub basis: Option<Basis>,
    /// True if its text is needed afterwards.
    pub keeps_text: bool,
}

/// A document that was cut, whose template is to be filled.
pub(super) struct Unfilled {
    pieces: Vec<Piece>,
    citations: Vec<Citation>,
    metadata: Metadata,
    text: Option<String>,
    fields: Vec<(String, String)>,
    existing: Vec<ExistingChunk>,
    basis: Option<Basis>,
    /// The bytes that its chunks will take once they are filled.
    pub bytes: u64,
}

/// A chunk to be.
enum Planned {
    /// It is there already, and stays.
    Kept(ExistingChunk),
    /// It needs a vector.
    New {
        /// The text, if more of it is stored than is sent.
        text: Option<String>,
        /// The index of its text in the inputs.
        input: usize,
    },
}

/// Cuts a document, and counts what will come of it.
pub(super) fn cut(
    prepared: &Prepared,
    uncut: Uncut,
    allowance: Allowance<'_>,
    step: &Progress,
) -> Result<Unfilled, Failure> {
    step.set(Step::Chunking);
    let Uncut { mut parsed, fields, existing, basis, keeps_text } = uncut;
    let chunker = prepared.chunker.as_ref().map_err(Failure::clone)?;
    let (pieces, citations) = if prepared.is_cited() || prepared.needs_places() {
        cut_cited(&prepared.vectorizer.config.chunking, chunker.as_ref(), &mut parsed, allowance)?
    } else {
        let chunks = chunker.chunk(&parsed.text, allowance)?.into_iter();
        (chunks.map(|text| Piece { text, span: None }).collect(), Vec::new())
    };
    let metadata = parsed.metadata;
    let text = Some(parsed.text).filter(|_| keeps_text);

    step.set(Step::Formatting);
    let template = prepared.template.as_ref().map_err(Failure::clone)?;
    let per_chunk = prepared.bytes_per_chunk();
    let values = Values::new(&fields, prepared.document_fields(), &metadata);
    let bytes = filled_bytes(template, per_chunk, &pieces, &citations, values, &allowance)?;
    Ok(Unfilled { pieces, citations, metadata, text, fields, existing, basis, bytes })
}

impl Unfilled {
    /// Returns the bytes that it holds beside its chunks as they will be.
    pub(super) fn held(&self) -> u64 {
        let pieces = self.pieces.iter().map(|piece| (piece.text.len() + size_of::<Piece>()) as u64);
        let text = self.text.as_ref().map_or(0, |text| text.len() as u64);
        pieces.sum::<u64>() + text + fields_size(&self.fields)
    }

    /// Fills the template for each chunk, and finds out what is new.
    pub(super) fn fill(self, prepared: &Prepared, allowance: Allowance<'_>) -> Result<DocumentPlan, Failure> {
        let Unfilled { pieces, citations, metadata, text, fields, existing, basis, .. } = self;
        let template = prepared.template.as_ref().map_err(Failure::clone)?;
        let values = Values::new(&fields, prepared.document_fields(), &metadata);
        let texts = fill(template, pieces, &citations, values, &allowance)?;
        let citations = prepared.is_cited().then(|| citations.iter().map(Citation::to_json).collect());
        Ok(DocumentPlan {
            citations,
            text,
            ..plan(&prepared.vectorizer.config.embedding, texts, existing, basis.as_ref())
        })
    }
}

/// Refuses a plan that does not fit, before it is begun: it would take the memory of the whole server
/// with it.
pub(super) fn plan_fits(bytes: u64, most: u64) -> Result<(), Failure> {
    if bytes <= most {
        return Ok(());
    }
    Err(ChunkError::TooLarge { limit: most }.into())
}

/// Refuses vectors that the column for them can't hold.
pub(super) fn vectors_fit(vectors: &[Vec<f32>], stored: VectorType) -> Result<(), Failure> {
    match vectors.iter().find_map(|vector| stored.objection(vector)) {
        None => Ok(()),
        Some(why) => Err(Failure::new(Step::Embedding, "out_of_range", why, Retry::Never)
            .with_hint("Use another model, or declare the vectorizer with vector_type => 'vector'.")),
    }
}

fn plan(
    embedding: &Embedding,
    texts: Vec<String>,
    existing: Vec<ExistingChunk>,
    basis: Option<&Basis>,
) -> DocumentPlan {
    let digests: Vec<Digest> = texts.iter().map(digest).collect();
    let fingerprint = basis.map(|basis| basis.fingerprint(&digests));
    let kept = reuse(existing, &digests);

    let mut inputs: Vec<Arc<str>> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    let mut chunks = Vec::with_capacity(texts.len());
    for ((text, digest), kept) in texts.into_iter().zip(digests).zip(kept) {
        if let Some(chunk) = kept {
            chunks.push(Planned::Kept(chunk));
            continue;
        }

        // Equal texts are sent once.
        let sent = truncate(embedding, &text);
        let is_cut = sent.len() < text.len();
        let input = *places.entry(digest).or_insert_with(|| {
            inputs.push(sent.into());
            inputs.len() - 1
        });
        chunks.push(Planned::New { text: is_cut.then_some(text), input });
    }
    DocumentPlan { chunks, inputs, fingerprint, citations: None, text: None }
}

impl DocumentPlan {
    /// Bytes that the document holds until it is settled, if a chunk takes so many beside its text.
    pub(super) fn bytes(&self, chunk: u64) -> u64 {
        let length = |input: &Arc<str>| input.len() as u64;
        let mut bytes = 0;
        for planned in &self.chunks {
            bytes += match self.text_bytes(planned) {
                Some(text) => text + chunk,
                None => size_of::<ExistingChunk>() as u64,
            };
        }

        let citations = self.citations.iter().flatten();
        bytes += citations.map(|citation| citation.len() as u64).sum::<u64>();
        bytes += self.text.as_ref().map_or(0, |text| text.len() as u64);

        // Inputs that were cut are held beside their texts.
        if self.is_cut() {
            bytes += self.inputs.iter().map(length).sum::<u64>();
        }
        bytes
    }

    /// Returns the number of chunks, and the bytes of their texts together.
    pub(super) fn chunks(&self) -> (u64, u64) {
        let bytes = self.chunks.iter().filter_map(|planned| self.text_bytes(planned)).sum();
        (self.chunks.len() as u64, bytes)
    }

    /// Returns the bytes of a chunk's text; `None` for one that stays.
    fn text_bytes(&self, planned: &Planned) -> Option<u64> {
        match planned {
            Planned::Kept(_) => None,
            Planned::New { text: Some(text), .. } => Some(text.len() as u64),
            Planned::New { text: None, input } => Some(self.inputs.get(*input)?.len() as u64),
        }
    }

    /// Returns the estimated number of tokens that are sent.
    pub fn tokens(&self) -> u64 {
        self.inputs.iter().map(|input| estimated_tokens(input) as u64).sum()
    }

    fn is_cut(&self) -> bool {
        self.chunks.iter().any(|planned| matches!(planned, Planned::New { text: Some(_), .. }))
    }

    /// The chunks, with the vectors of the inputs.
    pub(super) fn into_chunks(self, mut vectors: Vec<Vec<f32>>) -> Vec<Chunk> {
        let mut uses = vec![0_usize; self.inputs.len()];
        for planned in &self.chunks {
            if let Planned::New { input, .. } = planned {
                uses[*input] += 1;
            }
        }

        let mut chunks = Vec::with_capacity(self.chunks.len());
        for planned in self.chunks {
            match planned {
                Planned::Kept(chunk) => chunks.push(Chunk::Kept(chunk)),
                Planned::New { text, input } => {
                    // The last one to use a vector takes it; the others get copies.
                    uses[input] -= 1;
                    let vector = &mut vectors[input];
                    let embedding = if uses[input] == 0 { std::mem::take(vector) } else { vector.clone() };
                    let text = text.unwrap_or_else(|| self.inputs[input].as_ref().to_owned());
                    chunks.push(Chunk::New { text, embedding });
                }
            }
        }
        chunks
    }
}
