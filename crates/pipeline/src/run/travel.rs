//! A document's way through the stages.

use std::sync::Arc;

use super::prepared::{Formatted, Prepared};
use super::reuse::{finish, new_inputs, plan};
use crate::config::Loading;
use crate::document::{Chunk, Document, ExistingChunk, Failure, Payload, Retry, Step, Vectorizer};
use crate::embed::{truncate_for_model, Groups};
use crate::load::{Loaders, Reservation};
use crate::parse::{self, Input};

/// From so many bytes on, the processor's stages run on a thread of their own: the threads that
/// serve the network must not be kept from it for longer than about a millisecond.
const LARGE: usize = 64 * 1024;

/// What all documents of a time share; replaced when the settings change.
pub(super) struct Stages {
    pub loaders: Arc<Loaders>,
    pub groups: Groups,
}

/// Takes a document all the way.
pub(super) async fn travel(
    stages: Arc<Stages>,
    prepared: Arc<Prepared>,
    document: Document,
) -> Result<Vec<Chunk>, Failure> {
    let Document { vectorizer, payload, fields, existing, .. } = document;
    // Held to the end: what was loaded lives on in its chunks.
    let (input, _reservation) = match load(&stages, &vectorizer, payload).await? {
        Some(loaded) => loaded,
        None => return Ok(Vec::new()),
    };
    let inputs = cut(prepared, input, fields).await?;
    embed(&stages, &vectorizer, inputs, existing).await
}

/// The document itself; none if there is nothing in it.
async fn load(
    stages: &Stages,
    vectorizer: &Vectorizer,
    payload: Payload,
) -> Result<Option<(Input, Reservation)>, Failure> {
    let Loading::Uri { aws_role_arn, .. } = &vectorizer.config.loading else {
        let loaded = |bytes: Vec<u8>| parse::Loaded { bytes: bytes.into(), name: None, content_type: None };
        let input = match payload {
            Payload::Null => None,
            Payload::Text(text) => Some(Input::Text(text)),
            Payload::Bytes(bytes) => Some(Input::Document(loaded(bytes))),
        };
        return Ok(input.filter(|input| size(input) > 0).map(|input| (input, Reservation::default())));
    };
    let Payload::Text(uri) = payload else { return Err(no_uri()) };
    if uri.is_empty() {
        return Err(no_uri());
    }
    let loaded = stages.loaders.load(&uri, aws_role_arn.as_deref()).await?;
    let document = parse::Loaded { bytes: loaded.bytes.into(), name: loaded.name, content_type: loaded.content_type };
    let input = Input::Document(document);
    Ok(if size(&input) == 0 { None } else { Some((input, loaded.reservation)) })
}

/// Bytes of a document.
fn size(input: &Input) -> usize {
    match input {
        Input::Text(text) => text.len(),
        Input::Document(document) => document.bytes.len(),
    }
}

fn no_uri() -> Failure {
    Failure::new(Step::Loading, "no_uri", "the row has no address of a document", Retry::Never)
        .with_hint("Set the column to an address such as s3://bucket/key, or delete the row.")
}

async fn cut(
    prepared: Arc<Prepared>,
    input: Input,
    fields: Vec<(String, String)>,
) -> Result<Vec<Formatted>, Failure> {
    if size(&input) < LARGE {
        return prepared.inputs(input, &fields);
    }
    let cutting = tokio::task::spawn_blocking(move || prepared.inputs(input, &fields));
    cutting.await.unwrap_or_else(|_| Err(super::internal_error()))
}

async fn embed(
    stages: &Stages,
    vectorizer: &Vectorizer,
    inputs: Vec<Formatted>,
    existing: Vec<ExistingChunk>,
) -> Result<Vec<Chunk>, Failure> {
    let plan = plan(inputs, existing);
    let new = new_inputs(&plan);
    if new.is_empty() {
        return Ok(finish(plan, Vec::new()));
    }
    let group = stages.groups.group(vectorizer)?;
    let crate::config::Embedding::Openai { model, .. } = &vectorizer.config.embedding;
    // Only the model's copy is cut short; the store keeps the whole chunk, as pgai does.
    let sent = new.into_iter().map(|text| match truncate_for_model(model, &text) {
        short if short.len() == text.len() => text,
        short => short.into(),
    });
    let vectors = group.embed(sent.collect::<Vec<_>>()).await?;
    Ok(finish(plan, vectors))
}
