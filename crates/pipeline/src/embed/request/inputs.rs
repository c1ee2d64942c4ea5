//! The inputs of one request.

use std::sync::Arc;

use crate::embed::limits::pack::estimated_tokens;
use crate::usage::{Size, most_tokens};

/// The largest number of bytes of a token that is written as a number, its comma included.
const BYTES_PER_TOKEN: usize = 11;

/// The inputs of a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::embed) enum Inputs<'a> {
    /// Texts.
    Texts(&'a [Arc<str>]),
    /// One text, as the numbers of its tokens.
    Tokens(&'a [u32]),
}

impl<'a> Inputs<'a> {
    /// Returns the number of vectors that are wanted.
    pub(in crate::embed) fn count(self) -> usize {
        match self {
            Inputs::Texts(texts) => texts.len(),
            Inputs::Tokens(_) => 1,
        }
    }

    /// Bytes that the inputs take in a request.
    pub(in crate::embed) fn bytes(self) -> usize {
        match self {
            Inputs::Texts(texts) => texts.iter().map(|text| text.len()).sum(),
            Inputs::Tokens(tokens) => tokens.len() * BYTES_PER_TOKEN,
        }
    }

    /// Returns the size that a bill has of them.
    pub(in crate::embed) fn size(self) -> Size {
        let tokens = match self {
            Inputs::Texts(texts) => texts.iter().map(|text| estimated_tokens(text)).sum(),
            Inputs::Tokens(tokens) => tokens.len(),
        };
        let (inputs, bytes) = (self.count() as u64, self.bytes() as u64);
        Size { inputs, bytes, tokens: tokens as u64, most_tokens: most_tokens(inputs, bytes) }
    }

    /// Returns the texts of the inputs, which nobody may find in what is told of an answer.
    pub(in crate::embed) fn texts(self) -> &'a [Arc<str>] {
        match self {
            Inputs::Texts(texts) => texts,
            Inputs::Tokens(_) => &[],
        }
    }
}
