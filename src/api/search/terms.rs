//! The terms of a search: its arguments, as far as they can be judged without a vectorizer.

use pgrx::PgSqlErrorCode;
use serde_json::Value;

use pgai_rs_pipeline::search::fusion::Fusion;

use super::arguments::Options;
use crate::pg::error::PgError;
use crate::search::filter::Filter;
use crate::search::request::{Request, Weights};

/// The largest number of rows that a search returns.
const MOST_ROWS: i32 = 10_000;

/// The weight of the words unless another is given: `make bench ARGS=quality` finds answers as good with it as either arm's
/// where the vectors are much the better ones, and better ones where neither arm is.
const TEXT_WEIGHT: f64 = 0.5;

/// The largest weight of an arm: more would leave the other one no digit.
const MOST_WEIGHT: f64 = 1_000_000.0;

/// The terms of a search.
pub struct Terms {
    /// The arms; `None` for the best that there are.
    pub mode: Option<Mode>,
    /// The text whose words are looked for beside a vector.
    pub words: Option<String>,
    /// The config of a model that ranks what is found.
    pub rerank: Option<Value>,
    /// All others. It has neither a vector nor words yet.
    pub request: Request,
}

/// The arms of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The vector alone.
    Vector,
    /// The words alone, for which no model is asked.
    Text,
    /// Both.
    Hybrid,
}

impl Terms {
    /// Returns the terms that arguments make. Errors for values that can't be meant.
    pub fn of(options: Options) -> Result<Terms, PgError> {
        let mode = mode(options.mode.as_deref())?;
        let (words, rerank) = (options.words.clone(), options.rerank.as_ref().map(|config| config.0.clone()));
        Ok(Terms { mode, words, rerank, request: request(options)? })
    }
}

/// Returns the mode that is asked for; `None` for the best that there is.
fn mode(name: Option<&str>) -> Result<Option<Mode>, PgError> {
    match name {
        None => Ok(None),
        Some("vector") => Ok(Some(Mode::Vector)),
        Some("text") => Ok(Some(Mode::Text)),
        Some("hybrid") => Ok(Some(Mode::Hybrid)),
        Some(other) => Err(invalid(format!("unrecognized mode: {other:?}"))
            .with_hint("Available modes: \"vector\", \"text\", \"hybrid\".")),
    }
}

/// Returns what is asked for, without the vector. Errors for values that can't be meant.
fn request(options: Options) -> Result<Request, PgError> {
    let k = options.k.ok_or_else(|| null("k"))?;
    if !(1..=MOST_ROWS).contains(&k) {
        return Err(invalid(format!("k must be an integer between 1 and {MOST_ROWS}")));
    }
    let per_document = match options.per_document {
        Some(most) if most < 1 => return Err(invalid("per_document must be a positive integer")),
        most => most.map(|most| most as usize),
    };
    if options.min_score.is_some_and(|least| !least.is_finite()) {
        return Err(invalid("min_score must be finite"));
    }
    if options.diversity.is_some_and(|weight| !(0.0..=1.0).contains(&weight)) {
        return Err(invalid("diversity must be a number between 0 and 1"));
    }

    let filter = match (options.filter, options.filter_args) {
        (Some(condition), values) => Some(Filter::read(&condition, &values.unwrap_or_default())?),
        (None, Some(_)) => {
            return Err(invalid("filter_args needs a filter")
                .with_hint("Name the values in a filter, as in filter => 'category = $1'."));
        }
        (None, None) => None,
    };
    let weights = Weights {
        vector: weight("vector_weight", options.vector_weight, 1.0)?,
        text: weight("text_weight", options.text_weight, TEXT_WEIGHT)?,
    };
    Ok(Request {
        vector: None,
        made_by: None,
        words: None,
        weights,
        fusion: fusion(options.fusion.as_deref())?,
        k: k as usize,
        filter,
        min_score: options.min_score,
        per_document,
        diversity: options.diversity.filter(|weight| *weight > 0.0),
        exact: options.exact.unwrap_or(false),
    })
}

/// Returns the weight of an arm: `usual` unless another is given.
fn weight(argument: &str, given: Option<f64>, usual: f64) -> Result<f64, PgError> {
    match given.unwrap_or(usual) {
        weight if (0.0..=MOST_WEIGHT).contains(&weight) => Ok(weight),
        _ => Err(invalid(format!("{argument} must be a number between 0 and {MOST_WEIGHT}"))),
    }
}

fn fusion(name: Option<&str>) -> Result<Fusion, PgError> {
    match name {
        Some("ranks") => Ok(Fusion::Ranks),
        None | Some("scores") => Ok(Fusion::Scores),
        Some(other) => Err(invalid(format!("unrecognized fusion: {other:?}"))
            .with_hint("Available fusions: \"ranks\", \"scores\".")),
    }
}

/// Returns the error for an argument that must not be NULL.
pub fn null(argument: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
}

/// Returns the error for a value that can't be meant.
pub fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}
