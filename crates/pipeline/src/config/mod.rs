//! A vectorizer's config: the JSON that `ai.create_vectorizer` stores, as types; a stage a file.
//!
//! * `loading`, `parsing`, `chunking`, `formatting`, `embedding`: the stages of the pipeline
//! * `destination`: where vectors go
//! * `scheduling`, `processing`: when it runs, and how much at a time
//! * `search`: what is kept beside the vectors
//! * `reranking`: the model that orders what a search has found, which is no part of a vectorizer
//! * [`indexing`]: which vector index is wanted
//! * `s3_access`, `author`: how S3 is asked, and on whose word
//! * `s3_source`: what `ai.create_s3_source` stores
//! * `rename`: what a config says of a column that goes by another name now
//! * `lenient`: a part that may be unreadable without affecting the others
//!
//! The shape is pgai's: every part is an object with `config_type` and `implementation`. Numbers
//! and strings that pgai's builders strip when NULL are optional here and get pgai's defaults.
//! Unknown keys are ignored, unknown implementations are errors.

mod author;
mod chunking;
mod destination;
mod embedding;
mod formatting;
pub mod indexing;
mod lenient;
mod loading;
mod parsing;
mod processing;
mod rename;
mod reranking;
mod s3_access;
mod s3_source;
mod scheduling;
mod search;

use serde::{Deserialize, Serialize};

pub use self::author::Author;
pub use self::chunking::{ChunkUnit, Chunking, TextFormat};
pub use self::destination::{Destination, DestinationNames, VectorType};
pub use self::embedding::Embedding;
pub use self::formatting::Formatting;
use self::indexing::Indexing;
pub use self::lenient::Lenient;
pub use self::loading::Loading;
pub use self::parsing::{ParserChoice, Parsing};
pub use self::processing::{Backfill, Processing};
pub use self::rename::{Edit, rename_column};
pub use self::reranking::{IfDown, MOST_CANDIDATES, RerankProtocol, Reranking};
pub use self::s3_access::{S3Access, UrlStyle};
pub use self::s3_source::{MetadataPlace, SourceConfig};
pub use self::scheduling::{Scheduling, Timetable};
pub use self::search::Search;

/// The version written into new configs. pgai's Python worker asks for SemVer of at least 0.10.0.
pub const CONFIG_VERSION: &str = "0.12.1";

/// The whole config of a vectorizer, as in `ai.vectorizer.config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorizerConfig {
    /// SemVer of the shape, see [`CONFIG_VERSION`].
    pub version: String,
    /// The source of a row's document.
    pub loading: Loading,
    /// The way from a document to its text.
    #[serde(default)]
    pub parsing: Parsing,
    /// The model that embeds.
    pub embedding: Embedding,
    /// The way from text to chunks.
    #[serde(default)]
    pub chunking: Chunking,
    /// The vector index that is wanted; not interpreted by the pipeline.
    #[serde(default)]
    pub indexing: Lenient<Indexing>,
    /// The template of a chunk's embedding input.
    #[serde(default)]
    pub formatting: Formatting,
    /// The schedule that is wanted; not interpreted by the pipeline.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// The size and number of batches.
    #[serde(default)]
    pub processing: Processing,
    /// The place where vectors are stored.
    pub destination: Destination,
    /// The words that are kept beside them for searching; not interpreted by the pipeline.
    #[serde(default)]
    pub search: Search,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The config that pgai's own SQL stores for the first statement of the user's guide.
    const PGAI: &str = r#"{
        "version": "0.12.1",
        "loading": {"config_type": "loading", "implementation": "uri", "column_name": "uri", "retries": 6},
        "parsing": {"config_type": "parsing", "implementation": "auto"},
        "embedding": {"config_type": "embedding", "implementation": "openai", "model": "text-embedding-3-small",
                      "dimensions": 768, "api_key_name": "OPENAI_API_KEY"},
        "chunking": {"config_type": "chunking", "implementation": "recursive_character_text_splitter",
                     "chunk_size": 800, "chunk_overlap": 400, "separators": ["\n\n", "\n", ".", "?", "!", " ", ""],
                     "is_separator_regex": false},
        "indexing": {"config_type": "indexing", "implementation": "none"},
        "formatting": {"config_type": "formatting", "implementation": "python_template", "template": "$chunk"},
        "scheduling": {"config_type": "scheduling", "implementation": "none"},
        "processing": {"config_type": "processing", "implementation": "default"},
        "destination": {"config_type": "destination", "implementation": "table", "target_schema": "public",
                        "target_table": "document_embeddings_store", "view_schema": "public",
                        "view_name": "document_embeddings"}
    }"#;

    #[test]
    fn reads_what_pgai_stores() {
        let config: VectorizerConfig = serde_json::from_str(PGAI).unwrap();
        assert_eq!(config.loading.column_name(), "uri");
        assert_eq!(config.chunking, Chunking::default());
        assert_eq!(config.embedding.dimensions(), 768);
        assert_eq!(config.embedding.base_url(), None);
    }

    #[test]
    fn an_unreadable_index_affects_no_other_part() {
        let with_index = |indexing: &str| {
            let stored = PGAI.replace(r#""implementation": "none"}"#, indexing);
            serde_json::from_str::<VectorizerConfig>(&stored).unwrap()
        };
        assert_eq!(with_index(r#""implementation": "none"}"#).indexing, Lenient::Readable(Indexing::None));
        let later = with_index(r#""implementation": "of a later version"}"#);
        assert!(later.indexing.get().unwrap_err().contains("unknown variant `of a later version`"));
        assert_eq!(later.scheduling, Scheduling::None);
    }

    #[test]
    fn keys_stripped_by_pgais_builders_get_pgais_defaults() {
        let chunking: Chunking =
            serde_json::from_str(r#"{"implementation": "recursive_character_text_splitter"}"#).unwrap();
        assert_eq!(chunking, Chunking::default());
    }

    #[test]
    fn refuses_an_unknown_implementation() {
        let loading = serde_json::from_str::<Loading>(r#"{"implementation": "row", "column_name": "x"}"#);
        assert!(loading.unwrap_err().to_string().contains("unknown variant `row`"));
    }
}
