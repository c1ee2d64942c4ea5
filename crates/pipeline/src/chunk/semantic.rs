//! The crate `text-splitter`: a chunk ends at the largest semantic boundary that fits, be it a
//! heading, a paragraph, a sentence or a word.

use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

use super::allowance::Chunks;
use super::sizer::{LONGEST_TOKEN, Sizer};
use super::{Allowance, ChunkError, ChunkLimits, Chunker};
use crate::config::{ChunkUnit, TextFormat};

/// The shortest block in bytes, see [`in_blocks`].
const SHORTEST_BLOCK: usize = 64 << 10;
/// The longest block in bytes, and with it the longest chunk.
const LONGEST_BLOCK: usize = 1 << 20;

/// The bytes that the crate takes for each byte of a block, where every other one is a boundary.
const BYTES_PER_BYTE: u64 = 64;

/// Splits plain text or Markdown, counting characters or tokens.
pub(super) struct SemanticSplitter {
    limits: ChunkLimits,
    unit: ChunkUnit,
    format: TextFormat,
    /// Bytes of the text that are split at a time, see [`in_blocks`].
    block: usize,
}

/// A chunk, after the byte offset of its beginning.
pub(super) type Found<'t> = (usize, &'t str);

impl SemanticSplitter {
    /// A splitter of texts in this format, whose `limits` are counted in `unit`.
    pub(super) fn new(limits: ChunkLimits, unit: ChunkUnit, format: TextFormat) -> Result<Self, ChunkError> {
        let ChunkLimits { size, overlap } = limits;
        if overlap >= size {
            return Err(ChunkError::OverlapNotSmaller { size, overlap });
        }

        Ok(SemanticSplitter { limits, unit, format, block: block_size(size) })
    }

    /// The crate's config, with a sizer that keeps to `allowance`.
    fn config<'a>(&self, allowance: Allowance<'a>) -> Result<ChunkConfig<Sizer<'a>>, ChunkError> {
        let ChunkLimits { size, overlap } = self.limits;
        ChunkConfig::new(size)
            .with_sizer(Sizer { unit: self.unit, enough: size, allowance })
            .with_overlap(overlap)
            .map_err(|_| ChunkError::OverlapNotSmaller { size, overlap })
    }
}

impl Chunker for SemanticSplitter {
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError> {
        let block = self.block.min(allowance.part(BYTES_PER_BYTE)).max(SHORTEST_BLOCK);
        match self.format {
            TextFormat::Text => {
                let splitter = TextSplitter::new(self.config(allowance)?);
                chunks(text, block, allowance, |block| Box::new(splitter.try_chunk_indices(block)))
            }
            TextFormat::Markdown => {
                let splitter = MarkdownSplitter::new(self.config(allowance)?);
                chunks(text, block, allowance, |block| Box::new(splitter.try_chunk_indices(block)))
            }
        }
    }

    fn overlap(&self) -> usize {
        match self.unit {
            ChunkUnit::Characters => self.limits.overlap,
            // A chunk begins after the one before it, in any case.
            ChunkUnit::Tokens => self.limits.overlap.saturating_mul(LONGEST_TOKEN),
        }
    }
}

/// Returns the chunks that a splitter makes of a text, block by block.
fn chunks<'t, 's>(
    text: &'t str,
    block: usize,
    allowance: Allowance<'_>,
    split: impl Fn(&'t str) -> Indices<'t, 's>,
) -> Result<Vec<String>, ChunkError> {
    let mut chunks = Chunks::new(allowance);
    in_blocks(text, block, allowance, split, |(_, chunk)| chunks.push(chunk))?;
    Ok(chunks.into_vec())
}

/// Splits a text between sentences, else words, else characters, into parts that have at most `size` units, each after
/// the byte offset of its beginning.
pub(super) fn sentences<'t>(
    text: &'t str,
    size: usize,
    sizer: &Sizer<'_>,
) -> Result<Vec<Found<'t>>, ChunkError> {
    let Sizer { unit, allowance, .. } = *sizer;
    let splitter =
        TextSplitter::new(ChunkConfig::new(size).with_sizer(Sizer { unit, enough: size, allowance }));
    let block = block_size(size).min(allowance.part(BYTES_PER_BYTE)).max(SHORTEST_BLOCK);

    let mut found = Vec::new();
    let split = |block| Box::new(splitter.try_chunk_indices(block)) as Indices<'t, '_>;
    in_blocks(text, block, allowance, split, |part| {
        found.push(part);
        Ok(())
    })?;
    Ok(found)
}

/// Returns the bytes of a text that are split at a time: long enough for a chunk even if all of its tokens are of the
/// longest kind.
fn block_size(size: usize) -> usize {
    size.saturating_mul(LONGEST_TOKEN).clamp(SHORTEST_BLOCK, LONGEST_BLOCK)
}

/// The chunks of a block.
type Indices<'t, 's> = Box<dyn Iterator<Item = Result<Found<'t>, ChunkError>> + 's>;

/// Splits a text block by block, as if at once, and hands out what it finds.
///
/// The crate looks at all that is left of its text for each chunk, so that 10 MB would take it
/// minutes, or an hour if they are one word. A block ends anywhere, and with it the block's last
/// chunk; so that chunk is dropped, and the next block begins where it began. What a block can't
/// know is what lies before it: with an overlap, or within a code block of Markdown, the boundaries
/// of its first chunks may be others than the crate would have chosen.
fn in_blocks<'t, 's>(
    text: &'t str,
    block: usize,
    allowance: Allowance<'_>,
    split: impl Fn(&'t str) -> Indices<'t, 's>,
    mut hand_out: impl FnMut(Found<'t>) -> Result<(), ChunkError>,
) -> Result<(), ChunkError> {
    let mut start = 0;
    while start < text.len() {
        allowance.check_time()?;
        let rest = &text[start..];
        let end = rest.floor_char_boundary(block);
        let mut next = end;
        let mut found = split(&rest[..end]).peekable();
        while let Some((begin, chunk)) = found.next().transpose()? {
            let last = found.peek().is_none();
            // Less than half a block further on, it would not be worth another look.
            if last && end < rest.len() && begin > end / 2 {
                next = begin;
                break;
            }
            hand_out((start + begin, chunk))?;
        }
        start += next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::ample;
    use super::*;

    fn splitter(size: i64, overlap: i64, unit: ChunkUnit, format: TextFormat) -> SemanticSplitter {
        SemanticSplitter::new(ChunkLimits::new(size, overlap).unwrap(), unit, format).unwrap()
    }

    #[test]
    fn chunks_end_where_sentences_end() {
        let splitter = splitter(20, 0, ChunkUnit::Characters, TextFormat::Text);
        assert_eq!(
            splitter.chunk("One two three. Four five six. Seven.", ample()).unwrap(),
            ["One two three.", "Four five six.", "Seven."]
        );
    }

    #[test]
    fn markdown_is_split_at_headings_first() {
        let text = "# A\n\none two\n\n# B\n\nthree";
        let markdown = splitter(18, 0, ChunkUnit::Characters, TextFormat::Markdown);
        assert_eq!(markdown.chunk(text, ample()).unwrap(), ["# A\n\none two", "# B\n\nthree"]);
    }

    /// Paragraphs of sentences of words, with headings.
    fn long_document() -> String {
        let sentence = |n: usize| format!("Sentence {n} has{} words. ", " some more".repeat(n % 7));
        let paragraph = |n: usize| (0..n % 11).map(|k| sentence(n + k)).collect::<String>() + "\n\n";
        (0..1500).map(|n| if n % 9 == 0 { format!("## Part {n}\n\n") } else { paragraph(n) }).collect()
    }

    #[test]
    fn a_long_document_is_split_as_if_at_once() {
        let text = long_document();
        assert!(text.len() > 4 * SHORTEST_BLOCK);
        for format in [TextFormat::Text, TextFormat::Markdown] {
            let mut splitter = splitter(300, 0, ChunkUnit::Characters, format);
            let in_blocks = splitter.chunk(&text, ample()).unwrap();
            splitter.block = text.len();
            let at_once = splitter.chunk(&text, ample()).unwrap();
            let parted = in_blocks.iter().zip(&at_once).find(|(in_blocks, at_once)| in_blocks != at_once);
            assert_eq!(parted, None);
            assert_eq!(in_blocks.len(), at_once.len());
        }
    }

    #[test]
    fn a_long_document_with_overlap_loses_nothing() {
        let text: String = (0..10_000).map(|n| format!("Sentence {n} ends. ")).collect();
        let chunks =
            splitter(300, 100, ChunkUnit::Characters, TextFormat::Text).chunk(&text, ample()).unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() <= 300));
        let words = chunks.iter().flat_map(|chunk| chunk.split(' '));
        let numbers: BTreeSet<usize> = words.filter_map(|word| word.parse().ok()).collect();
        assert!(numbers.into_iter().eq(0..10_000));
    }

    /// The crate remembers every boundary of what it is given.
    #[test]
    fn a_block_is_bounded_by_itself_and_by_memory() {
        let splitter = splitter(1 << 30, 0, ChunkUnit::Characters, TextFormat::Text);
        let text = "a\n".repeat(LONGEST_BLOCK);
        let longest = |allowance| {
            let chunks = splitter.chunk(&text, allowance).unwrap();
            chunks.iter().map(String::len).max().unwrap()
        };

        assert_eq!(longest(ample()), LONGEST_BLOCK - 1, "its end is trimmed");
        assert_eq!(longest(Allowance::new(8 << 20, 0)), (8 << 20) / 64 - 1);
    }

    /// The reason for the blocks: the crate's work on one word is quadratic.
    #[test]
    fn a_megabyte_without_a_boundary_is_chunked() {
        let splitter = splitter(2000, 0, ChunkUnit::Characters, TextFormat::Text);
        let chunks = splitter.chunk(&"x".repeat(1 << 20), ample()).unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() <= 2000));
        assert_eq!(chunks.concat().len(), 1 << 20);
    }

    #[test]
    fn chunks_are_counted_in_tokens_where_that_is_asked_for() {
        let splitter = splitter(3, 0, ChunkUnit::Tokens, TextFormat::Text);
        let chunks = splitter.chunk("one two three four five six seven", ample()).unwrap();
        assert_eq!(chunks, ["one two three", "four five six", "seven"]);
    }

    #[test]
    fn an_overlap_of_a_whole_chunk_is_refused() {
        let limits = ChunkLimits::new(5, 5).unwrap();
        let refused = SemanticSplitter::new(limits, ChunkUnit::Characters, TextFormat::Text).err();
        assert_eq!(
            refused.unwrap().to_string(),
            "the chunk overlap (5) must be smaller than the chunk size (5)"
        );
    }

    #[test]
    fn whitespace_that_would_crash_the_tokenizer_is_an_error() {
        let splitter = splitter(1 << 20, 0, ChunkUnit::Tokens, TextFormat::Text);
        let failed = splitter.chunk(&format!("a{}b", " ".repeat(600_000)), ample()).unwrap_err();
        assert!(matches!(failed, ChunkError::Tokenizer(_)), "{failed}");
    }
}
