//! What travels through the pipeline: a claimed row, its chunks, its failure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::config::{Author, VectorizerConfig};
use crate::quota::Account;

/// Names a piece of claimed work within its [`Queue`](crate::run::Queue); opaque to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// SHA-256 of a chunk's embedding input, by which an unchanged chunk is known.
pub type Digest = [u8; 32];

/// The digest of a chunk's embedding input.
pub fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}

/// A secret such as an API key: never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret without the blanks around it: a file that it was read from often ends with a newline.
    pub fn trimmed(self) -> Self {
        match self.0.trim() {
            trimmed if trimmed.len() == self.0.len() => self,
            trimmed => Secret(trimmed.to_owned()),
        }
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

/// A provider's key, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKey {
    secret: Secret,
    giver: Giver,
}

/// The giver of a key, who decides where it may go, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Giver {
    Server,
    Database { base_url: Option<String> },
    Caller,
}

impl ApiKey {
    /// A key that the administrator has given the server. It may be the path of a file that holds it.
    pub fn of_server(secret: Secret) -> Self {
        ApiKey { secret, giver: Giver::Server }
    }

    /// A key that was set for one database, for its provider's own server or for the one at `base_url`. It carries that
    /// with it, so that whoever pairs it with a server pairs nobody else's key of the same name. It is never a path.
    pub fn of_database(secret: Secret, base_url: Option<String>) -> Self {
        ApiKey { secret, giver: Giver::Database { base_url } }
    }

    /// A key that somebody brings along for a request of theirs. It is never a path, and names no server.
    pub fn of_caller(secret: Secret) -> Self {
        ApiKey { secret, giver: Giver::Caller }
    }

    /// Tells whether somebody brought it along, whom nobody knows.
    pub fn is_callers(&self) -> bool {
        self.giver == Giver::Caller
    }

    /// Tells whether the administrator gave it to the server, and is believed in what it names: a file, a server.
    pub fn is_servers(&self) -> bool {
        self.giver == Giver::Server
    }

    /// The server that a key of the database was set for; `Some(None)` if that is its provider's own, and none if
    /// the key is not the database's.
    pub fn server_in_database(&self) -> Option<Option<&str>> {
        match &self.giver {
            Giver::Database { base_url } => Some(base_url.as_deref()),
            Giver::Server | Giver::Caller => None,
        }
    }

    /// The same without the blanks around it.
    pub fn trimmed(self) -> Self {
        ApiKey { secret: self.secret.trimmed(), ..self }
    }

    /// The key itself, not to be printed.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.secret.expose()
    }
}

/// A vectorizer as the pipeline sees it; shared by all its documents.
#[derive(Debug)]
pub struct Vectorizer {
    /// `ai.vectorizer.id`.
    pub id: i32,
    /// `ai.vectorizer.name`.
    pub name: String,
    /// What its author declared.
    pub config: VectorizerConfig,
    /// Its owner.
    pub author: Author,
    /// The embedding provider's key, resolved from `api_key_name`; none if there is none.
    pub api_key: Option<ApiKey>,
    /// Where its owner's spending is counted.
    pub account: Account,
}

/// A source row that was claimed for work.
#[derive(Debug)]
pub struct Document {
    /// Names the work in its queue.
    pub ticket: Ticket,
    /// Whose work it is.
    pub vectorizer: Arc<Vectorizer>,
    /// What the loading column held.
    pub payload: Payload,
    /// The template's columns, by name, as Python's `str()` would write them.
    pub fields: Vec<(String, String)>,
    /// The chunks that the store has of this row, by `chunk_seq`.
    pub existing: Vec<ExistingChunk>,
    /// What those chunks were made of, if the queue remembers it.
    pub origin: Option<Origin>,
}

impl Document {
    /// Bytes held in memory, but for those of the existing chunks, which are small.
    pub fn size(&self) -> u64 {
        let fields = self.fields.iter().map(|(_, value)| value.len());
        (self.payload.len() + fields.sum::<usize>()) as u64
    }
}

/// What a row's chunks were made of, if that was an object. The queue keeps it beside the row for
/// the next time, and understands nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The version of the object, as its store names it.
    pub etag: String,
    /// Of everything else that decides the chunks, and of the chunks themselves.
    pub fingerprint: Digest,
}

/// What the loading column held.
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
}

impl Payload {
    /// Bytes held in memory.
    pub fn len(&self) -> usize {
        match self {
            Payload::Null | Payload::TooLarge(_) => 0,
            Payload::Text(text) => text.len(),
            Payload::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it.
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
    /// To be remembered for the next time; `None` forgets what was remembered.
    pub origin: Option<Origin>,
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
        /// As long as the vectorizer's dimensions; all numbers finite.
        embedding: Vec<f32>,
    },
}

/// A document that did not go all the way.
#[derive(Debug)]
pub struct Failed {
    /// Names the work in its queue.
    pub ticket: Ticket,
    /// Why.
    pub failure: Failure,
}

/// The stage in which a document failed.
///
/// A later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Fetching the document.
    Loading,
    /// Turning it into text.
    Parsing,
    /// Cutting the text.
    Chunking,
    /// Filling the template.
    Formatting,
    /// Asking the model.
    Embedding,
    /// Writing to the store.
    Writing,
}

impl Step {
    /// All of them, in the order in which a document takes them.
    pub const ALL: [Step; 6] =
        [Step::Loading, Step::Parsing, Step::Chunking, Step::Formatting, Step::Embedding, Step::Writing];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Loading => "loading",
            Step::Parsing => "parsing",
            Step::Chunking => "chunking",
            Step::Formatting => "formatting",
            Step::Embedding => "embedding",
            Step::Writing => "writing",
        })
    }
}

/// Whom a failure concerns: the row alone, or all rows that would meet the same.
///
/// It is set where the failure is made, by whoever knows; everybody else reads it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The row: the others go on.
    Row,
    /// All rows whose documents lie in the same object store, which is a bucket as its vectorizer asks it.
    Store,
    /// All rows of the vectorizer, because of its model's provider.
    Provider,
    /// All rows of the vectorizer, for another reason.
    Vectorizer,
}

/// The way in which a row is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again: set the row aside now.
    Never,
    /// An attempt is spent, with backoff: something about this row may pass, or nobody can tell whether
    /// it is the row's fault.
    Backoff,
    /// Not this row's fault (provider throttled, no key): after this time, and no attempt is spent.
    After(Duration),
    /// Not this row's fault (storage or provider down): as soon as what the failure's scope names is in
    /// order, and no attempt is spent.
    OnRecovery,
}

/// Why a document failed, in words that lead to the fix.
///
/// None of the texts holds a secret, a signed URL or a part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub step: Step,
    /// A stable word for machines: `no_such_key`, `access_denied`, `throttled`, `bad_response` …
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether to try again.
    pub retry: Retry,
}

impl Failure {
    /// A failure without a hint. One that costs its row a try, or more, is the row's; any other concerns
    /// the whole vectorizer. [`concerning`](Self::concerning) says otherwise.
    pub fn new(step: Step, code: &'static str, message: impl Into<String>, retry: Retry) -> Self {
        let scope = match retry {
            Retry::Never | Retry::Backoff => Scope::Row,
            Retry::After(_) | Retry::OnRecovery => Scope::Vectorizer,
        };
        Failure { step, code, message: message.into(), hint: None, scope, retry }
    }

    /// Says whom it concerns.
    pub fn concerning(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same as the fault of its row alone, which is tried again.
    pub fn of_row(self) -> Self {
        Failure { scope: Scope::Row, retry: Retry::Backoff, ..self }
    }

    /// Adds what a person can do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.step, self.message)
    }
}

impl std::error::Error for Failure {}
