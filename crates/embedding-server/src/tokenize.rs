//! Converts text to word pieces, as sentence-transformers does for this model.

use tokenizers::{Tokenizer, TruncationParams};

use crate::checkpoint::LoadError;
use crate::model::MAX_TOKENS;

/// The length of the part of a long text that is tokenised first, in bytes. 256 tokens usually have 1,200.
const FIRST_TRY: usize = 4096;

/// The model's tokenizer.
pub struct WordPieces(Tokenizer);

impl WordPieces {
    /// Reads `tokenizer.json`. Its padding and its truncation (to 128 tokens) are replaced by those of
    /// sentence-transformers.
    pub fn load(file: &[u8]) -> Result<Self, LoadError> {
        let mut tokenizer = Tokenizer::from_bytes(file).map_err(LoadError::Tokenizer)?;
        let truncation = TruncationParams { max_length: MAX_TOKENS, ..Default::default() };
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(truncation)).map_err(LoadError::Tokenizer)?;
        Ok(Self(tokenizer))
    }

    /// Returns the token ids of `text`, between `[CLS]` and `[SEP]`, at most [`MAX_TOKENS`] in all. The rest
    /// of the text is dropped silently, as in the reference.
    ///
    /// A text far beyond the limit is not tokenised to its end.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        let mut size = FIRST_TRY;

        while let Some(head) = head(text, size) {
            let tokens = self.encode_whole(head)?;
            if tokens.len() == MAX_TOKENS {
                return Ok(tokens);
            }
            size = size.saturating_mul(4);
        }
        self.encode_whole(text)
    }

    fn encode_whole(&self, text: &str) -> Result<Vec<u32>, tokenizers::Error> {
        Ok(self.0.encode_fast(text, true)?.get_ids().to_vec())
    }
}

/// Returns the beginning of `text`, up to the last blank within `size` bytes; `None` if the text is shorter
/// or has no blank there.
///
/// A token never includes one of these four characters, so the tokens of the head are the first ones of the
/// text. Other white space does not work: the tokenizer drops a form feed and joins what is around it.
fn head(text: &str, size: usize) -> Option<&str> {
    let head = text.as_bytes().get(..size)?;
    let blank = head.iter().rposition(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))?;
    text.get(..blank)
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn a_head_ends_before_a_blank() {
        assert_eq!(head("one two three", 6), Some("one"));
        assert_eq!(head("one two three", 8), Some("one two"));
        assert_eq!(head("é\u{c}ü é", 8), Some("é\u{c}ü"));
        assert_eq!(head("one\u{c}two", 6), None);
        assert_eq!(head("one two", 100), None);
    }
}
