//! Cutting text into chunks, the units that are embedded.
//!
//! * `character` and `recursive`: LangChain's two splitters, exactly (`langchain-text-splitters`
//!   1.1.3, called as pgai calls it); they share `separator` (where to split) and `merge` (how pieces
//!   become chunks), and `python_regex` with `python_pattern` for separators that are regular expressions
//! * `semantic`: the crate `text-splitter`, for plain text and Markdown, by characters or tokens
//! * `markdown`: Markdown along its headings, with tables and code kept whole where that is possible
//! * `whole`: a document is one chunk
//! * `compiled`: which chunkers with large regular expressions are kept
//! * `sizer`: the size of a chunk, in characters or tokens
//! * `piece`: chunks with their places in the text
//! * `allowance`: what cutting a text may take
//! * `error`: the reasons why there are no chunks

mod allowance;
mod character;
mod compiled;
mod error;
mod markdown;
mod merge;
mod piece;
mod python_pattern;
mod python_regex;
mod recursive;
mod semantic;
mod separator;
mod sizer;
mod whole;

pub use allowance::Allowance;
pub(crate) use compiled::shared_chunker;
pub use error::ChunkError;
pub use piece::Piece;
#[cfg(test)]
pub(crate) use sizer::LONGEST_WHITESPACE;
pub(crate) use sizer::before_blanks;

use crate::config::Chunking;

/// Cuts a document's text into chunks.
pub trait Chunker: Send + Sync {
    /// Returns the chunks of `text`, in order; none if there is nothing in it.
    ///
    /// # Errors
    ///
    /// If they take more than is allowed, or the text defeats a separator that is a regular expression, or
    /// the tokenizer.
    fn chunk(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<String>, ChunkError>;

    /// Returns the chunks of `text`, in order, with their places in it.
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Self::chunk).
    fn pieces(&self, text: &str, allowance: Allowance<'_>) -> Result<Vec<Piece>, ChunkError> {
        piece::locate(text, self.chunk(text, allowance)?, self.overlap(), allowance)
    }

    /// Returns the largest number of characters that a chunk repeats of the one before.
    fn overlap(&self) -> usize {
        0
    }

    /// Returns the bytes that its regular expressions take, compiled.
    fn compiled_bytes(&self) -> usize {
        0
    }
}

/// Returns the chunker that a vectorizer's config asks for.
///
/// ```
/// use pgai_rs_pipeline::chunk::{Allowance, chunker};
/// use pgai_rs_pipeline::config::Chunking;
///
/// let config: Chunking = serde_json::from_str(
///     r#"{
///         "config_type": "chunking",
///         "implementation": "recursive_character_text_splitter",
///         "chunk_size": 20,
///         "chunk_overlap": 0,
///         "separators": ["\n\n", " "]
///     }"#,
/// )?;
/// let allowance = Allowance::new(1 << 20, 0);
///
/// let chunks = chunker(&config)?.chunk("One thought.\n\nAnother, which is longer.", allowance)?;
/// assert_eq!(chunks, ["One thought.", "Another, which is", "longer."]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the sizes contradict each other or a separator is not a regular expression.
pub fn chunker(config: &Chunking) -> Result<Box<dyn Chunker>, ChunkError> {
    Ok(match config {
        Chunking::CharacterTextSplitter { chunk_size, chunk_overlap, separator, is_separator_regex } => {
            let limits = ChunkLimits::new(*chunk_size, *chunk_overlap)?;
            Box::new(character::CharacterSplitter::new(limits, separator, *is_separator_regex)?)
        }
        Chunking::RecursiveCharacterTextSplitter {
            chunk_size,
            chunk_overlap,
            separators,
            is_separator_regex,
        } => {
            let limits = ChunkLimits::new(*chunk_size, *chunk_overlap)?;
            Box::new(recursive::RecursiveSplitter::new(limits, separators, *is_separator_regex)?)
        }
        Chunking::TextSplitter { chunk_size, chunk_overlap, unit, format } => {
            let limits = ChunkLimits::new(*chunk_size, *chunk_overlap)?;
            Box::new(semantic::SemanticSplitter::new(limits, *unit, *format)?)
        }
        Chunking::Markdown { chunk_size, unit, headings } => {
            Box::new(markdown::MarkdownChunker::new(*chunk_size, *unit, *headings)?)
        }
        Chunking::None => Box::new(whole::WholeDocument),
    })
}

/// Returns the revision of what becomes of the same text with the same config. It is raised where a version
/// of ours cuts otherwise than the one before, so that documents that did not change are cut anew, and only
/// there.
pub(crate) fn revision(config: &Chunking) -> u32 {
    match config {
        // Until 0.2.0 the expression itself stood between the pieces.
        Chunking::CharacterTextSplitter { separator, is_separator_regex: true, .. } => {
            u32::from(separator::begins_with_lookaround(separator))
        }
        _ => 0,
    }
}

/// The size and the overlap of chunks, in the chunker's unit.
#[derive(Debug, Clone, Copy)]
struct ChunkLimits {
    /// The largest number of units of a chunk; at least 1.
    size: usize,
    /// The largest number of units that a chunk repeats of the one before; at most `size`.
    overlap: usize,
}

impl ChunkLimits {
    fn new(size: i64, overlap: i64) -> Result<Self, ChunkError> {
        if overlap > size {
            return Err(ChunkError::OverlapTooLarge { size, overlap });
        }
        match (usize::try_from(size), usize::try_from(overlap)) {
            (Ok(0) | Err(_), _) => Err(ChunkError::SizeNotPositive(size)),
            (_, Err(_)) => Err(ChunkError::OverlapNegative(overlap)),
            (Ok(size), Ok(overlap)) => Ok(ChunkLimits { size, overlap }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::config::{ChunkUnit, TextFormat};
    use crate::failure::{Failure, Retry, Step};

    /// A limit that none of these texts reaches.
    pub(super) fn ample() -> Allowance<'static> {
        Allowance::new(1 << 30, 0)
    }

    fn error(config: &Chunking) -> ChunkError {
        chunker(config).err().unwrap()
    }

    fn recursive(chunk_size: i64, chunk_overlap: i64) -> Chunking {
        let Chunking::RecursiveCharacterTextSplitter { separators, is_separator_regex, .. } =
            Chunking::default()
        else {
            panic!("pgai's default chunking is recursive");
        };
        Chunking::RecursiveCharacterTextSplitter { chunk_size, chunk_overlap, separators, is_separator_regex }
    }

    fn by_regex(separator: &str) -> Chunking {
        Chunking::CharacterTextSplitter {
            chunk_size: 2,
            chunk_overlap: 0,
            separator: separator.to_owned(),
            is_separator_regex: true,
        }
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused_in_langchains_words() {
        assert_eq!(error(&recursive(0, 0)).to_string(), "chunk_size must be > 0, got 0");
        assert_eq!(error(&recursive(-1, -1)).to_string(), "chunk_size must be > 0, got -1");
        assert_eq!(error(&recursive(5, -1)).to_string(), "chunk_overlap must be >= 0, got -1");
        assert_eq!(
            error(&recursive(5, 6)).to_string(),
            "Got a larger chunk overlap (6) than chunk size (5), should be smaller."
        );
        assert!(chunker(&recursive(5, 5)).is_ok());
    }

    #[test]
    fn a_bad_regex_is_an_error_before_any_text_is_read() {
        assert!(matches!(error(&by_regex("(")), ChunkError::InvalidRegex { .. }));
        assert!(matches!(error(&by_regex("[a")), ChunkError::InvalidRegex { .. }));
        assert!(matches!(error(&by_regex("*")), ChunkError::InvalidRegex { .. }));
    }

    #[test]
    fn a_runaway_regex_ends_in_an_error() {
        // Each of the exponentially many ways to read the letters fails at the missing "!".
        let splitter = chunker(&by_regex(r"(?:a|a(?=a)|aa)+!")).unwrap();
        let failed = splitter.chunk(&"a".repeat(40), ample()).unwrap_err();
        assert!(matches!(failed, ChunkError::RunawayRegex { .. }), "{failed}");
    }

    #[test]
    fn a_failure_says_what_to_change_and_is_not_tried_again() {
        let failure = Failure::from(error(&recursive(5, 6)));
        assert_eq!(
            (failure.step, failure.code, failure.retry),
            (Step::Chunking, "invalid_chunking", Retry::Never)
        );
        assert!(failure.hint.unwrap().contains("chunk_overlap"));
    }

    #[test]
    fn chunks_that_take_too_much_are_not_made() {
        // Each character begins a chunk of its own, of 1.6 GB together.
        let Chunking::RecursiveCharacterTextSplitter { is_separator_regex, .. } = Chunking::default() else {
            panic!("pgai's default chunking is recursive");
        };
        let by_characters = Chunking::RecursiveCharacterTextSplitter {
            chunk_size: 4000,
            chunk_overlap: 3999,
            separators: vec![String::new()],
            is_separator_regex,
        };
        let limit = 8 << 20;
        let text = "x".repeat(400_000);
        let refused = chunker(&by_characters).unwrap().chunk(&text, Allowance::new(limit, 0));
        assert_eq!(refused, Err(ChunkError::TooLarge { limit }));

        // Many of one character each, by what they take beside their text.
        let refused = chunker(&recursive(1, 0)).unwrap().chunk(&text, Allowance::new(limit, 3000));
        assert_eq!(refused, Err(ChunkError::TooLarge { limit }));
    }

    #[test]
    fn pieces_that_take_too_much_are_not_collected() {
        let text = "x".repeat(400_000);
        let limit = 1 << 20;
        // One chunk of 400,000 pieces, each of which is remembered for the overlap.
        let by_characters = Chunking::RecursiveCharacterTextSplitter {
            chunk_size: 1 << 30,
            chunk_overlap: 0,
            separators: vec![String::new()],
            is_separator_regex: false,
        };
        let refused = chunker(&by_characters).unwrap().chunk(&text, Allowance::new(limit, 0));
        assert_eq!(refused, Err(ChunkError::TooLarge { limit }));
        // What groups capture stands between the pieces.
        let refused = chunker(&by_regex("(x)?(x)?(x)?(x)?")).unwrap().chunk(&text, Allowance::new(limit, 0));
        assert_eq!(refused, Err(ChunkError::TooLarge { limit }));
    }

    #[test]
    fn whoever_does_not_want_the_chunks_any_more_stops_their_making() {
        let stop = AtomicBool::new(true);
        let stopped = chunker(&recursive(5, 0)).unwrap().chunk("one two", ample().until_stopped(&stop));
        assert_eq!(stopped, Err(ChunkError::Stopped));
    }

    #[test]
    fn whitespace_that_becomes_no_chunk_is_cut_on_the_clock_too() {
        let by_sentences =
            |unit, format| Chunking::TextSplitter { chunk_size: 2, chunk_overlap: 1, unit, format };
        let stop = AtomicBool::new(true);
        for config in [
            recursive(2, 1),
            by_regex(","),
            by_sentences(ChunkUnit::Characters, TextFormat::Text),
            by_sentences(ChunkUnit::Characters, TextFormat::Markdown),
            by_sentences(ChunkUnit::Tokens, TextFormat::Text),
        ] {
            let chunker = chunker(&config).unwrap();
            assert_eq!(chunker.chunk("    ", ample()), Ok(vec![]));
            let stopped = chunker.chunk("    ", ample().until_stopped(&stop));
            assert_eq!(stopped, Err(ChunkError::Stopped), "{config:?}");
        }
    }

    #[test]
    fn chunking_none_keeps_the_document_whole() {
        let whole = chunker(&Chunking::None).unwrap();
        assert_eq!(whole.chunk("a\n\nb ", ample()).unwrap(), ["a\n\nb "]);
        assert_eq!(whole.chunk(" \n", ample()).unwrap(), [" \n"]);
        assert!(whole.chunk("", ample()).unwrap().is_empty());
    }

    /// Quadratic work on this text would take hours, not a test's patience.
    #[test]
    fn megabytes_of_text_are_chunked() {
        let words = "lorem ipsum dolor ".repeat(1 << 19);
        let unbroken = "x".repeat(10 << 20);
        for text in [&words, &unbroken] {
            let chunks = chunker(&Chunking::default()).unwrap().chunk(text, ample()).unwrap();
            assert!(chunks.iter().all(|chunk| chunk.len() <= 800));
            assert!(chunks.len() >= text.len() / 800);
        }
    }
}
