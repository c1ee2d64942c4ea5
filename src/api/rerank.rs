//! Models that rank texts, asked in the caller's backend: those that a search has found, by its argument `rerank`, or given ones,
//! by functions of pgai's old extension.

use std::time::Duration;

use pgrx::datum::Array;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use serde_json::Value;

use pgai_rs_pipeline::config::{Author, IfDown, Reranking};
use pgai_rs_pipeline::embed::rerank;
use pgai_rs_pipeline::embed::rerank::error::RerankError;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::secret::ApiKey;

use super::embed::callers_key;
use super::network::await_answer;
use crate::access;
use crate::catalog::usage::QueryBill;
use crate::catalog::vectorizer::Vectorizer;
use crate::catalog::{rights, secret, spending};
use crate::declare;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::json::Json;
use crate::search::reranked::Reranker;
use crate::search::steps::Step;
use crate::shared::used::Asking;

/// A model that the caller may ask, and what it is asked about.
pub struct CallersReranker {
    config: Reranking,
    author: Author,
    key: Option<ApiKey>,
    question: String,
    /// The vectorizer that what it uses is counted for.
    vectorizer: Option<i32>,
}

/// The reason why the model has ranked nothing.
struct Trouble {
    /// True if it may do so later.
    is_down: bool,
    error: PgError,
}

impl CallersReranker {
    /// Returns the model that a config means, to rank the chunks of a vectorizer that a search for `k` has found. Errors if the
    /// caller may not have texts sent there, or the config can't be used.
    pub fn for_search(
        config: Value,
        question: &str,
        k: usize,
        vectorizer: &Vectorizer,
    ) -> Result<CallersReranker, PgError> {
        let reranker = CallersReranker::of(config, question, None)?;
        if vectorizer.store().is_none() {
            return Err(without_chunks(&vectorizer.name));
        }
        match reranker.candidates() {
            candidates if candidates < k => Err(too_few(candidates)),
            _ => Ok(CallersReranker { vectorizer: Some(vectorizer.id), ..reranker }),
        }
    }

    /// Returns the model that a config means, asked with the caller's own key if there is one. Errors if the caller may not have
    /// texts sent there, or the config can't be used.
    fn of(config: Value, question: &str, callers_key: Option<ApiKey>) -> Result<CallersReranker, PgError> {
        let config = declare::reranking::of_caller(config)?;
        let role = current_user();
        let author = rights::author(role);
        let key = match (&config.api_key_name, callers_key) {
            (_, Some(own)) => Some(own),
            (Some(name), None) => secret::api_key_named(name)?,
            (None, None) => None,
        };
        access::reranking::require_allowed(&config, role, author, key.as_ref())?;
        Ok(CallersReranker { config, author, key, question: question.to_owned(), vectorizer: None })
    }

    /// Asks the model, but for at most `pgai_rs.query_timeout`.
    fn ask(&self, texts: &[String]) -> Result<Result<Vec<f64>, Trouble>, PgError> {
        let tokens = rerank::tokens(&self.question, texts);
        let (settings, timeout) = (guc::pipeline(), guc::query_timeout());
        let key = self.key.clone();
        let model = rerank::model_name(&self.config, self.author, key.as_ref(), &settings).ok();
        let query = QueryBill::open(self.vectorizer, Asking::Reranking, model, tokens)?;
        spending::spend_in_session(tokens)?;
        let answer =
            rerank::relevance(&self.config, self.author, key, &settings, &self.question, texts, query.bill());
        Ok(match await_answer(timeout, answer)? {
            Some(Ok(relevance)) => Ok(relevance),
            Some(Err(RerankError::Down(failure))) => Err(Trouble { is_down: true, error: failed(failure) }),
            Some(Err(RerankError::Refused(failure))) => {
                Err(Trouble { is_down: false, error: failed(failure) })
            }
            None => Err(Trouble { is_down: true, error: timed_out(timeout) }),
        })
    }
}

impl Reranker for CallersReranker {
    fn candidates(&self) -> usize {
        usize::try_from(self.config.candidates).unwrap_or(1)
    }

    fn describe(&self, step: &mut Step, texts: &[String]) {
        let Reranking { implementation, model, .. } = &self.config;
        step.ask(implementation.name(), model.as_deref(), rerank::tokens(&self.question, texts));
    }

    fn relevance(&self, texts: &[String]) -> Result<Option<Vec<f64>>, PgError> {
        if texts.is_empty() {
            return Ok(Some(Vec::new()));
        }
        match self.ask(texts)? {
            Ok(relevance) => Ok(Some(relevance)),
            Err(Trouble { is_down: true, error }) if self.config.if_down == IfDown::Fused => {
                tell(error);
                Ok(None)
            }
            Err(trouble) => Err(trouble.error),
        }
    }
}

/// Tells the caller that the rows are in another order than was asked for.
fn tell(error: PgError) {
    let message = format!("could not rerank, so rows are in the order of the search: {}", error.message);
    let report = ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "")
        .set_detail("The scores are those of the search, and min_score is not applied to them.");
    let report = match error.hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    };
    report.report(PgLogLevel::NOTICE);
}

fn failed(failure: Failure) -> PgError {
    let error = PgError::new(PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, failure.message)
        .with_detail(format!("The failure has the code {}.", failure.code));
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn timed_out(timeout: Duration) -> PgError {
    let message = format!("the reranking provider did not answer within {} ms", timeout.as_millis());
    PgError::new(PgSqlErrorCode::ERRCODE_QUERY_CANCELED, message).with_hint(
        "Increase pgai_rs.query_timeout, have fewer candidates ranked, or check whether the provider works.",
    )
}

fn without_chunks(vectorizer: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("cannot rerank what vectorizer \"{vectorizer}\" finds"),
    )
    .with_detail(
        "Its vectors are in a column of the source, and there are no chunks that a model could read.",
    )
    .with_hint("Use destination => ai.destination_table().")
}

fn too_few(candidates: usize) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        format!("k must not exceed the number of candidates, which is {candidates}"),
    )
    .with_hint("Pass more candidates to the function ai.rerank_*() that makes the config.")
}

/// Returns the places of given texts, counted from 0, with their relevance, the most relevant first.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn rerank_all_given(
    config: Option<Json>,
    query: Option<String>,
    documents: Option<Array<'_, String>>,
    api_key: Option<String>,
) -> Result<TableIterator<'static, (name!(index, i32), name!(relevance_score, f64))>, ErrorReport> {
    let (Some(config), Some(query), Some(documents)) = (config, query, documents) else {
        return Ok(TableIterator::new([]));
    };
    let texts = documents.iter().collect::<Option<Vec<String>>>().ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "documents must not contain nulls")
    })?;

    let reranker = CallersReranker::of(config.0, &query, api_key.map(callers_key))?;
    let relevance = match texts.is_empty() {
        true => Vec::new(),
        false => reranker.ask(&texts)?.map_err(|trouble| trouble.error)?,
    };
    let mut ranked: Vec<(i32, f64)> = (0..).zip(relevance).collect();
    // A stable sort: of equals the first comes first.
    ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    Ok(TableIterator::new(ranked))
}
