//! What a vectorizer's documents share: made once, used by all.

use std::sync::Arc;

use crate::chunk::{chunker, Chunker};
use crate::config::{Formatting, Parsing};
use crate::document::{Digest, Failure, Vectorizer};
use crate::format::Template;
use crate::parse::{self, Input};

/// The stages that need nothing but the processor.
pub(super) struct Prepared {
    parsing: Parsing,
    chunker: Box<dyn Chunker>,
    template: Template,
}

/// A chunk with its template filled in: the embedding input.
pub(super) struct Formatted {
    /// What is embedded and stored.
    pub text: Arc<str>,
    /// By which an unchanged one is known.
    pub digest: Digest,
}

impl Prepared {
    /// # Errors
    ///
    /// A config that no document can be cut or formatted by; it is then every document's failure.
    pub(super) fn new(vectorizer: &Vectorizer) -> Result<Self, Failure> {
        let Formatting::PythonTemplate { template } = &vectorizer.config.formatting;
        Ok(Prepared {
            parsing: vectorizer.config.parsing,
            chunker: chunker(&vectorizer.config.chunking)?,
            template: Template::parse(template)?,
        })
    }

    /// Parses, cuts and formats a document.
    pub(super) fn inputs(&self, input: Input, fields: &[(String, String)]) -> Result<Vec<Formatted>, Failure> {
        let parsed = parse::parse(self.parsing, input)?;
        let chunks = self.chunker.chunk(&parsed.text)?;
        let format = |chunk: &String| {
            let text: Arc<str> = self.template.render(chunk, fields)?.into();
            let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()).into();
            Ok(Formatted { text, digest })
        };
        chunks.iter().map(format).collect()
    }
}
