//! The things that travel through the pipeline: a claimed row, its chunks, and the row that failed.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::{Author, VectorizerConfig};
use crate::failure::Failure;
use crate::parse::Parsed;
use crate::quota::Account;
use crate::secret::ApiKey;
use crate::usage::Meter;

/// Names a piece of claimed work within its [`Queue`](crate::run::Queue); opaque to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// SHA-256 of a chunk's embedding input, by which an unchanged chunk is known; or of something else.
pub type Digest = [u8; 32];

/// Returns the digest of a chunk's embedding input, or of a document.
pub fn digest(content: impl AsRef<[u8]>) -> Digest {
    Sha256::digest(content).into()
}

/// A vectorizer as the pipeline sees it; shared by all its documents.
#[derive(Debug)]
pub struct Vectorizer {
    /// `ai.vectorizer.id`.
    pub id: i32,
    /// `ai.vectorizer.name`.
    pub name: String,
    /// The config that its author declared.
    pub config: VectorizerConfig,
    /// Its owner.
    pub author: Author,
    /// The embedding provider's key, resolved from `api_key_name`; none if there is none.
    pub api_key: Option<ApiKey>,
    /// The account that its owner's spending is counted on.
    pub account: Account,
    /// Counts what its documents cost.
    pub meter: Meter,
    /// True if its rows are claimed after those of all others, and fewer at a time: it is built, or kept, beside one that is searched.
    pub comes_last: bool,
}

/// A source row that was claimed for work.
#[derive(Debug)]
pub struct Document {
    /// Names the work in its queue.
    pub ticket: Ticket,
    /// The vectorizer that the row was claimed for.
    pub vectorizer: Arc<Vectorizer>,
    /// The value of the loading column.
    pub payload: Payload,
    /// The template's columns, by name, as Python's `str()` would write them.
    pub fields: Vec<(String, String)>,
    /// The chunks that the store has of this row, by `chunk_seq`.
    pub existing: Vec<ExistingChunk>,
    /// The provenance of those chunks, if the queue remembers it.
    pub provenance: Option<Provenance>,
    /// The text that the queue keeps of the document, if it keeps one.
    pub kept: Option<Kept>,
}

impl Document {
    /// Bytes held in memory, but for those of the existing chunks, which are small.
    pub fn size(&self) -> u64 {
        self.text_size() + fields_size(&self.fields)
    }

    /// Bytes of the payload and of the text that is kept of it.
    pub fn text_size(&self) -> u64 {
        let kept =
            self.kept.as_ref().and_then(|kept| kept.parsed.as_ref()).map_or(0, |parsed| parsed.text.len());
        (self.payload.len() + kept) as u64
    }
}

/// Returns the bytes of the values of a template's columns.
pub(crate) fn fields_size(fields: &[(String, String)]) -> u64 {
    fields.iter().map(|(_, value)| value.len() as u64).sum()
}

/// The text that the queue keeps of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The fingerprint of all that the text was made of, as it came with [`NewText`].
    pub made_of: Digest,
    /// The text; `None` if it was not read, because [`wants_text`](crate::run::wants_text) says that nobody needs it.
    pub parsed: Option<Parsed>,
}

/// The object and the inputs from which a row's chunks were made, if the row named an object. The queue
/// keeps it beside the row for the next time, and understands nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The version of the object, as its store names it.
    pub etag: String,
    /// The digest of everything else that decides the chunks, and of the chunks themselves.
    pub fingerprint: Digest,
}

/// The value of the loading column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// SQL NULL.
    Null,
    /// A text type.
    Text(String),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// Larger than `max_document_size`, and so not read; its size in bytes.
    TooLarge(u64),
    /// Together with the template's columns larger than a document may be in memory, so that nothing of the row was read; their
    /// size in bytes.
    RowTooLarge(u64),
}

impl Payload {
    /// Bytes held in memory.
    pub fn len(&self) -> usize {
        match self {
            Payload::Null | Payload::TooLarge(_) | Payload::RowTooLarge(_) => 0,
            Payload::Text(text) => text.len(),
            Payload::Bytes(bytes) => bytes.len(),
        }
    }

    /// Returns whether there is nothing in the payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A chunk in the store, as it was when the row was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingChunk {
    /// `embedding_uuid`.
    pub id: [u8; 16],
    /// `chunk_seq`.
    pub seq: i32,
    /// SHA-256 of `chunk` in UTF-8.
    pub digest: Digest,
}

/// A document that went all the way.
#[derive(Debug)]
pub struct Completed {
    /// Names the work in its queue.
    pub ticket: Ticket,
    /// All chunks of the row; a chunk's place here is its `chunk_seq`. Empty if there is no text.
    pub chunks: Vec<Chunk>,
    /// The provenance to remember for the next time; `None` forgets what was remembered.
    pub provenance: Option<Provenance>,
    /// The places of the chunks in the document as JSON, one for each; `None` leaves what the store has.
    pub citations: Option<Vec<String>>,
    /// The text to keep for the next time.
    pub text: TextToKeep,
}

/// The text that the queue is to keep of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextToKeep {
    /// None: one that is kept is deleted.
    Nothing,
    /// The one that is kept already.
    Same,
    /// Another one.
    New(NewText),
}

impl TextToKeep {
    /// Bytes that are written.
    pub fn len(&self) -> usize {
        self.as_new().map_or(0, |new| new.text.len() + new.outline.len())
    }

    /// Returns whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the new text; `None` if there is none.
    pub fn as_new(&self) -> Option<&NewText> {
        match self {
            TextToKeep::New(text) => Some(text),
            TextToKeep::Nothing | TextToKeep::Same => None,
        }
    }
}

/// A document's text, as it came from the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewText {
    /// The fingerprint of all that it was made of: the document's version, and how it was loaded and parsed.
    pub made_of: Digest,
    /// The text.
    pub text: String,
    /// All else that the parser found, as JSON.
    pub outline: String,
}

/// One chunk of a completed document.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// Its embedding input did not change: the row, its UUID and its vector stay.
    Kept(ExistingChunk),
    /// It is new.
    New {
        /// The formatted text, which is also the embedding input.
        text: String,
        /// The vector, as long as the vectorizer's dimensions; all numbers are finite.
        embedding: Vec<f32>,
    },
}

/// A document that did not go all the way.
#[derive(Debug)]
pub struct Failed {
    /// Names the work in its queue.
    pub ticket: Ticket,
    /// The reason.
    pub failure: Failure,
}
