//! The server's interface to a model, and the model that it has.

use std::path::Path;

use crate::checkpoint::{self, LoadError, Tensors};
use crate::model::LocalModel;
use crate::tokenize::WordPieces;

/// The reason why a text has no vector, a message for the log and the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ModelError(pub String);

/// A model. The tests of the protocol use a simple one.
pub trait Embed: Send + Sync + 'static {
    /// Returns the tokens of `text`, cut to what the model reads.
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, ModelError>;

    /// Returns the vectors of `sequences`, in their order. It occupies the calling thread; the server calls
    /// it from several threads at once.
    fn embed(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// all-MiniLM-L6-v2 with its tokenizer.
pub struct MiniLm {
    word_pieces: WordPieces,
    model: LocalModel,
}

impl MiniLm {
    /// Loads the model from `dir`. Errors unless it holds the published files.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        let word_pieces = WordPieces::load(&checkpoint::read(dir, &checkpoint::TOKENIZER)?)?;
        let weights = checkpoint::read(dir, &checkpoint::WEIGHTS)?;
        let model = LocalModel::load(&Tensors::parse(&weights)?)?;
        Ok(Self { word_pieces, model })
    }
}

impl Embed for MiniLm {
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.word_pieces.encode(text).map_err(|error| ModelError(format!("tokenizer: {error}")))
    }

    fn embed(&self, sequences: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(self.model.embed(sequences))
    }
}
