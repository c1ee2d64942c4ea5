//! Reading an answer with the status of a success.

use crate::embed::Vectors;
use crate::embed::error::EmbedError;
use crate::embed::provider::Protocol;
use crate::embed::request::check::{self, Wrong};
use crate::embed::request::normalize::normalize;

/// The size that an answer must have.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Expected {
    pub inputs: usize,
    pub dimensions: usize,
    /// The model is known to make such vectors.
    pub proven: bool,
}

/// The vectors of an answer, in the order of the inputs.
pub(in crate::embed) fn parse(
    protocol: &dyn Protocol,
    body: &[u8],
    expected: Expected,
) -> Result<Vectors, EmbedError> {
    let Expected { inputs, dimensions, proven } = expected;
    let answered = protocol.read(body).map_err(|error| {
        // serde's own text may repeat what it found.
        match error.classify() {
            serde_json::error::Category::Eof => EmbedError::Unavailable("its answer broke off".to_owned()),
            _ => EmbedError::BadResponse("it is not the JSON that was expected".to_owned()),
        }
    })?;
    let mut vectors = check::in_order(answered, inputs, dimensions).map_err(|wrong| match wrong {
        Wrong::Once(what) => EmbedError::BadResponse(what),
        Wrong::Dimensions(answered) if proven => {
            EmbedError::BadResponse(format!("it has {answered} dimensions, which the model had not before"))
        }
        Wrong::Dimensions(answered) => EmbedError::refused(
            "bad_response",
            format!("the model answers {answered} dimensions, the vectorizer has {dimensions}"),
            "Create the vectorizer with the model's number of dimensions, or choose another model.",
        ),
    })?;
    if protocol.leaves_lengths() {
        vectors.iter_mut().for_each(|vector| normalize(vector));
    }
    Ok(vectors)
}
