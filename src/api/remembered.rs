//! The answer of a model that is remembered for the rest of a statement, so that an ORDER BY that asks for every row asks
//! the model once, and so does a search in several vectorizers of the same model.

use std::cell::RefCell;

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::secret::ApiKey;

use crate::catalog::definitions;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;

/// The model as the caller names it. Together with the input it identifies an answer that can be reused.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedModel {
    /// A config of an embedding, as a vectorizer has it.
    Config(serde_json::Value),
    /// The model of the vectorizer with this id.
    Id(i32),
    /// The model of the vectorizer of this name.
    Name(String),
    /// A config without a vectorizer, and the API key that the caller provides, if any.
    Given(serde_json::Value, Option<ApiKey>),
}

/// All that the answer to an input depends on, whatever the caller names the model by.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The config of the model.
    pub embedding: Embedding,
    /// The author of the config.
    pub author: Author,
    /// The key with which it is asked.
    pub key: Option<ApiKey>,
    /// True if the input is embedded as a vectorizer's question, false if as the caller says.
    pub is_question: bool,
}

/// The answer of the last call, which is reused within the same statement.
struct LastAnswer {
    statement: i64,
    /// The generation of the definitions when it was asked: a vectorizer of the same name may have another model since.
    generation: u64,
    user: pg_sys::Oid,
    model: NamedModel,
    asked: Asked,
    input: QueryInput,
    vector: Vec<f32>,
}

/// The input to be embedded.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryInput {
    /// A text, and its purpose if the caller gives it.
    Text { text: String, input_type: Option<String> },
    /// A text as token numbers.
    Tokens(Vec<u32>),
}

impl QueryInput {
    /// Returns a text as an input.
    pub fn text(text: String, input_type: Option<String>) -> Result<Self, PgError> {
        Ok(QueryInput::Text { text, input_type })
    }

    /// Returns numbers of tokens as an input. Errors if one is null or negative.
    pub fn tokens(numbers: Vec<Option<i32>>) -> Result<Self, PgError> {
        Ok(QueryInput::Tokens(numbers.into_iter().map(token).collect::<Result<_, _>>()?))
    }
}

/// Returns a token's number. Errors if it is null or negative.
fn token(number: Option<i32>) -> Result<u32, PgError> {
    let number = number.ok_or_else(|| {
        let message = "input_tokens must not contain nulls";
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, message)
    })?;
    u32::try_from(number).map_err(|_| {
        let message = "input_tokens must not contain negative numbers";
        PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
    })
}

thread_local! {
    static LAST: RefCell<Option<LastAnswer>> = const { RefCell::new(None) };
}

/// Returns the answer to the last call if it was the same, by the same user in the same statement, and no definition has changed
/// since.
pub fn remembered(model: &NamedModel, input: &QueryInput) -> Option<Vec<f32>> {
    let generation = definitions::generation();
    in_this_statement(|last| last.generation == generation && last.model == *model && last.input == *input)
}

/// Returns the answer to the last call if it asked the same, by the same user in the same statement. The caller must be
/// allowed to ask it.
pub fn remembered_of(asked: &Asked, input: &QueryInput) -> Option<Vec<f32>> {
    in_this_statement(|last| last.asked == *asked && last.input == *input)
}

fn in_this_statement(is_same: impl FnOnce(&LastAnswer) -> bool) -> Option<Vec<f32>> {
    let (statement, user) = (statement_start(), current_user());
    LAST.with_borrow(|last| {
        let last = last.as_ref().filter(|last| last.statement == statement && last.user == user)?;
        is_same(last).then(|| last.vector.clone())
    })
}

fn statement_start() -> i64 {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// Remembers the answer to a call. `generation` is that of the definitions before the model was looked up.
pub fn remember(model: NamedModel, generation: u64, asked: Asked, input: QueryInput, vector: &[f32]) {
    let (statement, user) = (statement_start(), current_user());
    LAST.set(Some(LastAnswer { statement, generation, user, model, asked, input, vector: vector.to_vec() }));
}
