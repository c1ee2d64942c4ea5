//! The size of a chunk: characters, or tokens.

use text_splitter::TryChunkSizer;
use tiktoken_rs::cl100k_base_singleton;

use super::{Allowance, ChunkError};
use crate::config::ChunkUnit;

/// The longest token of `cl100k_base`, in bytes: 128 spaces.
pub(super) const LONGEST_TOKEN: usize = 128;

/// The longest run of whitespace that the tokenizer takes. Its regular expression keeps a state for
/// each character of the run, and panics when there are more than a million.
pub(crate) const LONGEST_WHITESPACE: usize = 500_000;

/// Counts characters, or tokens of `cl100k_base`. The tokenizer itself is loaded once a process.
///
/// A splitter asks for a size at least once for each chunk, also for those that it drops as whitespace; so
/// this is where the time is looked at.
pub(super) struct Sizer<'a> {
    /// The unit that is counted.
    pub unit: ChunkUnit,
    /// The number of tokens beyond which counting ends: more don't fit.
    pub enough: usize,
    /// The allowance whose time is looked at.
    pub allowance: Allowance<'a>,
}

impl TryChunkSizer for Sizer<'_> {
    type Error = ChunkError;

    fn try_size(&self, text: &str) -> Result<usize, ChunkError> {
        self.allowance.check_time()?;
        match self.unit {
            ChunkUnit::Characters => Ok(text.chars().count()),
            ChunkUnit::Tokens => self.tokens(text),
        }
    }
}

impl Sizer<'_> {
    fn tokens(&self, text: &str) -> Result<usize, ChunkError> {
        // The splitter asks for the size of whole documents to learn that they are too long.
        let at_least = text.len().div_ceil(LONGEST_TOKEN);
        if at_least > self.enough {
            return Ok(at_least);
        }

        if before_blanks(text).is_some() {
            return Err(ChunkError::Tokenizer(format!(
                "it has more than {LONGEST_WHITESPACE} whitespace characters in a row"
            )));
        }

        Ok(cl100k_base_singleton().encode_ordinary(text).len())
    }
}

/// Returns the part of a text before a run of whitespace that the tokenizer can't take; `None` if there is no such run.
pub(crate) fn before_blanks(text: &str) -> Option<&str> {
    if text.len() <= LONGEST_WHITESPACE {
        return None;
    }
    let (mut began, mut length) = (0, 0);
    for (at, c) in text.char_indices() {
        if !c.is_whitespace() {
            (began, length) = (at + c.len_utf8(), 0);
            continue;
        }
        length += 1;
        if length > LONGEST_WHITESPACE {
            return Some(&text[..began]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::ample;
    use super::*;

    #[test]
    fn tokens_are_counted_as_openai_counts_them() {
        let sizer = Sizer { unit: ChunkUnit::Tokens, enough: 1000, allowance: ample() };
        assert_eq!(sizer.try_size("tiktoken is great!").unwrap(), 6);
    }

    #[test]
    fn no_token_is_longer_than_is_assumed() {
        let tokenizer = cl100k_base_singleton();
        let lengths =
            (0..100_256).filter_map(|rank| tokenizer.decode_bytes(&[rank]).ok()).map(|token| token.len());
        assert_eq!(lengths.max(), Some(LONGEST_TOKEN));
    }
}
