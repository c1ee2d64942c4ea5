//! Vectors in the JSON of an answer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::said::Said;

/// An answer as a provider sent it.
#[derive(Debug, PartialEq)]
pub(in crate::embed) struct Answered {
    /// The vectors, each with its `index` if it has one.
    pub vectors: Vec<(Option<usize>, Vec<f32>)>,
    /// The number of tokens that the provider says it bills, if it does.
    pub tokens: Option<u64>,
}

impl Answered {
    /// Adds the number of tokens that are billed.
    pub(in crate::embed) fn with_tokens(self, tokens: Option<u64>) -> Self {
        Answered { tokens, ..self }
    }
}

/// Reads OpenAI's shape, which others have taken over: `{"data": [{"index", "embedding"}]}`.
///
/// # Errors
///
/// If the JSON has another shape.
pub(in crate::embed) fn indexed(body: &[u8]) -> serde_json::Result<Answered> {
    #[derive(Deserialize)]
    struct Response {
        data: Vec<AnsweredItem>,
        #[serde(default)]
        usage: Said,
    }

    let response: Response = serde_json::from_slice(body)?;
    let vectors = response.data.into_iter().map(AnsweredItem::into_parts).collect();
    Ok(Answered { vectors, tokens: tokens_of(&response.usage) })
}

/// Returns the number of tokens that OpenAI's `usage` says are billed. Servers that speak its protocol may say nothing, or
/// something else.
pub(in crate::embed) fn tokens_of(usage: &Said) -> Option<u64> {
    usage.at(&["total_tokens"]).as_u64().or_else(|| usage.at(&["prompt_tokens"]).as_u64())
}

/// Vectors in the order of the inputs.
pub(in crate::embed) fn unnumbered(vectors: impl IntoIterator<Item = AnsweredVector>) -> Answered {
    Answered { vectors: vectors.into_iter().map(|vector| (None, vector.0)).collect(), tokens: None }
}

/// A vector of an answer in OpenAI's shape.
#[derive(Debug, Deserialize)]
pub(in crate::embed) struct AnsweredItem {
    #[serde(default)]
    index: Option<usize>,
    embedding: AnsweredVector,
}

impl AnsweredItem {
    /// Returns the vector with its index, if it has one.
    pub(in crate::embed) fn into_parts(self) -> (Option<usize>, Vec<f32>) {
        (self.index, self.embedding.0)
    }
}

/// A vector as an array of numbers or as base64 of little-endian `f32`, whatever was asked for:
/// many servers know only the former. A number that JSON can't write (null) becomes NaN.
#[derive(Debug)]
pub(in crate::embed) struct AnsweredVector(pub Vec<f32>);

impl<'de> Deserialize<'de> for AnsweredVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = AnsweredVector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers or a base64 string")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AnsweredVector, A::Error> {
        let mut numbers = Vec::with_capacity(1536);
        while let Some(number) = seq.next_element::<Option<f32>>()? {
            numbers.push(number.unwrap_or(f32::NAN));
        }
        numbers.shrink_to_fit();
        Ok(AnsweredVector(numbers))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AnsweredVector, E> {
        // The decoder's own error would repeat bytes of the answer.
        let bytes = BASE64.decode(text).map_err(|_| E::custom("a vector is not base64"))?;
        if bytes.len() % 4 != 0 {
            return Err(E::custom("the length of a vector in base64 is not a multiple of four bytes"));
        }
        let numbers = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(AnsweredVector(numbers.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<f32>, serde_json::Error> {
        serde_json::from_str::<AnsweredItem>(json).map(|item| item.embedding.0)
    }

    #[test]
    fn reads_numbers_and_base64() {
        assert_eq!(read(r#"{"embedding": [1, -0.5, 1e-3]}"#).unwrap(), [1.0, -0.5, 0.001]);
        assert_eq!(read(r#"{"embedding": "AACAPwAAAL8="}"#).unwrap(), [1.0, -0.5]);
        assert!(read(r#"{"embedding": [null, 1]}"#).unwrap()[0].is_nan());
    }

    #[test]
    fn reads_what_is_billed_and_takes_an_answer_that_says_nothing_of_it() {
        let tokens = |usage: &str| {
            indexed(format!(r#"{{"data": [{{"embedding": [1]}}]{usage}}}"#).as_bytes()).unwrap().tokens
        };
        assert_eq!(tokens(r#", "usage": {"prompt_tokens": 5, "total_tokens": 7}"#), Some(7));
        assert_eq!(tokens(r#", "usage": {"prompt_tokens": 5}"#), Some(5));
        for nothing in
            ["", r#", "usage": null"#, r#", "usage": "some""#, r#", "usage": {"total_tokens": -1.5}"#]
        {
            assert_eq!(tokens(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let item = r#"{"index": 0, "embedding": [1]}"#;
        assert!(indexed(format!(r#"{{"data": [{item}]}}"#).as_bytes()).is_ok());
        for twice in [
            format!(r#"{{"data": [{item}], "data": [{item}]}}"#),
            r#"{"data": [{"index": 0, "index": 1, "embedding": [1]}]}"#.to_owned(),
            r#"{"data": [{"index": 0, "embedding": [1], "embedding": [2]}]}"#.to_owned(),
        ] {
            assert!(indexed(twice.as_bytes()).is_err(), "{twice}");
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        assert!(read(r#"{"embedding": "AACAPw=="}"#).is_ok());
        assert!(read(r#"{"embedding": "AACA"}"#).is_err());
        assert!(read(r#"{"embedding": "!!"}"#).is_err());
        assert!(read(r#"{"embedding": {"a": 1}}"#).is_err());
        assert!(read(r#"{"embedding": [[1]]}"#).is_err());
    }
}
