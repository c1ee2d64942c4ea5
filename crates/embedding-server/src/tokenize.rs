//! Text to word pieces, as sentence-transformers does it for this model.

use tokenizers::{Tokenizer, TruncationParams};

use crate::checkpoint::LoadError;
use crate::model::MAX_TOKENS;

/// How much of a long text is tokenised at first, in bytes; 256 tokens are usually 1,200.
const FIRST_TRY: usize = 4096;

/// The model's tokenizer.
pub struct WordPieces(Tokenizer);

impl WordPieces {
    /// Reads `tokenizer.json`, whose own padding and truncation (to 128) are not what
    /// sentence-transformers uses.
    pub fn load(file: &[u8]) -> Result<Self, LoadError> {
        let mut tokenizer = Tokenizer::from_bytes(file).map_err(LoadError::Tokenizer)?;
        let truncation = TruncationParams { max_length: MAX_TOKENS, ..Default::default() };
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(truncation)).map_err(LoadError::Tokenizer)?;
        Ok(Self(tokenizer))
    }

    /// The token ids of `text`, between `[CLS]` and `[SEP]`, at most [`MAX_TOKENS`] in all; what
    /// is beyond is dropped without a word, as the reference does.
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

/// The beginning of `text`, up to the last blank within `size` bytes; None if it is no shorter
/// than the text or has no blank.
///
/// A token never reaches across these four characters, so the tokens of the head are the first
/// ones of the text. Other white space will not do: the tokenizer drops a form feed and joins
/// what is around it.
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
