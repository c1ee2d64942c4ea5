//! A vectorizer with what is built from its config once rather than once a document.

use std::sync::Arc;

use crate::chunk::{chunker, Chunker};
use crate::config::Formatting;
use crate::document::{Failure, Vectorizer};
use crate::format::Template;

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
        let Formatting::PythonTemplate { template } = &vectorizer.config.formatting;
        Arc::new(Prepared {
            chunker: chunker(&vectorizer.config.chunking).map_err(Failure::from),
            template: Template::parse(template).map_err(Failure::from),
            vectorizer: Arc::clone(vectorizer),
        })
    }

    /// Whether this is what the vectorizer asks for; the queue may read it anew at each turn.
    pub(super) fn serves(&self, vectorizer: &Arc<Vectorizer>) -> bool {
        Arc::ptr_eq(&self.vectorizer, vectorizer)
            || (self.vectorizer.name == vectorizer.name
                && self.vectorizer.api_key == vectorizer.api_key
                && self.vectorizer.config == vectorizer.config)
    }
}
