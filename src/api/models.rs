//! `ai._model_of`: the name of a model, by which its price and its end are known.

use pgrx::prelude::*;

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed;

use crate::guc;
use crate::pg::json::MAX_STORED_BYTES;

/// Returns the name of the model of an embedding config, and its server; `None` if it can't be asked. It raises no errors: that of
/// one vectorizer must not hide the others.
#[pg_extern(sql = false)]
fn model_of(embedding: Option<String>) -> Option<Vec<String>> {
    let embedding = embedding.filter(|text| text.len() <= MAX_STORED_BYTES)?;
    let embedding: Embedding = serde_json::from_str(&embedding).ok()?;
    // Nothing is asked: it does not matter who may.
    let name = embed::model_name(&embedding, Author::Superuser, &guc::pipeline()).ok()?;
    Some(vec![name.model, name.server])
}
