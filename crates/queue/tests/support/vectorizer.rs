//! A vectorizer as the pipeline sees it, and the extension's table of errors.

use std::sync::Arc;

use pgai_rs_pipeline::config::{Author, VectorizerConfig};
use pgai_rs_pipeline::document::Vectorizer;
use pgai_rs_pipeline::quota::Account;
use pgai_rs_pipeline::usage::Meter;
use pgai_rs_queue::definition::Definition;
use pgai_rs_queue::tables::Texts;
use postgres::Client;
use serde_json::json;

/// Returns the vectorizer of a definition.
pub fn vectorizer(v: &Definition) -> Arc<Vectorizer> {
    let kind = if v.by_address { "uri" } else { "column" };
    let config: VectorizerConfig = serde_json::from_value(json!({
        "version": "0.0.0",
        "loading": {"implementation": kind, "config_type": "loading", "column_name": v.loaded.name, "retries": 2},
        "parsing": {"implementation": "auto", "config_type": "parsing", "keep_text": v.texts == Texts::Kept},
        "embedding": {"implementation": "openai", "config_type": "embedding", "model": "a", "dimensions": 3,
                      "api_key_name": "KEY"},
        "chunking": {"implementation": "none", "config_type": "chunking"},
        "formatting": {"implementation": "python_template", "config_type": "formatting", "template": "$chunk"},
        "destination": {"implementation": "table", "config_type": "destination", "target_schema": "public",
                        "target_table": "blog_store", "view_schema": "public", "view_name": "blog_view"},
        "processing": {"implementation": "default", "config_type": "processing"},
    }))
    .unwrap();
    Arc::new(Vectorizer {
        id: v.id,
        name: "blog".to_owned(),
        config,
        author: Author::Other,
        api_key: None,
        account: Account::default(),
        meter: Meter::default(),
        comes_last: false,
    })
}

/// Creates the extension's table of errors.
pub fn create_errors(client: &mut Client) {
    client
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS ai;
             CREATE TABLE IF NOT EXISTS ai._vectorizer_errors (
                 id int4 NOT NULL, message text, details jsonb, recorded timestamptz NOT NULL DEFAULT now())",
        )
        .unwrap();
}
