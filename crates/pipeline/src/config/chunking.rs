//! The stage that cuts text into chunks.

use serde::{Deserialize, Serialize};

/// `ai.chunking_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Chunking {
    /// LangChain's `CharacterTextSplitter`.
    CharacterTextSplitter {
        /// The largest number of characters (Unicode code points) of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Characters that a chunk repeats of the one before.
        #[serde(default = "default_chunk_overlap")]
        chunk_overlap: i64,
        /// The text to split at.
        #[serde(default = "default_separator")]
        separator: String,
        /// `true` if `separator` is a regular expression.
        #[serde(default)]
        is_separator_regex: bool,
    },
    /// LangChain's `RecursiveCharacterTextSplitter`.
    RecursiveCharacterTextSplitter {
        /// The largest number of characters (Unicode code points) of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Characters that a chunk repeats of the one before.
        #[serde(default = "default_chunk_overlap")]
        chunk_overlap: i64,
        /// The texts to split at, the coarsest first.
        #[serde(default = "default_separators")]
        separators: Vec<String>,
        /// `true` if `separators` are regular expressions.
        #[serde(default)]
        is_separator_regex: bool,
    },
    /// The crate `text-splitter`: splits at the largest semantic boundary that fits.
    TextSplitter {
        /// The largest number of units of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Units that a chunk repeats of the one before; less than `chunk_size`.
        #[serde(default)]
        chunk_overlap: i64,
        /// The unit of `chunk_size` and `chunk_overlap`.
        #[serde(default)]
        unit: ChunkUnit,
        /// The format of the text.
        #[serde(default)]
        format: TextFormat,
    },
    /// Markdown along its headings.
    Markdown {
        /// The largest number of units of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// The unit of `chunk_size`.
        #[serde(default)]
        unit: ChunkUnit,
        /// `true` if a chunk begins with the headings that it stands under.
        #[serde(default = "yes")]
        headings: bool,
    },
    /// A document is one chunk.
    None,
}

/// The unit in which a chunk's size is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkUnit {
    /// Unicode code points.
    #[default]
    Characters,
    /// Tokens of `cl100k_base`, the encoding of OpenAI's embedding models.
    Tokens,
}

/// The format of the text that is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// Sentences, words and lines.
    #[default]
    Text,
    /// Markdown: headings, lists and code blocks are boundaries.
    Markdown,
}

fn yes() -> bool {
    true
}

fn default_chunk_size() -> i64 {
    800
}

fn default_chunk_overlap() -> i64 {
    400
}

fn default_separator() -> String {
    "\n\n".to_owned()
}

fn default_separators() -> Vec<String> {
    ["\n\n", "\n", ".", "?", "!", " ", ""].map(str::to_owned).to_vec()
}

impl Chunking {
    /// Returns whether texts are taken for Markdown, whatever they are.
    pub fn reads_markdown(&self) -> bool {
        matches!(
            self,
            Chunking::Markdown { .. } | Chunking::TextSplitter { format: TextFormat::Markdown, .. }
        )
    }
}

impl Default for Chunking {
    fn default() -> Self {
        Chunking::RecursiveCharacterTextSplitter {
            chunk_size: default_chunk_size(),
            chunk_overlap: default_chunk_overlap(),
            separators: default_separators(),
            is_separator_regex: false,
        }
    }
}
