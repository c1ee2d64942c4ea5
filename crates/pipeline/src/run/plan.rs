//! The plan of a document: which of its chunks stay, and which texts need a vector.

use std::collections::HashMap;
use std::sync::Arc;

use super::fingerprint::Basis;
use super::prepared::Prepared;
use super::progress::Progress;
use super::reuse::reuse;
use crate::chunk::{Allowance, ChunkError};
use crate::config::Embedding;
use crate::document::{Chunk, Digest, ExistingChunk, digest};
use crate::embed::{estimated_tokens, truncate};
use crate::failure::{Failure, Step};
use crate::parse::Parsed;

/// The plan of a document: chunks that stay, and texts that need a vector.
pub(super) struct Plan {
    chunks: Vec<Planned>,
    /// The texts that are sent, without repetition.
    pub inputs: Vec<Arc<str>>,
    /// Fingerprint of the inputs and of the resulting chunks.
    pub fingerprint: Option<Digest>,
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

/// Chunks and formats a document, and finds out what is new in it.
pub(super) fn cut(
    prepared: &Prepared,
    parsed: Parsed,
    fields: &[(String, String)],
    existing: Vec<ExistingChunk>,
    basis: Option<&Basis>,
    allowance: Allowance<'_>,
    step: &Progress,
) -> Result<Plan, Failure> {
    step.set(Step::Chunking);
    let chunker = prepared.chunker.as_ref().map_err(Failure::clone)?;
    let chunks = chunker.chunk(&parsed.text, allowance)?;
    drop(parsed);

    step.set(Step::Formatting);
    let texts = fill(prepared, chunks, fields, &allowance)?;
    Ok(plan(&prepared.vectorizer.config.embedding, texts, existing, basis))
}

/// Fills the template for each chunk, as far as what comes of it fits: it may repeat a long column in each, and
/// have thousands of placeholders.
fn fill(
    prepared: &Prepared,
    chunks: Vec<String>,
    fields: &[(String, String)],
    allowance: &Allowance<'_>,
) -> Result<Vec<String>, Failure> {
    let template = prepared.template.as_ref().map_err(Failure::clone)?;
    let mut texts = Vec::with_capacity(chunks.len());
    let mut bytes = 0_u64;

    for chunk in chunks {
        // A template may have tens of thousands of placeholders, and a document as many chunks.
        allowance.check_time()?;
        let length = template.length(&chunk, fields) as u64;
        bytes = bytes.saturating_add(length).saturating_add(prepared.bytes_per_chunk());
        allowance.check_bytes(bytes)?;
        texts.push(template.render(&chunk, fields)?);
    }
    Ok(texts)
}

/// Refuses a plan that does not fit, before it is begun: it would take the memory of the whole server
/// with it.
pub(super) fn plan_fits(bytes: u64, most: u64) -> Result<(), Failure> {
    if bytes <= most {
        return Ok(());
    }
    Err(ChunkError::TooLarge { limit: most }.into())
}

fn plan(
    embedding: &Embedding,
    texts: Vec<String>,
    existing: Vec<ExistingChunk>,
    basis: Option<&Basis>,
) -> Plan {
    let digests: Vec<Digest> = texts.iter().map(|text| digest(text)).collect();
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
    Plan { chunks, inputs, fingerprint }
}

impl Plan {
    /// Bytes that the document holds until it is settled, if a chunk takes so many beside its text.
    pub(super) fn bytes(&self, chunk: u64) -> u64 {
        let length = |input: &Arc<str>| input.len() as u64;
        let mut bytes = 0;
        for planned in &self.chunks {
            bytes += match planned {
                Planned::Kept(_) => size_of::<ExistingChunk>() as u64,
                Planned::New { text: Some(text), .. } => text.len() as u64 + chunk,
                Planned::New { text: None, input } => self.inputs.get(*input).map_or(0, length) + chunk,
            };
        }

        // Inputs that were cut are held beside their texts.
        if self.is_cut() {
            bytes += self.inputs.iter().map(length).sum::<u64>();
        }
        bytes
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::Author;
    use crate::document::Vectorizer;
    use crate::quota::Account;

    /// A vectorizer whose template repeats a column in each chunk.
    fn prepared() -> Arc<Prepared> {
        let config = serde_json::json!({
            "version": "0.12.1",
            "loading": {"implementation": "column", "column_name": "body"},
            "chunking": {"implementation": "none"},
            "formatting": {"implementation": "python_template", "template": "$title $chunk"},
            "embedding": {"implementation": "openai", "model": "m", "dimensions": 3},
            "destination": {"implementation": "table", "target_schema": "s", "target_table": "t",
                            "view_schema": "s", "view_name": "v"},
        });
        Prepared::new(&Arc::new(Vectorizer {
            id: 1,
            name: "v".into(),
            config: serde_json::from_value(config).unwrap(),
            author: Author::Superuser,
            api_key: None,
            account: Account::default(),
        }))
    }

    #[test]
    fn texts_that_take_too_much_are_not_filled() {
        let fields = [("title".to_owned(), "x".repeat(1 << 20))];
        let fill = |chunks, allowance| fill(&prepared(), vec!["a".to_owned(); chunks], &fields, &allowance);
        assert!(fill(4, Allowance::new(8 << 20, 0)).is_ok());
        let failure = fill(100, Allowance::new(8 << 20, 0)).unwrap_err();
        assert_eq!(failure, ChunkError::TooLarge { limit: 8 << 20 }.into());
    }

    #[test]
    fn texts_that_nobody_wants_are_not_filled() {
        let stop = AtomicBool::new(true);
        let allowance = Allowance::new(8 << 20, 0).until_stopped(&stop);
        let failure = fill(&prepared(), vec!["a".to_owned()], &[], &allowance).unwrap_err();
        assert_eq!(failure, ChunkError::Stopped.into());
    }
}
