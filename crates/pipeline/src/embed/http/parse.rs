//! Reading an answer with the status of a success.

use memchr::memchr2;

use crate::embed::Vectors;
use crate::embed::error::EmbedError;
use crate::embed::provider::Protocol;
use crate::embed::request::check::{self, Wrong};
use crate::embed::request::dimensions::MOST_DIMENSIONS;
use crate::embed::request::normalize::normalize;

/// The size that an answer must have.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) struct Expected {
    /// The number of inputs, and so of vectors.
    pub inputs: usize,
    /// The number of dimensions of each vector; 0 for any.
    pub dimensions: usize,
    /// The model is known to make such vectors.
    pub proven: bool,
}

impl Expected {
    /// Returns the largest number of items in an answer's JSON that is read. It leaves room for vectors of a few times
    /// the length, so that the length which the model makes can be told, and for what a provider says beside them.
    fn most_items(self) -> usize {
        let numbers = if self.dimensions == 0 { MOST_DIMENSIONS } else { self.dimensions };
        self.inputs * (4 * numbers + 64) + MOST_DIMENSIONS
    }
}

/// The vectors of an answer, in the order of the inputs.
pub(in crate::embed) fn parse(
    protocol: &dyn Protocol,
    body: &[u8],
    expected: Expected,
) -> Result<Vectors, EmbedError> {
    if !has_at_most(body, expected.most_items()) {
        return Err(EmbedError::BadResponse("it has more numbers than were requested".to_owned()));
    }

    let answered = protocol.read(body).map_err(|error| unreadable(&error))?;
    let vectors = check::in_order(answered, expected.inputs, expected.dimensions);
    let mut vectors = vectors.map_err(|wrong| mismatched(wrong, expected))?;

    if protocol.leaves_lengths() {
        for vector in &mut vectors {
            normalize(vector);
        }
    }
    Ok(vectors)
}

/// Returns whether JSON has at most so many items and entries. They are counted before any is read, because an item takes
/// two bytes on the wire and up to a hundred in memory.
fn has_at_most(json: &[u8], most: usize) -> bool {
    let mut commas = 0;
    let mut rest = json;
    while let Some(at) = memchr2(b',', b'"', rest) {
        let is_comma = rest[at] == b',';
        rest = &rest[at + 1..];

        if !is_comma {
            rest = after_string(rest);
        } else if commas == most {
            return false;
        } else {
            commas += 1;
        }
    }
    true
}

/// Returns what follows the string whose content `json` begins with; nothing if it does not end.
fn after_string(json: &[u8]) -> &[u8] {
    let mut rest = json;
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        // A backslash and the character after it belong together.
        let length = if rest[at] == b'"' { 1 } else { 2 };
        let ends = length == 1;
        rest = rest.get(at + length..).unwrap_or_default();
        if ends {
            return rest;
        }
    }
    &[]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_and_what_strings_hold_is_not() {
        for (json, commas) in [
            ("", 0),
            ("[1,2,3]", 2),
            (r#"{"a":"x,y","b":[1,2]}"#, 2),
            (r#"["\",\"",1]"#, 1),
            (r#"["\\",1]"#, 1),
            (r#"["unending,,,"#, 0),
            (r#"["unending\"#, 0),
        ] {
            assert!(has_at_most(json.as_bytes(), commas), "{json}");
            assert!(commas == 0 || !has_at_most(json.as_bytes(), commas - 1), "{json}");
        }
    }
}
