//! The operator's limits and endpoints, as the pipeline sees them.
//!
//! The extension fills this from its GUCs (`src/guc`), which document each in full and take their defaults
//! from [`defaults`]. Of lists alone the defaults differ: those here serve the tests, which may ask S3 for
//! everything, and the extension's are empty.

use std::path::PathBuf;
use std::time::Duration;

pub use crate::config::UrlStyle;
use crate::secret::Secret;

/// The settings of S3 that the operator makes rather than the AWS environment. `None` leaves a value to
/// the latter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Settings {
    /// `pgai_rs.aws_region`.
    pub region: Option<String>,
    /// `pgai_rs.aws_endpoint_url`.
    pub endpoint_url: Option<String>,
    /// `pgai_rs.s3_url_style`.
    pub url_style: UrlStyle,
    /// `pgai_rs.aws_profile`.
    pub profile: Option<String>,
    /// `pgai_rs.aws_access_key_id` and `pgai_rs.aws_secret_access_key`.
    pub access_key: Option<(String, Secret)>,
    /// `pgai_rs.aws_external_id`.
    pub external_id: Option<String>,
    /// `pgai_rs.aws_role_session_name`.
    pub role_session_name: String,
    /// `pgai_rs.aws_role_session_duration`; STS allows 900 s to the role's own maximum.
    pub role_session_duration: Option<Duration>,
    /// `pgai_rs.s3_credentials` is `role`: the server's own credentials only ever assume roles.
    pub role_only: bool,
    /// `pgai_rs.allowed_role_arns`: prefixes of the roles that may be assumed; empty, superusers may name
    /// any.
    pub allowed_role_arns: Vec<String>,
    /// `pgai_rs.allowed_s3_endpoints`: prefixes of the endpoints that others than superusers may declare.
    pub allowed_endpoints: Vec<String>,
    /// `pgai_rs.allowed_sqs_queues`: the same of queues.
    pub allowed_queues: Vec<String>,
    /// `pgai_rs.s3_anonymous`: whether a vectorizer may ask without credentials.
    pub allow_anonymous: bool,
}

impl Default for S3Settings {
    fn default() -> Self {
        S3Settings {
            region: None,
            endpoint_url: None,
            url_style: UrlStyle::default(),
            profile: None,
            access_key: None,
            external_id: None,
            role_session_name: defaults::AWS_ROLE_SESSION_NAME.to_string_lossy().into_owned(),
            role_session_duration: None,
            role_only: false,
            allowed_role_arns: vec!["arn:".to_owned()],
            allowed_endpoints: Vec::new(),
            allowed_queues: Vec::new(),
            allow_anonymous: defaults::S3_ANONYMOUS,
        }
    }
}

impl S3Settings {
    /// The external id for assumed roles: the setting's, else that of the variable which pgai's worker
    /// reads.
    pub fn external_id(&self) -> Option<String> {
        let from_environment = || std::env::var("AWS_ASSUME_ROLE_EXTERNAL_ID").ok();
        let id = self.external_id.clone().or_else(from_environment);
        id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

/// Defaults of the settings that the pipeline is told of, as numbers in the unit of each: milliseconds,
/// megabytes.
pub mod defaults {
    use std::ffi::CStr;

    /// Largest document that is loaded, in megabytes.
    pub const MAX_DOCUMENT_SIZE: i32 = 64;
    /// Objects fetched at a time.
    pub const LOAD_CONCURRENCY: i32 = 32;
    /// Longest time for one object, in milliseconds.
    pub const LOAD_TIMEOUT: i32 = 60_000;
    /// Documents parsed at a time, of those that take a process of its own each.
    pub const PARSE_CONCURRENCY: i32 = 2;
    /// Memory for parsing one document, in megabytes.
    pub const PARSE_MEMORY_LIMIT: i32 = 1_024;
    /// Longest time for parsing one document, in milliseconds.
    pub const PARSE_TIMEOUT: i32 = 60_000;
    /// Documents of one vectorizer in flight.
    pub const MAX_DOCUMENTS_IN_FLIGHT: i32 = 4_096;
    /// Memory that a worker takes, in megabytes.
    pub const WORKER_MEMORY_LIMIT: i32 = 1_024;
    /// Connections of a worker to models.
    pub const WORKER_CONNECTION_LIMIT: i32 = 1_000;
    /// Threads of a worker that drive the network.
    pub const WORKER_THREADS: i32 = 2;
    /// Requests in flight to one provider, base URL, model and key.
    pub const EMBEDDING_CONCURRENCY: i32 = 8;
    /// Inputs of one request. OpenAI's limit.
    pub const EMBEDDING_MAX_INPUTS: i32 = 2_048;
    /// Tokens of one request. OpenAI's limit.
    pub const EMBEDDING_MAX_TOKENS: i32 = 300_000;
    /// Time that an input waits for company, in milliseconds.
    pub const EMBEDDING_LINGER: i32 = 10;
    /// Longest time for one request, in milliseconds.
    pub const EMBEDDING_TIMEOUT: i32 = 60_000;
    /// Repeats of a failed request.
    pub const EMBEDDING_RETRIES: i32 = 3;
    /// First pause before a repeated request, in milliseconds.
    pub const EMBEDDING_BACKOFF: i32 = 500;
    /// `true` if S3 may be asked without credentials where that is declared.
    pub const S3_ANONYMOUS: bool = true;
    /// Session name for assumed roles.
    pub const AWS_ROLE_SESSION_NAME: &CStr = c"timescale-vectorizer";

    /// A number of things.
    pub(super) const fn count(default: i32) -> usize {
        default as usize
    }

    /// Bytes of a number of megabytes.
    pub(super) const fn megabytes(default: i32) -> u64 {
        (default as u64) << 20
    }

    /// A time of so many milliseconds.
    pub(super) const fn millis(default: i32) -> std::time::Duration {
        std::time::Duration::from_millis(default as u64)
    }
}

/// Limits and endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The largest number of bytes of one document, loaded or decompressed.
    pub max_document_size: u64,
    /// The largest number of bytes that the worker takes.
    pub memory_limit: u64,
    /// The largest number of connections to models at a time, and as many to S3.
    pub connections: usize,
    /// The number of threads that drive the network.
    pub network_threads: usize,
    /// The largest number of documents of one vectorizer in flight.
    pub max_documents_in_flight: usize,
    /// The largest number of objects fetched at a time for one owner, beside [`Settings::spare_loads`].
    pub load_concurrency: usize,
    /// Longest time for one object, from request to last byte.
    pub load_timeout: Duration,
    /// The program that parses documents; none in tests that need none.
    pub parser: Option<PathBuf>,
    /// The largest number of documents parsed at a time for one owner, by a process each; there may be one more for an
    /// owner for whom none is.
    pub parse_concurrency: usize,
    /// The largest number of bytes of memory for parsing one document.
    pub parse_memory_limit: u64,
    /// Longest time for parsing one document, on the clock and on the processor.
    pub parse_timeout: Duration,
    /// URI prefixes that may be loaded, such as `s3://bucket/`; for what empty means see
    /// [`reachable`](crate::s3::reachable).
    pub allowed_uris: Vec<String>,
    /// S3.
    pub s3: S3Settings,
    /// `pgai_rs.allowed_base_urls`: prefixes of the base URLs that others than superusers may declare.
    pub allowed_base_urls: Vec<String>,
    /// `pgai_rs.api_key_names`: names of keys, and `NAME=URL` for each server beside the provider's own that
    /// may receive one.
    pub api_key_names: Vec<String>,
    /// The server that is asked in OpenAI's protocol if a vectorizer names none, with `/v1` and without
    /// a slash.
    pub openai_base_url: String,
    /// The administrator's Ollama, which is asked if a vectorizer names no server, without a slash.
    /// `None`: the one on this host, for superusers and where `allowed_base_urls` allows it.
    pub ollama_base_url: Option<String>,
    /// The largest number of requests in flight to one provider, base URL, model and key.
    pub embedding_concurrency: usize,
    /// The largest number of inputs of one request. OpenAI's limit: 2,048.
    pub embedding_max_inputs: usize,
    /// The largest number of tokens of one request. OpenAI's limit: 300,000.
    pub embedding_max_tokens: usize,
    /// The time that an input waits for company, counted from the last arrival.
    pub embedding_linger: Duration,
    /// Longest time for one request.
    pub embedding_timeout: Duration,
    /// The number of times that a failed request is repeated before its documents are given back.
    pub embedding_retries: u32,
    /// First pause before a repeated request; doubled each time, with jitter.
    pub embedding_backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        use defaults::{count, megabytes, millis};

        Settings {
            max_document_size: megabytes(defaults::MAX_DOCUMENT_SIZE),
            memory_limit: megabytes(defaults::WORKER_MEMORY_LIMIT),
            connections: count(defaults::WORKER_CONNECTION_LIMIT),
            network_threads: count(defaults::WORKER_THREADS),
            max_documents_in_flight: count(defaults::MAX_DOCUMENTS_IN_FLIGHT),
            load_concurrency: count(defaults::LOAD_CONCURRENCY),
            load_timeout: millis(defaults::LOAD_TIMEOUT),
            parser: None,
            parse_concurrency: count(defaults::PARSE_CONCURRENCY),
            parse_memory_limit: megabytes(defaults::PARSE_MEMORY_LIMIT),
            parse_timeout: millis(defaults::PARSE_TIMEOUT),
            allowed_uris: vec!["s3://".to_owned()],
            s3: S3Settings::default(),
            allowed_base_urls: Vec::new(),
            api_key_names: Vec::new(),
            openai_base_url: "https://api.openai.com/v1".to_owned(),
            ollama_base_url: None,
            embedding_concurrency: count(defaults::EMBEDDING_CONCURRENCY),
            embedding_max_inputs: count(defaults::EMBEDDING_MAX_INPUTS),
            embedding_max_tokens: count(defaults::EMBEDDING_MAX_TOKENS),
            embedding_linger: millis(defaults::EMBEDDING_LINGER),
            embedding_timeout: millis(defaults::EMBEDDING_TIMEOUT),
            embedding_retries: defaults::EMBEDDING_RETRIES as u32,
            embedding_backoff: millis(defaults::EMBEDDING_BACKOFF),
        }
    }
}

/// The bytes that a chunk counts for that is there already: several copies of its UUID and its digest.
const BYTES_PER_EXISTING_CHUNK: u64 = 512;

/// The parts of [`Settings::memory_limit`]. A quarter is for the process itself, and for the copies that
/// Postgres makes of what is read and written.
impl Settings {
    /// Returns the largest number of bytes of objects being loaded; a larger one is loaded alone.
    pub fn loading_memory(&self) -> u64 {
        self.memory_limit / 4
    }

    /// Returns the largest number of bytes that documents hold once they are read: text, chunks and
    /// vectors.
    pub fn document_memory(&self) -> u64 {
        self.memory_limit / 4
    }

    /// Returns the largest number of bytes of requests to models and of their answers.
    pub fn request_memory(&self) -> u64 {
        self.memory_limit / 4
    }

    /// Returns the largest number of bytes that one document may hold: more is not even begun.
    pub fn largest_document_memory(&self) -> u64 {
        self.memory_limit / 2
    }

    /// Returns the largest number of chunks that are there already and are read for the documents of a claim. It is larger than
    /// the number of chunks that a document may have, unless their texts and vectors are very short.
    pub fn existing_chunks(&self) -> u64 {
        self.document_memory() / BYTES_PER_EXISTING_CHUNK
    }
}

/// Descriptors beside connections: the runtime's own, and what name look-ups and credentials open.
const DESCRIPTORS_BESIDE: usize = 64;
/// The number of descriptors that one connection counts for: one to a model, one to S3, and an idle one
/// of each.
const DESCRIPTORS_PER_CONNECTION: usize = 4;
/// There is one spare download for so many.
const SPARE_LOADS: usize = 8;
/// The smallest number of connections with which work goes on.
const FEWEST_CONNECTIONS: usize = 8;

/// The number of descriptors that a process which parses counts for: its three pipes, the one by which it is abandoned,
/// and what starting it takes for a moment.
const DESCRIPTORS_PER_PARSER: usize = 10;

/// Processes that parse for an owner for whom none does, beside those of the setting.
pub(crate) const SPARE_PARSERS: usize = 1;

/// Conversions between [`Settings::connections`] and descriptors of the process, and the parts that
/// connections are for.
impl Settings {
    /// Returns the largest number of descriptors that the pipeline opens.
    pub fn descriptors(&self) -> usize {
        self.descriptors_beside() + DESCRIPTORS_PER_CONNECTION * self.connections
    }

    /// Returns the number of connections that there may be with so many descriptors.
    pub fn connections_within(&self, descriptors: usize) -> usize {
        let left = descriptors.saturating_sub(self.descriptors_beside());
        (left / DESCRIPTORS_PER_CONNECTION).max(FEWEST_CONNECTIONS)
    }

    fn descriptors_beside(&self) -> usize {
        DESCRIPTORS_BESIDE + DESCRIPTORS_PER_PARSER * (self.parse_concurrency + SPARE_PARSERS)
    }

    /// Returns the largest number of objects fetched at a time, as far as there are connections for
    /// them; with [`spare_loads`](Self::spare_loads).
    pub fn loads_at_a_time(&self) -> usize {
        let spare = (self.load_concurrency / SPARE_LOADS).max(1);
        (self.load_concurrency + spare).min(self.connections / 2).max(1)
    }

    /// Returns how many of these are fetched only for an owner for whom none is being fetched, so that nobody waits
    /// for a slow server of another's.
    pub fn spare_loads(&self) -> usize {
        let all = self.loads_at_a_time();
        (all / (SPARE_LOADS + 1)).max(1).min(all - 1)
    }

    /// Returns the largest number of other requests to S3 at a time: listings, questions, the beginnings
    /// of downloads.
    pub fn s3_requests_at_a_time(&self) -> usize {
        (self.connections / 4).max(1)
    }

    /// Returns the largest number of queues of events that are listened to at a time; the others have
    /// their turn later.
    pub fn polls_at_a_time(&self) -> usize {
        (self.connections / 4).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_connections_as_there_are_descriptors_for() {
        for connections in [8, 100, 1000] {
            let settings = Settings { connections, ..Settings::default() };
            assert_eq!(settings.connections_within(settings.descriptors()), connections);
        }
        assert_eq!(Settings::default().connections_within(0), FEWEST_CONNECTIONS);
    }

    #[test]
    fn s3_has_no_more_connections_than_models() {
        let settings = Settings { connections: 100, load_concurrency: 1024, ..Settings::default() };
        let all = settings.loads_at_a_time() + settings.s3_requests_at_a_time() + settings.polls_at_a_time();
        assert_eq!(all, 100);
    }
}
