//! `ai._model_of`: the name of a model, by which its price and its end are known.

use pgrx::prelude::*;

use pgai_rs_pipeline::config::Embedding;
use pgai_rs_pipeline::embed;

use crate::guc;
use crate::pg::json::MAX_STORED_BYTES;

/// Returns the name of the model of an embedding config, and its server; `None` if it can't be asked. It raises no errors: that of
/// one vectorizer must not hide the others. Views call it with their readers' rights, so whoever may use the schema can: it tells
/// nothing that does not stand in the config, but whether the provider's own server is the default.
#[pg_extern(sql = false)]
fn model_of(embedding: Option<String>) -> Option<Vec<String>> {
    let embedding = embedding.filter(|text| text.len() <= MAX_STORED_BYTES)?;
    let embedding: Embedding = serde_json::from_str(&embedding).ok()?;
    let name = embed::model_name(&embedding, &guc::pipeline()).ok()?;
    // A character of JSON that no text of Postgres's may have.
    let is_text = !name.model.contains('\0') && !name.server.contains('\0');
    is_text.then(|| vec![name.model, name.server])
}
