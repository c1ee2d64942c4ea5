//! The price of tokens, and the way in which a model counts them.

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed::{self, RequestLimits};
use pgai_rs_pipeline::usage::ModelName;
use pgrx::PgLogLevel;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;

use crate::access::embedding::refused;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The bytes for which a provider must have said what it bills, so that its own rate is taken.
const ENOUGH_BILLED: f64 = 100_000.0;

/// The facts that are known of a model.
pub struct Price {
    /// Its name.
    pub model: ModelName,
    /// Dollars for a million tokens, if that is known.
    pub usd_per_million_tokens: Option<f64>,
    /// The day of that price.
    pub as_of: Option<String>,
    /// Tokens of a minute that the provider lets through, if that is known.
    pub tokens_per_minute: Option<f64>,
    /// Requests of a minute that it lets through, if that is known.
    pub requests_per_minute: Option<f64>,
    /// The most that a request may hold.
    pub limits: RequestLimits,
    /// The way in which its tokens are counted.
    pub counting: Counting,
}

/// The way in which tokens are counted.
pub enum Counting {
    /// The provider has billed so many for each byte before.
    Billed(f64),
    /// The model's own encoding is known.
    Own,
    /// The encoding of another model is taken.
    Other,
}

/// Returns what is known of a model. Raises a notice if its price is not.
pub fn of(embedding: &Embedding, author: Author) -> Result<Price, PgError> {
    let settings = guc::pipeline();
    let model = embed::model_name(embedding, &settings).map_err(refused)?;
    let limits = RequestLimits::of(embedding, author, &settings).map_err(refused)?;
    let args = || [model.model.clone().into(), model.server.clone().into()];

    let known = sql::read_now(
        "SELECT m.usd_per_million_tokens::float8, m.as_of::text, m.tokens_per_minute::float8, m.requests_per_minute::float8
         FROM ai.models m WHERE m.model = $1 AND m.server = $2",
        &args(),
        |row| Ok((row.get_opt::<f64>(1)?, row.get_opt::<String>(2)?, row.get_opt::<f64>(3)?, row.get_opt::<f64>(4)?)),
    )?;
    let (usd_per_million_tokens, as_of, tokens_per_minute, requests_per_minute) =
        known.into_iter().next().unwrap_or_default();
    if usd_per_million_tokens.is_none() {
        tell_unknown(&model);
    }

    // Of vectorizers whose use the caller may see.
    let billed = sql::read_now(
        "SELECT coalesce(sum(u.tokens - u.estimated_tokens), 0)::float8, coalesce(sum(u.billed_bytes), 0)::float8
         FROM ai.vectorizer_usage u WHERE u.model = $1 AND u.server = $2 AND u.purpose IN ('documents', 'batches')",
        &args(),
        |row| Ok((row.get::<f64>(1)?, row.get::<f64>(2)?)),
    )?;
    let counting = match billed.first() {
        Some((tokens, bytes)) if *bytes >= ENOUGH_BILLED => Counting::Billed(tokens / bytes),
        _ if embed::is_counted_in_cl100k(embedding) => Counting::Own,
        _ => Counting::Other,
    };
    Ok(Price {
        model,
        usd_per_million_tokens,
        as_of,
        tokens_per_minute,
        requests_per_minute,
        limits,
        counting,
    })
}

/// Tells the caller that there is no price.
fn tell_unknown(model: &ModelName) {
    let ModelName { model, server } = model;
    let at = if server.is_empty() { String::new() } else { format!(" at {server}") };
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("no price is known of the model {model}{at}"),
        "",
    )
    .set_hint(
        "A superuser can add one: INSERT INTO ai.model_override (model, server, usd_per_million_tokens) VALUES (...).",
    )
    .report(PgLogLevel::NOTICE);
}
