//! LangChain's `CharacterTextSplitter` with `keep_separator=False`: one separator, pieces merged.

use super::allowance::Chunks;
use super::merge::Merger;
use super::python_regex::Room;
use super::separator::{Keep, Separator};
use super::{Allowance, ChunkError, ChunkLimits, Chunker};

/// Splits at one separator; a piece longer than a chunk stays whole.
pub(super) struct CharacterSplitter {
    limits: ChunkLimits,
    separator: Separator,
    compiled_bytes: usize,
}

impl CharacterSplitter {
    /// A splitter at `separator`, which is a regular expression if `is_regex`.
    pub(super) fn new(limits: ChunkLimits, separator: &str, is_regex: bool) -> Result<Self, ChunkError> {
        let mut room = Room::new();
        let separator = Separator::new(separator, is_regex, &mut room)?;
        Ok(CharacterSplitter { limits, separator, compiled_bytes: room.taken() })
    }
}

impl Chunker for CharacterSplitter {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        let mut chunks = Chunks::new(allowance);
        // LangChain joins with the separator as it was given, even if it is a regular expression.
        let joint = if self.separator.begins_with_lookaround() { "" } else { self.separator.as_given() };
        let mut merger = Merger::new(self.limits, joint);

        self.separator.split(text, Keep::No, allowance, &mut |piece| {
            let length = piece.chars().count();
            merger.push(piece, length, &mut chunks)
        })?;
        merger.finish(&mut chunks)?;
        Ok(chunks.into_vec())
    }

    fn overlap(&self) -> usize {
        self.limits.overlap
    }

    fn compiled_bytes(&self) -> usize {
        self.compiled_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ample;
    use super::*;

    fn chunks(separator: &str, is_regex: bool, text: &str) -> Vec<String> {
        let limits = ChunkLimits::new(5, 2).unwrap();
        CharacterSplitter::new(limits, separator, is_regex).unwrap().chunk(text, ample()).unwrap()
    }

    #[test]
    fn pieces_are_joined_by_the_separator_and_overlap() {
        assert_eq!(chunks(",", false, "a,b,c,d,e"), ["a,b,c", "c,d,e"]);
    }

    #[test]
    fn a_regex_is_joined_by_its_own_text_as_langchain_does() {
        assert_eq!(chunks(r"\s+", true, "a  b"), [r"a\s+b"]);
    }

    #[test]
    fn a_lookaround_takes_nothing_away_that_had_to_be_put_back() {
        assert_eq!(chunks(r"(?=\n)", true, "a\nb\nc\nd"), ["a\nb\nc", "c\nd"]);
        assert_eq!(chunks(r"(?=\n)", false, "ab(?=\\n)cd"), ["ab", "cd"]);
    }

    #[test]
    fn a_piece_longer_than_a_chunk_stays_whole() {
        assert_eq!(chunks(",", false, "abcdefgh,i"), ["abcdefgh", "i"]);
    }
}
