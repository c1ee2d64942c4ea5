//! The tokens of texts, and the requests that they take, before they are sent.

use super::limits::pack::Limits;
use super::request::input_type::Purpose;
use super::resolve::resolve;
use crate::config::{Author, Embedding};
use crate::failure::Failure;
use crate::settings::Settings;

/// Returns the number of tokens that a text has in `cl100k_base`. It takes as long as reading the text; for minutes where it has a
/// million letters without a blank.
pub fn cl100k_tokens(text: &str) -> u64 {
    tiktoken_rs::cl100k_base_singleton().encode_ordinary(text).len() as u64
}

/// The most that a request to a model may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    inputs: usize,
    tokens: usize,
}

impl RequestLimits {
    /// Returns the limits of a model's provider and of the operator.
    ///
    /// # Errors
    ///
    /// Fails as [`check`](super::check()) does.
    pub fn of(embedding: &Embedding, author: Author, settings: &Settings) -> Result<Self, Failure> {
        let model = resolve(embedding, author, None, settings, Purpose::Document)?;
        let Limits { inputs, tokens } = Limits::of(settings).and(model.protocol().limits());
        Ok(RequestLimits { inputs, tokens })
    }

    /// Returns the least number of requests that take so many inputs of so many bytes.
    pub fn requests(self, inputs: f64, bytes: f64) -> f64 {
        // As they are packed: by the estimate, whatever the model counts.
        let tokens = bytes / 4.0;
        (inputs / self.inputs as f64).max(tokens / self.tokens as f64).ceil()
    }
}
