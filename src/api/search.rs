//! `ai.search`: the chunks that are nearest to a question, in the caller's backend and with the caller's rights.

use pgrx::prelude::*;
use pgrx::{FromDatum, PgSqlErrorCode, fcinfo, pg_sys};

use super::embed::{embed_question, may_ask};
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::result::ReturnedRows;
use crate::pg::vector::Vector;
use crate::search::filter::Filter;
use crate::search::run::{Request, search};

/// The largest number of rows that a search returns.
const MOST_ROWS: i32 = 10_000;

/// A vectorizer as the caller names it.
enum Named {
    Id(i32),
    Name(String),
}

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
        // SAFETY: by the caller; the SQL signatures have these types.
        unsafe {
            Options {
                k: fcinfo::pg_getarg(call, 2),
                filter: fcinfo::pg_getarg(call, 3),
                filter_args: fcinfo::pg_getarg(call, 4),
                min_score: fcinfo::pg_getarg(call, 5),
                per_document: fcinfo::pg_getarg(call, 6),
                diversity: fcinfo::pg_getarg(call, 7),
                exact: fcinfo::pg_getarg(call, 8),
            }
        }
    }
}

/// Searches. Whatever can be refused is refused before the model is asked, and no table is locked while it is.
fn run(
    vectorizer: Option<Named>,
    question: Option<Question>,
    options: Options,
    returned: &ReturnedRows,
) -> Result<(), PgError> {
    let named = vectorizer.ok_or_else(|| null("vectorizer"))?;
    let request = request(options)?;
    let entry = visible(&named)?;
    let Some(question) = question else { return Ok(()) };

    let vector = match question {
        Question::Text(text) if text.trim().is_empty() => {
            return Err(invalid("query must not be empty").with_hint("Say what to search for."));
        }
        Question::Text(text) => match may_ask(&entry)? {
            true => embed_question(&entry, text)?,
            false => return Err(no_such(&named)),
        },
        Question::Vector(vector) => vector,
    };

    search(&entry, &Request { vector, ..request }, returned)
}

/// Returns the vectorizer that is named. Errors (42704) if there is none, or the caller does not see it.
fn visible(named: &Named) -> Result<Entry, PgError> {
    let found = match named {
        Named::Id(id) => vectorizer::by_id(*id)?,
        Named::Name(name) => vectorizer::by_name(name)?,
    };
    found.filter(|entry| entry.is_seen_by(current_user())).ok_or_else(|| no_such(named))
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
    Ok(Request {
        vector: Vec::new(),
        k: k as usize,
        filter,
        min_score: options.min_score,
        per_document,
        diversity: options.diversity.filter(|weight| *weight > 0.0),
        exact: options.exact.unwrap_or(false),
    })
}

fn null(argument: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} must not be null"))
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}
