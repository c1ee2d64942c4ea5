//! `ai.search`: the chunks that are nearest to a question, or share words with it, in the caller's backend and with the
//! caller's rights.

use pgrx::prelude::*;
use pgrx::{FromDatum, PgSqlErrorCode, fcinfo, pg_sys};

use pgai_rs_pipeline::search::fusion::Fusion;

use super::embed::{embed_question, may_ask};
use super::rerank::CallersReranker;
use crate::catalog::vectorizer::Entry;
use crate::catalog::visibility::may_read_all;
use crate::catalog::words::Words;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::json::Json;
use crate::pg::result::ReturnedRows;
use crate::pg::vector::Vector;
use crate::search::filter::Filter;
use crate::search::known::{Definitions, Known, Named};
use crate::search::request::{Request, Weights};
use crate::search::reranked::Reranker;
use crate::search::run::search;
use crate::search::words::without_words;

/// The largest number of rows that a search returns.
const MOST_ROWS: i32 = 10_000;

/// The number of arguments where there is one for the words beside a vector.
const WITH_WORDS: usize = 15;

/// The weight of the words unless another is given: `make bench ARGS=quality` finds answers as good with it as either arm's
/// where the vectors are much the better ones, and better ones where neither arm is.
const TEXT_WEIGHT: f64 = 0.5;

/// The largest weight of an arm: more would leave the other one no digit.
const MOST_WEIGHT: f64 = 1_000_000.0;

impl From<i32> for Named {
    fn from(id: i32) -> Self {
        Named::Id(id)
    }
}

impl From<String> for Named {
    fn from(name: String) -> Self {
        Named::Name(name)
    }
}

/// The question of a search, as the caller gives it.
enum Question {
    Text(String),
    Vector(Vec<f32>),
}

impl From<String> for Question {
    fn from(text: String) -> Self {
        Question::Text(text)
    }
}

impl From<Vector> for Question {
    fn from(vector: Vector) -> Self {
        Question::Vector(vector.0)
    }
}

/// The arguments beside vectorizer and question.
struct Options {
    k: Option<i32>,
    filter: Option<String>,
    filter_args: Option<Vec<Option<String>>>,
    min_score: Option<f64>,
    per_document: Option<i32>,
    diversity: Option<f64>,
    exact: Option<bool>,
    mode: Option<String>,
    vector_weight: Option<f64>,
    text_weight: Option<f64>,
    fusion: Option<String>,
    /// The text whose words are looked for beside a vector.
    words: Option<String>,
    /// The config of a model that ranks what is found.
    rerank: Option<Json>,
}

/// The arms of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The vector alone.
    Vector,
    /// The words alone, for which no model is asked.
    Text,
    /// Both.
    Hybrid,
}

macro_rules! search_function {
    ($name:ident, $info:ident, $vectorizer:ty, $question:ty) => {
        #[doc = concat!("`pg_finfo` record of [`", stringify!($name), "`].")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> *const pg_sys::Pg_finfo_record {
            const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }

        #[doc = "An overload of `ai.search`."]
        ///
        /// # Safety
        /// Called by Postgres with a call record of the declared signature.
        #[unsafe(no_mangle)]
        #[pg_guard]
        pub unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the SQL signature has arguments of these types, and returns a set.
            unsafe { answer::<$vectorizer, $question>(call) }
        }
    };
}

search_function!(search_name_text, pg_finfo_search_name_text, String, String);
search_function!(search_name_vector, pg_finfo_search_name_vector, String, Vector);
search_function!(search_id_text, pg_finfo_search_id_text, i32, String);
search_function!(search_id_vector, pg_finfo_search_id_vector, i32, Vector);

/// Returns the rows of a call.
///
/// # Safety
///
/// A call record of `ai.search` whose first arguments have types that are read as `V` and `Q`.
unsafe fn answer<V, Q>(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum
where
    V: FromDatum + Into<Named>,
    Q: FromDatum + Into<Question>,
{
    // SAFETY: by the caller.
    let (returned, vectorizer, question, options) = unsafe {
        (
            ReturnedRows::of(call),
            fcinfo::pg_getarg::<V>(call, 0).map(Into::into),
            fcinfo::pg_getarg::<Q>(call, 1).map(Into::into),
            Options::of(call),
        )
    };
    match run(vectorizer, question, options, &returned) {
        // SAFETY: the call record is live; of a set that is returned as a whole the value itself is not read.
        Ok(()) => unsafe { fcinfo::pg_return_null(call) },
        Err(error) => {
            pg_sys::panic::ErrorReport::from(error).report(PgLogLevel::ERROR);
            unreachable!("an error report does not return")
        }
    }
}

impl Options {
    /// # Safety
    ///
    /// A call record of `ai.search`.
    unsafe fn of(call: pg_sys::FunctionCallInfo) -> Options {
        // SAFETY: by the caller; the SQL signatures have these types. Those that are given a vector have one more, the last but
        // one.
        unsafe {
            let count = usize::try_from((*call).nargs).unwrap_or_default();
            Options {
                k: fcinfo::pg_getarg(call, 2),
                filter: fcinfo::pg_getarg(call, 3),
                filter_args: fcinfo::pg_getarg(call, 4),
                min_score: fcinfo::pg_getarg(call, 5),
                per_document: fcinfo::pg_getarg(call, 6),
                diversity: fcinfo::pg_getarg(call, 7),
                exact: fcinfo::pg_getarg(call, 8),
                mode: fcinfo::pg_getarg(call, 9),
                vector_weight: fcinfo::pg_getarg(call, 10),
                text_weight: fcinfo::pg_getarg(call, 11),
                fusion: fcinfo::pg_getarg(call, 12),
                words: if count == WITH_WORDS { fcinfo::pg_getarg(call, 13) } else { None },
                rerank: fcinfo::pg_getarg(call, count - 1),
            }
        }
    }
}

/// Searches. Whatever can be refused is refused before the model is asked, and no table is locked while it is.
fn run(
    vectorizer: Option<Named>,
    question: Option<Question>,
    mut options: Options,
    returned: &ReturnedRows,
) -> Result<(), PgError> {
    let named = vectorizer.ok_or_else(|| null("vectorizer"))?;
    let (mode, given) = (mode(options.mode.as_deref())?, options.words.clone());
    let rerank = options.rerank.take();
    let request = request(options)?;
    let mut known = visible(&named)?;
    let reranker = reranker(rerank, question.as_ref(), given.as_deref(), request.k, &mut known)?;

    let (vector, words) = match question {
        None => return Ok(()),
        Some(Question::Text(text)) if text.trim().is_empty() => {
            return Err(invalid("query must not be empty").with_hint("Say what to search for."));
        }
        Some(Question::Text(text)) => {
            let mode = mode.map_or_else(|| best_mode(&mut known), Ok)?;
            require_words(mode, &mut known)?;
            (vector_of(mode, &known.entry, &named, &text)?, (mode != Mode::Vector).then_some(text))
        }
        Some(Question::Vector(vector)) => {
            let mode = mode.unwrap_or(if given.is_some() { Mode::Hybrid } else { Mode::Vector });
            require_words(mode, &mut known)?;
            let words = given.filter(|words| !words.trim().is_empty());
            if mode != Mode::Vector && words.is_none() {
                return Err(invalid("a search for words needs a text")
                    .with_hint("Pass the question as words => '...', beside the vector."));
            }
            ((mode != Mode::Text).then_some(vector), words.filter(|_| mode != Mode::Vector))
        }
    };
    let reranker = reranker.as_ref().map(|reranker| reranker as &dyn Reranker);
    search(known, &Request { vector, words, ..request }, reranker, returned)
}

/// Returns the model that ranks what is found; `None` if none is asked for, or there is no question. Errors if there is nothing
/// that it could read.
fn reranker(
    config: Option<Json>,
    question: Option<&Question>,
    words: Option<&str>,
    k: usize,
    known: &mut Known,
) -> Result<Option<CallersReranker>, PgError> {
    let (Some(config), Some(question)) = (config, question) else { return Ok(None) };
    let text = match question {
        Question::Text(text) => text,
        Question::Vector(_) => words.filter(|words| !words.trim().is_empty()).ok_or_else(|| {
            invalid("reranking needs the text of the question")
                .with_hint("Pass the question as words => '...', beside the vector.")
        })?,
    };
    CallersReranker::for_search(config.0, text, k, &known.definitions()?.vectorizer).map(Some)
}

/// Returns the vector of a question, unless words alone are looked for.
fn vector_of(mode: Mode, entry: &Entry, named: &Named, text: &str) -> Result<Option<Vec<f32>>, PgError> {
    match mode {
        Mode::Text => Ok(None),
        Mode::Vector | Mode::Hybrid if may_ask(entry)? => embed_question(entry, text.to_owned()).map(Some),
        Mode::Vector | Mode::Hybrid => Err(no_such(named)),
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

/// Returns the best mode for a question: hybrid where the words of all chunks are kept, the caller may read them, and there
/// is still what makes words of a question.
fn best_mode(known: &mut Known) -> Result<Mode, PgError> {
    let Definitions { vectorizer, configuration, .. } = known.definitions()?;
    let may_read = |words: &Words| words.is_ready && may_read_all(current_user(), words.table.oid);
    match vectorizer.words.as_ref().is_some_and(may_read) && configuration.is_ok() {
        true => Ok(Mode::Hybrid),
        false => Ok(Mode::Vector),
    }
}

/// Errors if a mode looks for words that are not kept (55000), or that the caller may not read (42501).
fn require_words(mode: Mode, known: &mut Known) -> Result<(), PgError> {
    if mode == Mode::Vector {
        return Ok(());
    }
    let vectorizer = &known.definitions()?.vectorizer;
    let words = vectorizer.words.as_ref().ok_or_else(|| without_words(&vectorizer.name))?;
    if may_read_all(current_user(), words.table.oid) {
        return Ok(());
    }
    let table = words.table.qualified();
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for the words of vectorizer \"{}\"", vectorizer.name),
    )
    .with_hint(format!("GRANT SELECT ON {table} lets a role search for words.")))
}

/// Returns the vectorizer that is named. Errors (42704) if there is none, or the caller does not see it.
fn visible(named: &Named) -> Result<Known, PgError> {
    let found = Known::find(named)?;
    found.filter(|known| known.entry.is_seen_by(current_user())).ok_or_else(|| no_such(named))
}

fn no_such(named: &Named) -> PgError {
    let which = match named {
        Named::Id(id) => format!("vectorizer with id {id}"),
        Named::Name(name) => format!("vectorizer {name:?}"),
    };
    PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("{which} does not exist"))
        .with_hint("SELECT id, name FROM ai.vectorizer shows those that there are.")
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

fn null(argument: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}
