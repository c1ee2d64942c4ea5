//! A vectorizer's config: the JSON that `ai.create_vectorizer` stores, as types.
//!
//! The shape is pgai's: every part is an object with `config_type` and `implementation`. Numbers
//! and strings that pgai's builders strip when NULL are optional here and get pgai's defaults.
//! Unknown keys are ignored, unknown implementations are errors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version written into new configs. pgai's Python worker asks for SemVer of at least 0.10.0.
pub const CONFIG_VERSION: &str = "0.12.1";

/// The whole config of a vectorizer, as in `ai.vectorizer.config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorizerConfig {
    /// SemVer of the shape, see [`CONFIG_VERSION`].
    pub version: String,
    /// Where a row's document comes from.
    pub loading: Loading,
    /// How a document becomes text.
    #[serde(default)]
    pub parsing: Parsing,
    /// Which model embeds.
    pub embedding: Embedding,
    /// How text becomes chunks.
    #[serde(default)]
    pub chunking: Chunking,
    /// Which vector index is wanted; not interpreted by the pipeline.
    #[serde(default)]
    pub indexing: Value,
    /// What a chunk's embedding input looks like.
    #[serde(default)]
    pub formatting: Formatting,
    /// Which schedule is wanted; not interpreted by the pipeline.
    #[serde(default)]
    pub scheduling: Value,
    /// How much is worked on at a time.
    #[serde(default)]
    pub processing: Processing,
    /// Where vectors go.
    pub destination: Destination,
}

/// `ai.loading_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Loading {
    /// The column holds the document itself.
    Column {
        /// Name of a text or bytea column of the source.
        column_name: String,
        /// How often a failed load is tried again.
        #[serde(default = "default_retries")]
        retries: u32,
    },
    /// The column holds the address of the document.
    Uri {
        /// Name of a text column of the source.
        column_name: String,
        /// How often a failed load is tried again.
        #[serde(default = "default_retries")]
        retries: u32,
        /// How S3 is asked.
        #[serde(flatten)]
        s3: S3Access,
    },
}

/// The one who declared what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Author {
    /// A superuser, who is an administrator.
    Superuser,
    /// Anybody else, whom the administrator's lists bind.
    #[default]
    Other,
}

/// How a vectorizer or a source asks S3, as far as it differs from what the operator has set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct S3Access {
    /// ARN of the IAM role to assume before S3 is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_role_arn: Option<String>,
    /// The region that is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// URL of an S3-compatible server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where the bucket's name stands in a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_style: Option<UrlStyle>,
    /// Ask without credentials, as public buckets allow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// The one who declared it. No declaration says that; whoever reads one does.
    #[serde(skip)]
    pub author: Author,
}

/// How S3 addresses a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum UrlStyle {
    /// `https://bucket.host/key`.
    #[default]
    #[serde(rename = "vhost")]
    VirtualHosted,
    /// `https://host/bucket/key`.
    #[serde(rename = "path")]
    Path,
}

fn default_retries() -> u32 {
    6
}

impl Loading {
    /// The source column that is read.
    pub fn column_name(&self) -> &str {
        match self {
            Loading::Column { column_name, .. } | Loading::Uri { column_name, .. } => column_name,
        }
    }

    /// How often a failed load is tried again, after the first attempt.
    pub fn retries(&self) -> u32 {
        match self {
            Loading::Column { retries, .. } | Loading::Uri { retries, .. } => *retries,
        }
    }
}

/// `ai.parsing_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Parsing {
    /// By the document's type.
    #[default]
    Auto,
    /// The payload is text already.
    None,
    /// pgai's name for its PDF and EPUB parser; here the same as [`Parsing::Auto`].
    Pymupdf,
    /// pgai's name for its layout-aware parser; here the same as [`Parsing::Auto`].
    Docling,
}

/// `ai.chunking_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Chunking {
    /// LangChain's `CharacterTextSplitter`.
    CharacterTextSplitter {
        /// Most characters (Unicode code points) of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Characters that a chunk repeats of the one before.
        #[serde(default = "default_chunk_overlap")]
        chunk_overlap: i64,
        /// Where to split.
        #[serde(default = "default_separator")]
        separator: String,
        /// Whether `separator` is a regular expression.
        #[serde(default)]
        is_separator_regex: bool,
    },
    /// LangChain's `RecursiveCharacterTextSplitter`.
    RecursiveCharacterTextSplitter {
        /// Most characters (Unicode code points) of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Characters that a chunk repeats of the one before.
        #[serde(default = "default_chunk_overlap")]
        chunk_overlap: i64,
        /// Where to split, the coarsest first.
        #[serde(default = "default_separators")]
        separators: Vec<String>,
        /// Whether `separators` are regular expressions.
        #[serde(default)]
        is_separator_regex: bool,
    },
    /// The crate `text-splitter`: splits at the largest semantic boundary that fits.
    TextSplitter {
        /// Most units of a chunk.
        #[serde(default = "default_chunk_size")]
        chunk_size: i64,
        /// Units that a chunk repeats of the one before; less than `chunk_size`.
        #[serde(default)]
        chunk_overlap: i64,
        /// What `chunk_size` and `chunk_overlap` count.
        #[serde(default)]
        unit: ChunkUnit,
        /// What the text is.
        #[serde(default)]
        format: TextFormat,
    },
    /// A document is one chunk.
    None,
}

/// What a chunk's size counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkUnit {
    /// Unicode code points.
    #[default]
    Characters,
    /// Tokens of `cl100k_base`, the encoding of OpenAI's embedding models.
    Tokens,
}

/// What kind of text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// Sentences, words and lines.
    #[default]
    Text,
    /// Markdown: headings, lists and code blocks are boundaries.
    Markdown,
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

/// `ai.formatting_*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Formatting {
    /// Python's `string.Template` over `$chunk` and the source's columns.
    PythonTemplate {
        /// The template's text.
        #[serde(default = "default_template")]
        template: String,
    },
}

fn default_template() -> String {
    "$chunk".to_owned()
}

impl Default for Formatting {
    fn default() -> Self {
        Formatting::PythonTemplate { template: default_template() }
    }
}

/// `ai.embedding_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Embedding {
    /// OpenAI, and whatever speaks its wire.
    Openai {
        /// The model's name, as the provider writes it.
        model: String,
        /// How many numbers a vector has.
        dimensions: u32,
        /// Passed on as OpenAI's `user`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Name under which the server finds the key; never the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// URL to which `/embeddings` is added; none means the server's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
    },
    /// Ollama.
    Ollama {
        /// The model's name, as Ollama writes it.
        model: String,
        /// How many numbers a vector has.
        dimensions: u32,
        /// URL to which `/api/embed` is added; none means the server's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
        /// Passed on as Ollama's `options`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Map<String, Value>>,
        /// How long Ollama keeps the model in memory, such as `5m`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_alive: Option<String>,
    },
    /// Voyage AI.
    Voyageai {
        /// The model's name, as the provider writes it.
        model: String,
        /// How many numbers a vector has.
        dimensions: u32,
        /// What documents are embedded as: `document`, `query` or none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input_type: Option<String>,
        /// Name under which the server finds the key; never the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// URL to which `/embeddings` is added; none means Voyage AI's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_url: Option<String>,
    },
    /// Any provider that is known, by LiteLLM's name.
    Litellm {
        /// `provider/model`; without a provider, OpenAI's.
        model: String,
        /// How many numbers a vector has.
        dimensions: u32,
        /// Name under which the server finds the key; none means the provider's usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_name: Option<String>,
        /// What the provider is to be told beside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extra_options: Option<Map<String, Value>>,
    },
}

impl Embedding {
    /// The config's `implementation`.
    pub fn implementation(&self) -> &'static str {
        match self {
            Embedding::Openai { .. } => "openai",
            Embedding::Ollama { .. } => "ollama",
            Embedding::Voyageai { .. } => "voyageai",
            Embedding::Litellm { .. } => "litellm",
        }
    }

    /// The model's name as its author wrote it, LiteLLM's prefix included.
    pub fn model(&self) -> &str {
        match self {
            Embedding::Openai { model, .. }
            | Embedding::Ollama { model, .. }
            | Embedding::Voyageai { model, .. }
            | Embedding::Litellm { model, .. } => model,
        }
    }

    /// How many numbers a vector has.
    pub fn dimensions(&self) -> u32 {
        match self {
            Embedding::Openai { dimensions, .. }
            | Embedding::Ollama { dimensions, .. }
            | Embedding::Voyageai { dimensions, .. }
            | Embedding::Litellm { dimensions, .. } => *dimensions,
        }
    }

    /// Name of the provider's key, if the vectorizer's author wrote one.
    pub fn declared_api_key_name(&self) -> Option<&str> {
        match self {
            Embedding::Openai { api_key_name, .. }
            | Embedding::Voyageai { api_key_name, .. }
            | Embedding::Litellm { api_key_name, .. } => api_key_name.as_deref(),
            Embedding::Ollama { .. } => None,
        }
    }

    /// The URL that the vectorizer's author asked for.
    pub fn base_url(&self) -> Option<&str> {
        match self {
            Embedding::Openai { base_url, .. }
            | Embedding::Ollama { base_url, .. }
            | Embedding::Voyageai { base_url, .. } => base_url.as_deref(),
            Embedding::Litellm { extra_options, .. } => extra_options.as_ref()?.get("api_base")?.as_str(),
        }
    }
}

/// `ai.processing_*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Processing {
    /// The one implementation.
    Default {
        /// Most rows of one claim; none lets the worker choose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch_size: Option<u32>,
        /// Most embedding requests in flight; none lets the worker choose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
    },
}

impl Default for Processing {
    fn default() -> Self {
        Processing::Default { batch_size: None, concurrency: None }
    }
}

impl Processing {
    /// Most rows of one claim, if the vectorizer says so.
    pub fn batch_size(&self) -> Option<u32> {
        let Processing::Default { batch_size, .. } = self;
        *batch_size
    }

    /// Most embedding requests in flight, if the vectorizer says so.
    pub fn concurrency(&self) -> Option<u32> {
        let Processing::Default { concurrency, .. } = self;
        *concurrency
    }
}

/// `ai.destination_*`, evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Destination {
    /// A table of chunks, and a view that joins it to the source.
    Table {
        /// Schema of the store table.
        target_schema: String,
        /// Name of the store table.
        target_table: String,
        /// Schema of the view.
        view_schema: String,
        /// Name of the view.
        view_name: String,
    },
    /// A column of the source: one vector for each row, and so [`Chunking::None`].
    Column {
        /// Its name.
        embedding_column: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pgai's own SQL stores for the first statement of the user's guide.
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
