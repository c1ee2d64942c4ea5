//! LangChain's `RecursiveCharacterTextSplitter` with `keep_separator=True`: the coarsest separator
//! that occurs, then finer ones for the pieces that are still too long.

use super::allowance::Chunks;
use super::merge::Merger;
use super::python_regex::Room;
use super::separator::{Keep, Separator};
use super::{Allowance, ChunkError, ChunkLimits, Chunker};

/// Bounds the recursion, which goes one level down a separator. (Python's own limit is 1,000.)
const MAX_SEPARATORS: usize = 500;

/// The separators that LangChain uses if the list of them is empty.
const DEFAULT_SEPARATORS: [&str; 4] = ["\n\n", "\n", " ", ""];

/// Splits at the first of its separators that occurs, and goes on with the rest of them.
pub(super) struct RecursiveSplitter {
    limits: ChunkLimits,
    /// Never empty.
    separators: Vec<Separator>,
    compiled_bytes: usize,
}

impl RecursiveSplitter {
    /// A splitter at `separators`, the coarsest first, which are regular expressions if `is_regex`.
    pub(super) fn new(
        limits: ChunkLimits,
        separators: &[String],
        is_regex: bool,
    ) -> Result<Self, ChunkError> {
        if separators.len() > MAX_SEPARATORS {
            return Err(ChunkError::TooManySeparators { got: separators.len(), limit: MAX_SEPARATORS });
        }

        let given: Vec<&str> = if separators.is_empty() {
            DEFAULT_SEPARATORS.to_vec()
        } else {
            separators.iter().map(String::as_str).collect()
        };
        let mut room = Room::new();
        let separators = given.into_iter().map(|separator| Separator::new(separator, is_regex, &mut room));
        let separators = separators.collect::<Result<_, _>>()?;
        Ok(RecursiveSplitter { limits, separators, compiled_bytes: room.taken() })
    }

    /// The separator for `text`, and those for its pieces that stay too long.
    fn choose<'s>(
        &self,
        text: &str,
        separators: &'s [Separator],
        allowance: Allowance<'_>,
    ) -> Result<Option<(&'s Separator, &'s [Separator])>, ChunkError> {
        for (at, separator) in separators.iter().enumerate() {
            if separator.is_empty() {
                return Ok(Some((separator, &[])));
            }
            if separator.occurs_in(text, allowance)? {
                return Ok(Some((separator, &separators[at + 1..])));
            }
        }
        Ok(separators.last().map(|last| (last, &[][..])))
    }

    fn split(
        &self,
        text: &str,
        separators: &[Separator],
        allowance: Allowance<'_>,
        chunks: &mut Chunks<'_>,
    ) -> Result<(), ChunkError> {
        let Some((separator, finer)) = self.choose(text, separators, allowance)? else {
            return Ok(());
        };

        let mut merger = Merger::new(self.limits, "");
        separator.split(text, Keep::AtStart, allowance, &mut |piece| {
            let length = piece.chars().count();
            if length < self.limits.size {
                return merger.push(piece, length, chunks);
            }

            merger.finish(chunks)?;
            if finer.is_empty() {
                // LangChain neither strips nor cuts what no separator is left for.
                return chunks.push(&piece);
            }
            self.split(&piece, finer, allowance, chunks)
        })?;
        merger.finish(chunks)
    }
}

impl Chunker for RecursiveSplitter {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        let mut chunks = Chunks::new(allowance);
        self.split(text, &self.separators, allowance, &mut chunks)?;
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

    fn chunks(size: i64, separators: &[&str], text: &str) -> Vec<String> {
        let separators: Vec<String> = separators.iter().map(|&separator| separator.to_owned()).collect();
        let limits = ChunkLimits::new(size, 0).unwrap();
        RecursiveSplitter::new(limits, &separators, false).unwrap().chunk(text, ample()).unwrap()
    }

    #[test]
    fn the_separator_begins_the_next_chunk() {
        assert_eq!(chunks(5, &["."], "abc.def.ghi"), ["abc", ".def", ".ghi"]);
    }

    #[test]
    fn a_piece_that_is_too_long_is_split_at_finer_separators() {
        // The newline counts, as it begins its piece, and is stripped later.
        assert_eq!(chunks(6, &["\n", " ", ""], "one two\nabcdefgh"), ["one", "two", "abcde", "fgh"]);
    }

    #[test]
    fn what_no_separator_is_left_for_stays_as_it_is() {
        assert_eq!(chunks(3, &["\n"], "abcdef \nx"), ["abcdef ", "x"]);
    }

    #[test]
    fn an_empty_list_means_langchains_separators() {
        assert_eq!(chunks(5, &[], "ab cd.ef"), chunks(5, &DEFAULT_SEPARATORS, "ab cd.ef"));
    }

    #[test]
    fn no_list_of_separators_overflows_the_stack() {
        let separators = vec!["x".to_owned(); MAX_SEPARATORS + 1];
        let refused = RecursiveSplitter::new(ChunkLimits::new(5, 0).unwrap(), &separators, false).err();
        assert!(matches!(refused, Some(ChunkError::TooManySeparators { .. })));
        let text = "x".repeat(2 * MAX_SEPARATORS);
        for is_regex in [false, true] {
            let separators = vec!["x".to_owned(); MAX_SEPARATORS];
            let splitter =
                RecursiveSplitter::new(ChunkLimits::new(1, 0).unwrap(), &separators, is_regex).unwrap();
            assert_eq!(splitter.chunk(&text, ample()).unwrap().len(), text.len());
        }
    }
}
