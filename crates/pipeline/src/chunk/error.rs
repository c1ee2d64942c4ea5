//! The reasons why a config has no chunker, or a text no chunks.

use std::time::Duration;

use crate::failure::{Failure, Retry, Step};

/// The reason why a config has no chunker, or a text no chunks. The messages about sizes are
/// LangChain's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// `chunk_size` is zero or less.
    #[error("chunk_size must be > 0, got {0}")]
    SizeNotPositive(i64),
    /// `chunk_overlap` is less than zero.
    #[error("chunk_overlap must be >= 0, got {0}")]
    OverlapNegative(i64),
    /// `chunk_overlap` is more than `chunk_size`.
    #[error("Got a larger chunk overlap ({overlap}) than chunk size ({size}), should be smaller.")]
    OverlapTooLarge {
        /// `chunk_size`.
        size: i64,
        /// `chunk_overlap`.
        overlap: i64,
    },
    /// The semantic splitter can't repeat a whole chunk.
    #[error("the chunk overlap ({overlap}) must be smaller than the chunk size ({size})")]
    OverlapNotSmaller {
        /// `chunk_size`.
        size: usize,
        /// `chunk_overlap`.
        overlap: usize,
    },
    /// There are more separators than the recursive splitter goes deep.
    #[error("too many separators: {got}, and the maximum is {limit}")]
    TooManySeparators {
        /// The number of separators.
        got: usize,
        /// The largest number that is allowed.
        limit: usize,
    },
    /// A separator is not a regular expression.
    #[error("the separator {pattern:?} is not a valid regular expression: {reason}")]
    InvalidRegex {
        /// The separator as configured.
        pattern: String,
        /// The fault in the expression.
        reason: String,
    },
    /// A regular expression is too long to be read.
    #[error("too long regular expression: {got} bytes, and the maximum is {limit}")]
    RegexTooLong {
        /// Its length in bytes.
        got: usize,
        /// The largest length that is allowed.
        limit: usize,
    },
    /// The separators' regular expressions take more memory than they may.
    #[error("with the separator {pattern:?}, the regular expressions need more than the {} MB allowed", limit >> 20)]
    RegexTooLarge {
        /// The separator as configured, shortened.
        pattern: String,
        /// Bytes that they may take.
        limit: usize,
    },
    /// A separator has capture groups, and Python's splitter fails on what they leave.
    #[error("the separator {pattern:?} has capture groups, which break the split: {reason}")]
    CaptureGroups {
        /// The separator as configured.
        pattern: String,
        /// The message that Python would give.
        reason: &'static str,
    },
    /// A regular expression took too long on this text.
    #[error("the separator {pattern:?} takes too long on this text: {reason}")]
    RunawayRegex {
        /// The separator as configured.
        pattern: String,
        /// The limit that it ran into.
        reason: String,
    },
    /// The tokenizer can't count this text.
    #[error("could not tokenize the text: {0}")]
    Tokenizer(String),
    /// The chunks take more memory than they may.
    #[error("the document's chunks and vectors need more than the {} MB allowed for one document", limit >> 20)]
    TooLarge {
        /// Bytes that they may take.
        limit: u64,
    },
    /// Cutting took too long.
    #[error("the text could not be split within {} seconds", limit.as_secs())]
    TooSlow {
        /// The time that it may take.
        limit: Duration,
    },
    /// Nobody waits for the chunks any more.
    #[error("the text is no longer wanted")]
    Stopped,
}

impl ChunkError {
    fn code(&self) -> &'static str {
        match self {
            ChunkError::SizeNotPositive(_)
            | ChunkError::OverlapNegative(_)
            | ChunkError::OverlapTooLarge { .. }
            | ChunkError::OverlapNotSmaller { .. }
            | ChunkError::TooManySeparators { .. }
            | ChunkError::InvalidRegex { .. }
            | ChunkError::RegexTooLong { .. }
            | ChunkError::RegexTooLarge { .. } => "invalid_chunking",
            ChunkError::CaptureGroups { .. } | ChunkError::RunawayRegex { .. } => "separator_failed",
            ChunkError::Tokenizer(_) => "tokenizer_failed",
            ChunkError::TooLarge { .. } => "too_large",
            ChunkError::TooSlow { .. } => "chunking_too_slow",
            ChunkError::Stopped => "internal_error",
        }
    }

    /// Returns what a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            ChunkError::SizeNotPositive(_)
            | ChunkError::OverlapNegative(_)
            | ChunkError::OverlapTooLarge { .. }
            | ChunkError::OverlapNotSmaller { .. } => {
                "Change chunk_size or chunk_overlap in the vectorizer's chunking."
            }
            ChunkError::TooManySeparators { .. } => "Specify fewer separators in the vectorizer's chunking.",
            ChunkError::InvalidRegex { .. } => {
                "Correct the separator, or set is_separator_regex to false to take it literally."
            }
            ChunkError::RegexTooLong { .. } | ChunkError::RegexTooLarge { .. } => {
                "Use shorter regular expressions, or fewer."
            }
            ChunkError::CaptureGroups { .. } => "Use (?:...) instead of (...) in the separator.",
            ChunkError::RunawayRegex { .. } => {
                "Simplify the separator; nested repetition and look-around make it slow."
            }
            ChunkError::Tokenizer(_) => {
                "Chunk by characters instead of tokens, or shorten the run of whitespace."
            }
            ChunkError::TooLarge { .. } => {
                "Split the document, make the chunks larger or their overlap smaller, or increase \
                 pgai_rs.worker_memory_limit."
            }
            ChunkError::TooSlow { .. } => "Split the document, or make the overlap of chunks smaller.",
            ChunkError::Stopped => "Try again.",
        }
    }
}

impl From<ChunkError> for Failure {
    fn from(error: ChunkError) -> Self {
        let retry = match error {
            ChunkError::Stopped => Retry::Backoff,
            _ => Retry::Never,
        };
        Failure::new(Step::Chunking, error.code(), error.to_string(), retry).with_hint(error.hint())
    }
}
