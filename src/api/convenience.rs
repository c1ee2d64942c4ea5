//! Functions of pgai's old extension that accompany vectorizers: embedding of given texts.

use pgrx::datum::Array;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::embed;
use crate::access;
use crate::catalog::rights;
use crate::declare;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::json::Json;

/// Errors if any option is given that pgai would pass on to a provider's client: there is no such client
/// here.
#[pg_extern(sql = false)]
fn require_nothing_else(given: Option<Json>) -> Result<bool, pg_sys::panic::ErrorReport> {
    let given = given.map(|given| given.0);
    let names: Vec<&String> =
        given.as_ref().and_then(|g| g.as_object()).into_iter().flat_map(|g| g.keys()).collect();
    match names.first() {
        None => Ok(true),
        Some(name) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{name} is not supported"),
        )
        .with_hint("Of client_config, only base_url is supported.")
        .into()),
    }
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn embed_all_given(
    config: Option<Json>,
    texts: Option<Array<'_, String>>,
    api_key: Option<String>,
) -> Result<TableIterator<'static, (name!(index, i32), name!(embedding, Vec<f32>))>, pg_sys::panic::ErrorReport>
{
    let (Some(config), Some(texts)) = (config, texts) else { return Ok(TableIterator::new([])) };
    let texts = texts.iter().collect::<Option<Vec<String>>>().ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "input_texts must not contain nulls")
    })?;
    let embedding = declare::embedding::of_caller(config.0)?;
    let caller = current_user();
    let author = rights::author(caller);
    let key = embed::key_for(&embedding, api_key.map(embed::callers_key).as_ref())?;
    access::embedding::require_allowed(&embedding, caller, author, key.as_ref())?;
    let vectors = embed::ask_all(&embedding, author, key, &texts)?;
    Ok(TableIterator::new((0..).zip(vectors)))
}
