//! The crate `text-splitter`: a chunk ends at the largest semantic boundary that fits, be it a
//! heading, a paragraph, a sentence or a word.

use text_splitter::{Characters, ChunkConfig, MarkdownSplitter, TextSplitter, TryChunkSizer};
use tiktoken_rs::cl100k_base_singleton;

use super::{ChunkError, Chunker, Limits};
use crate::config::{ChunkUnit, TextFormat};

/// Splits plain text or Markdown, counting characters or tokens.
pub(super) enum SemanticSplitter {
    Text(TextSplitter<Characters>),
    TextByTokens(TextSplitter<Cl100k>),
    Markdown(MarkdownSplitter<Characters>),
    MarkdownByTokens(MarkdownSplitter<Cl100k>),
}

impl SemanticSplitter {
    pub(super) fn new(limits: Limits, unit: ChunkUnit, format: TextFormat) -> Result<Self, ChunkError> {
        let Limits { size, overlap } = limits;
        let config = ChunkConfig::new(size)
            .with_overlap(overlap)
            .map_err(|_| ChunkError::OverlapNotSmaller { size, overlap })?;
        let tokens = Cl100k { enough: size };
        Ok(match (format, unit) {
            (TextFormat::Text, ChunkUnit::Characters) => Self::Text(TextSplitter::new(config)),
            (TextFormat::Text, ChunkUnit::Tokens) => {
                Self::TextByTokens(TextSplitter::new(config.with_sizer(tokens)))
            }
            (TextFormat::Markdown, ChunkUnit::Characters) => Self::Markdown(MarkdownSplitter::new(config)),
            (TextFormat::Markdown, ChunkUnit::Tokens) => {
                Self::MarkdownByTokens(MarkdownSplitter::new(config.with_sizer(tokens)))
            }
        })
    }
}

impl Chunker for SemanticSplitter {
    fn chunk(&self, text: &str) -> Result<Vec<String>, ChunkError> {
        Ok(match self {
            Self::Text(splitter) => splitter.chunks(text).map(str::to_owned).collect(),
            Self::Markdown(splitter) => splitter.chunks(text).map(str::to_owned).collect(),
            Self::TextByTokens(splitter) => {
                splitter.try_chunks(text).map(|chunk| chunk.map(str::to_owned)).collect::<Result<_, _>>()?
            }
            Self::MarkdownByTokens(splitter) => {
                splitter.try_chunks(text).map(|chunk| chunk.map(str::to_owned)).collect::<Result<_, _>>()?
            }
        })
    }
}

/// The longest token of `cl100k_base`, in bytes: 128 spaces.
const LONGEST_TOKEN: usize = 128;

/// The longest run of whitespace that the tokenizer takes. Its regular expression keeps a state for
/// each character of the run, and panics when there are more than a million.
const LONGEST_WHITESPACE: usize = 500_000;

/// Counts tokens of `cl100k_base`. The tokenizer itself is loaded once a process.
pub(super) struct Cl100k {
    /// More tokens than this need not be counted: they don't fit.
    enough: usize,
}

impl TryChunkSizer for Cl100k {
    type Error = ChunkError;

    fn try_size(&self, text: &str) -> Result<usize, ChunkError> {
        // The splitter asks for the size of whole documents to learn that they are too long.
        let at_least = text.len().div_ceil(LONGEST_TOKEN);
        if at_least > self.enough {
            return Ok(at_least);
        }
        if text.len() > LONGEST_WHITESPACE && longest_whitespace(text) > LONGEST_WHITESPACE {
            return Err(ChunkError::Tokenizer(format!(
                "it has more than {LONGEST_WHITESPACE} whitespace characters in a row"
            )));
        }
        Ok(cl100k_base_singleton().encode_ordinary(text).len())
    }
}

/// Most whitespace characters in a row.
fn longest_whitespace(text: &str) -> usize {
    let (mut longest, mut current) = (0, 0);
    for c in text.chars() {
        current = if c.is_whitespace() { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splitter(size: i64, overlap: i64, unit: ChunkUnit, format: TextFormat) -> SemanticSplitter {
        SemanticSplitter::new(Limits::new(size, overlap).unwrap(), unit, format).unwrap()
    }

    #[test]
    fn chunks_end_where_sentences_end() {
        let splitter = splitter(20, 0, ChunkUnit::Characters, TextFormat::Text);
        assert_eq!(
            splitter.chunk("One two three. Four five six. Seven.").unwrap(),
            ["One two three.", "Four five six.", "Seven."]
        );
    }

    #[test]
    fn markdown_is_split_at_headings_first() {
        let text = "# A\n\none two\n\n# B\n\nthree";
        let markdown = splitter(18, 0, ChunkUnit::Characters, TextFormat::Markdown);
        assert_eq!(markdown.chunk(text).unwrap(), ["# A\n\none two", "# B\n\nthree"]);
    }

    #[test]
    fn tokens_are_counted_as_openai_counts_them() {
        let size = |text: &str| Cl100k { enough: 1000 }.try_size(text).unwrap();
        assert_eq!(size("tiktoken is great!"), 6);
        let splitter = splitter(3, 0, ChunkUnit::Tokens, TextFormat::Text);
        let chunks = splitter.chunk("one two three four five six seven").unwrap();
        assert_eq!(chunks, ["one two three", "four five six", "seven"]);
    }

    #[test]
    fn no_token_is_longer_than_is_assumed() {
        let tokenizer = cl100k_base_singleton();
        let lengths = (0..100_256).filter_map(|rank| tokenizer.decode_bytes(&[rank]).ok()).map(|token| token.len());
        assert_eq!(lengths.max(), Some(LONGEST_TOKEN));
    }

    #[test]
    fn an_overlap_of_a_whole_chunk_is_refused() {
        let limits = Limits::new(5, 5).unwrap();
        let refused = SemanticSplitter::new(limits, ChunkUnit::Characters, TextFormat::Text).err();
        assert_eq!(
            refused.unwrap().to_string(),
            "the chunk overlap (5) must be smaller than the chunk size (5)"
        );
    }

    #[test]
    fn whitespace_that_would_crash_the_tokenizer_is_an_error() {
        let splitter = splitter(1 << 20, 0, ChunkUnit::Tokens, TextFormat::Text);
        let failed = splitter.chunk(&format!("a{}b", " ".repeat(2_000_000))).unwrap_err();
        assert!(matches!(failed, ChunkError::Tokenizer(_)), "{failed}");
    }
}
