//! Reading an answer with the status of a success.

use super::most_numbers;
use crate::embed::Vectors;
use crate::embed::error::EmbedError;
use crate::embed::provider::Protocol;
use crate::embed::request::answer::Answered;
use crate::embed::request::check::{self, Wrong};
use crate::embed::request::dimensions::MOST_DIMENSIONS;
use crate::embed::request::normalize::{normalize, shorten};
use crate::json_items::JsonItems;

/// The size that an answer must have.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Expected {
    /// The number of inputs, and so of vectors.
    pub inputs: usize,
    /// The number of dimensions of each vector; 0 for any.
    pub dimensions: usize,
    /// The number of dimensions that are kept of each; `None` if all are.
    pub shortened_to: Option<usize>,
    /// The model is known to make such vectors.
    pub proven: bool,
}

impl Expected {
    /// Returns the largest number of items in an answer's JSON that is read. It leaves room for vectors of a few times
    /// the length, so that the length which the model makes can be told, and for what a provider says beside them.
    fn most_items(self) -> usize {
        self.inputs * (4 * most_numbers(self.dimensions) + 64) + MOST_DIMENSIONS
    }

    /// Returns whether an answer has more items than can be meant.
    pub(in crate::embed) fn has_too_many_items(self, body: &[u8]) -> bool {
        JsonItems::default().count(body) > self.most_items()
    }
}

/// An answer that was read.
#[derive(Debug)]
pub(in crate::embed) struct Parsed {
    /// The number of tokens that it says are billed, if it does, whatever else is wrong with it.
    pub tokens: Option<u64>,
    /// The vectors, in the order of the inputs.
    pub vectors: Result<Vectors, EmbedError>,
}

/// Reads an answer.
pub(in crate::embed) fn parse(protocol: &dyn Protocol, body: &[u8], expected: Expected) -> Parsed {
    match answered(protocol, body, expected) {
        Ok(Answered { vectors, tokens }) => Parsed { tokens, vectors: in_order(protocol, vectors, expected) },
        Err(error) => Parsed { tokens: None, vectors: Err(error) },
    }
}

/// Reads the JSON of an answer.
fn answered(protocol: &dyn Protocol, body: &[u8], expected: Expected) -> Result<Answered, EmbedError> {
    if expected.has_too_many_items(body) {
        return Err(EmbedError::BadResponse("it has more numbers than were requested".to_owned()));
    }

    protocol.read(body).map_err(|error| unreadable(&error))
}

/// Returns the vectors in the order of the inputs, after they were checked.
pub(in crate::embed) fn in_order(
    protocol: &dyn Protocol,
    answered: Vec<(Option<usize>, Vec<f32>)>,
    expected: Expected,
) -> Result<Vectors, EmbedError> {
    let vectors = check::in_order(answered, expected.inputs, expected.dimensions);
    let mut vectors = vectors.map_err(|wrong| mismatched(wrong, expected))?;

    if let Some(dimensions) = expected.shortened_to {
        for vector in &mut vectors {
            shorten(vector, dimensions);
        }
    } else if protocol.leaves_lengths() {
        for vector in &mut vectors {
            normalize(vector);
        }
    }
    Ok(vectors)
}

/// The error of an answer that is not in the protocol. serde's own text may repeat what it found.
fn unreadable(error: &serde_json::Error) -> EmbedError {
    match error.classify() {
        serde_json::error::Category::Eof => EmbedError::Unavailable("it ended prematurely".to_owned()),
        _ => EmbedError::BadResponse("it is not the expected JSON".to_owned()),
    }
}

/// The error of an answer with other vectors than were asked for.
fn mismatched(wrong: Wrong, expected: Expected) -> EmbedError {
    match wrong {
        Wrong::Once(what) => EmbedError::BadResponse(what),
        Wrong::Dimensions(answered) if expected.proven => EmbedError::BadResponse(format!(
            "it has {answered} dimensions, unlike earlier responses of the model"
        )),
        Wrong::Dimensions(answered) => EmbedError::refused(
            "bad_response",
            format!(
                "the model returns {answered} dimensions, but the vectorizer has {}",
                expected.dimensions
            ),
            "Create the vectorizer with the model's number of dimensions, or use another model.",
        ),
    }
}
