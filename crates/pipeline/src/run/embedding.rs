//! The vectors of a document's new inputs: those that a batch has brought, and those that the model is asked for.

use std::sync::Arc;

use super::context::Context;
use super::plan::DocumentPlan;
use super::prepared::Prepared;
use crate::document::Ticket;
use crate::embed::{Expected, Vectors, estimated_tokens};
use crate::failure::Failure;

/// Returns the vectors of a plan's inputs, in their order.
///
/// # Errors
///
/// Fails if budgets or quotas do not allow it, or the model's server can't be asked or refuses; and with
/// [`Retry::Until`](crate::failure::Retry::Until) if the row waits for a batch.
pub(super) async fn vectors(
    context: &Context,
    prepared: &Prepared,
    ticket: Ticket,
    plan: &DocumentPlan,
    expected: Expected,
) -> Result<Vectors, Failure> {
    if !prepared.vectorizer.config.processing.backfills_by_batch() {
        return ask_model(context, prepared, &plan.inputs, expected).await;
    }
    let brought = context.inquiries.ask(prepared, ticket, &plan.inputs, plan.tokens()).await?;
    complete(context, prepared, &plan.inputs, brought, expected).await
}

/// Asks the model for the vectors that a batch has not brought, and returns those of all inputs.
async fn complete(
    context: &Context,
    prepared: &Prepared,
    inputs: &[Arc<str>],
    mut brought: Vec<Option<Vec<f32>>>,
    expected: Expected,
) -> Result<Vectors, Failure> {
    brought.resize(inputs.len(), None);
    let lacking = inputs.iter().zip(&brought).filter(|(_, vector)| vector.is_none());
    let rest: Vec<Arc<str>> = lacking.map(|(input, _)| Arc::clone(input)).collect();

    let answers = if rest.is_empty() {
        prepared.vectorizer.meter.of_batches().count_document();
        Vec::new()
    } else {
        ask_model(context, prepared, &rest, expected).await?
    };
    let mut answers = answers.into_iter();
    Ok(brought.into_iter().map(|vector| vector.or_else(|| answers.next()).unwrap_or_default()).collect())
}

/// Sends inputs to the model, and returns their vectors.
async fn ask_model(
    context: &Context,
    prepared: &Prepared,
    inputs: &[Arc<str>],
    expected: Expected,
) -> Result<Vectors, Failure> {
    let vectorizer = &prepared.vectorizer;
    let group = context.groups.group(vectorizer)?;
    let tokens = inputs.iter().map(|input| estimated_tokens(input) as u64).sum();
    // Until it is billed, which comes before the answers.
    let _reserved = vectorizer.meter.reserve(tokens)?;
    vectorizer.account.spend_tokens(tokens)?;

    let answers = group.send(inputs.iter().cloned(), &vectorizer.meter)?;
    // All of this document has come: others need not wait for it.
    drop(expected);
    let vectors = answers.vectors().await?;
    vectorizer.meter.count_document();
    Ok(vectors)
}
