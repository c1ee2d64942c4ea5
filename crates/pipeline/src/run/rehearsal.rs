//! The way of a vectorizer's documents up to the model, which is not asked.

use std::sync::Arc;

use super::context::Stages;
use super::memory::{DocumentMemory, LaneMemory};
use super::prepared::Prepared;
use super::process::{Arrival, prepare};
use super::progress::Progress;
use crate::document::{Document, Payload, Ticket, Vectorizer};
use crate::failure::Failure;
use crate::load::Loaders;
use crate::parse::Parsers;
use crate::settings::Settings;

/// A vectorizer whose documents are taken as far as to what would be sent to its model.
///
/// Runs on any runtime, starts no tasks that outlive it, and stops when dropped.
pub struct Rehearsal {
    stages: Stages,
    prepared: Arc<Prepared>,
    memory: LaneMemory,
}

/// The amounts that a document comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// The size of the document in bytes, as it was loaded.
    pub loaded: u64,
    /// The number of its chunks.
    pub chunks: u64,
    /// The bytes of the texts of all chunks together.
    pub chunk_bytes: u64,
    /// The texts that would be sent to the model: equal ones once, and each cut to what the model reads.
    pub inputs: Vec<Arc<str>>,
}

impl Rehearsal {
    /// Prepares for the documents of a vectorizer.
    pub fn new(vectorizer: &Arc<Vectorizer>, settings: &Arc<Settings>) -> Self {
        let loaders = Loaders::new(settings, None);
        let parsers = Parsers::new(settings, loaders.offload(), None);
        let memory = DocumentMemory::new(settings.document_memory());
        Rehearsal {
            memory: LaneMemory::new(&memory, vectorizer.account.owner()),
            prepared: Prepared::new(vectorizer),
            stages: Stages { settings: Arc::clone(settings), loaders, parsers },
        }
    }

    /// Takes a document as far as to the model: its payload is what the column of the vectorizer holds, and its fields are the
    /// columns that the template names.
    ///
    /// # Errors
    ///
    /// The failure with which the worker would set it aside, or try it again.
    pub async fn document(
        &self,
        payload: Payload,
        fields: Vec<(String, String)>,
    ) -> Result<Rehearsed, Failure> {
        let document = Document {
            ticket: Ticket(0),
            vectorizer: Arc::clone(&self.prepared.vectorizer),
            payload,
            fields,
            existing: Vec::new(),
            provenance: None,
            kept: None,
        };
        let estimate = self.prepared.estimated_bytes(document.text_size(), &document.fields);
        let mut reservation = self.memory.hold(estimate);
        let step = Arc::new(Progress::default());
        match prepare(&self.stages, &self.prepared, document, &mut reservation, &step).await? {
            Arrival::Nothing | Arrival::Unchanged(..) => Ok(Rehearsed::default()),
            Arrival::Ready(ready) => {
                let (chunks, chunk_bytes) = ready.plan.chunks();
                Ok(Rehearsed { loaded: ready.loaded, chunks, chunk_bytes, inputs: ready.plan.inputs })
            }
        }
    }
}
