//! A server and a queue for tests, both in this process.
#![allow(dead_code, clippy::unwrap_used)]

pub mod http;
pub mod openai;
pub mod queue;
pub mod s3;
pub mod tls;

use std::sync::Arc;

use pgai_rs_pipeline::config::{
    Author, CONFIG_VERSION, Chunking, Destination, Embedding, Formatting, Lenient, Loading, Parsing,
    Processing, S3Access, Scheduling, Search, VectorType, VectorizerConfig,
};
use pgai_rs_pipeline::document::{Document, Payload, Ticket, Vectorizer};
use pgai_rs_pipeline::quota::Account;
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::usage::Meter;

/// The column that the tests' vectorizers read.
pub const COLUMN: &str = "body";

/// A vectorizer that embeds a text column, a chunk a row, with three dimensions.
pub fn column_vectorizer(id: i32, base_url: &str) -> Vectorizer {
    let loading = Loading::Column { column_name: COLUMN.into(), retries: 6 };
    vectorizer(id, base_url, loading)
}

/// A vectorizer that embeds what a column of addresses names.
pub fn uri_vectorizer(id: i32, base_url: &str) -> Vectorizer {
    let loading = Loading::Uri { column_name: COLUMN.into(), retries: 6, s3: S3Access::default() };
    vectorizer(id, base_url, loading)
}

fn vectorizer(id: i32, base_url: &str, loading: Loading) -> Vectorizer {
    let config = VectorizerConfig {
        version: CONFIG_VERSION.into(),
        loading,
        parsing: Parsing::default(),
        embedding: Embedding::Openai {
            model: "test-model".into(),
            dimensions: openai::DIMENSIONS,
            shortened_from: None,
            user: None,
            api_key_name: None,
            base_url: Some(base_url.into()),
        },
        chunking: Chunking::None,
        indexing: Lenient::default(),
        formatting: Formatting::default(),
        scheduling: Scheduling::default(),
        processing: Processing::default(),
        destination: Destination::Table {
            target_schema: "public".into(),
            target_table: "store".into(),
            view_schema: "public".into(),
            view_name: "view".into(),
            citation: false,
            vector_type: VectorType::default(),
        },
        search: Search::None,
    };
    Vectorizer {
        id,
        name: format!("vectorizer {id}"),
        config,
        author: Author::Superuser,
        api_key: Some(ApiKey::of_server(Secret::new("sk-test"))),
        account: Account::default(),
        meter: Meter::default(),
        comes_last: false,
    }
}

/// A row of a vectorizer.
pub fn row(vectorizer: &Arc<Vectorizer>, ticket: u64, text: &str) -> Document {
    Document {
        ticket: Ticket(ticket),
        vectorizer: Arc::clone(vectorizer),
        payload: Payload::Text(text.into()),
        fields: Vec::new(),
        existing: Vec::new(),
        provenance: None,
        kept: None,
    }
}
