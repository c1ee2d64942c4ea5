//! `ai.vectorizer_embed`: embeds a query with a vectorizer's own model, in the caller's backend.

use std::future::Future;
use std::slice;

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, fcinfo, pg_sys};

use pgai_rs_pipeline::config::{Author, Embedding};
use pgai_rs_pipeline::embed;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::secret::{ApiKey, Secret};

use super::network::await_answer;
use super::remembered::{Asked, NamedModel, QueryInput, remember, remembered, remembered_of};
use crate::access;
use crate::catalog::binding::{self, Relations};
use crate::catalog::definitions;
use crate::catalog::usage::QueryBill;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::visibility::may_read;
use crate::catalog::{rights, secret, spending};
use crate::declare;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, with_row_security};
use crate::pg::json::Json;
use crate::pg::sql::{self, Row};
use crate::pg::vector;
use crate::shared::used::Asking;

// `$read` turns the three arguments into the model and the input.
macro_rules! embed_function {
    ($name:ident, $info:ident, $argument:ty, $input:ty, $read:expr) => {
        #[doc = concat!("`pg_finfo` record of [`", stringify!($name), "`].")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> *const pg_sys::Pg_finfo_record {
            const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
            &RECORD
        }

        #[doc = "An overload of `ai.vectorizer_embed`, `ai._embed` or `ai._embed_tokens`."]
        ///
        /// # Safety
        /// Called by Postgres with a call record of the declared signature.
        #[unsafe(no_mangle)]
        #[pg_guard]
        pub unsafe extern "C-unwind" fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the SQL signature has arguments of these types, and a text.
            let (argument, input, third) = unsafe {
                (
                    fcinfo::pg_getarg::<$argument>(call, 0),
                    fcinfo::pg_getarg::<$input>(call, 1),
                    fcinfo::pg_getarg::<String>(call, 2),
                )
            };
            let asked = argument.zip(input).map(|(argument, input)| {
                let (model, input) = ($read)(argument, input, third);
                embed_remembered(model, input?)
            });
            let answered = asked.transpose().and_then(|asked| match asked.flatten() {
                Some(vector) => vector::datum(&vector).map(Some),
                None => Ok(None),
            });
            match answered {
                Ok(Some(vector)) => vector,
                // SAFETY: the call record is live.
                Ok(None) => unsafe { fcinfo::pg_return_null(call) },
                Err(error) => error.throw(),
            }
        }
    };
}

embed_function!(
    vectorizer_embed_config,
    pg_finfo_vectorizer_embed_config,
    Json,
    String,
    |config, text, purpose| (of_config(config), QueryInput::text(text, purpose))
);
embed_function!(vectorizer_embed_id, pg_finfo_vectorizer_embed_id, i32, String, |id, text, purpose| (
    NamedModel::Id(id),
    QueryInput::text(text, purpose)
));
embed_function!(
    vectorizer_embed_name,
    pg_finfo_vectorizer_embed_name,
    String,
    String,
    |name, text, purpose| (NamedModel::Name(name), QueryInput::text(text, purpose))
);
embed_function!(embed_given, pg_finfo_embed_given, Json, String, |config, text, key| (
    given(config, key),
    QueryInput::text(text, None)
));
embed_function!(
    embed_tokens_given,
    pg_finfo_embed_tokens_given,
    Json,
    Vec<Option<i32>>,
    |config, tokens, key| (given(config, key), QueryInput::tokens(tokens))
);

fn of_config(config: Json) -> NamedModel {
    NamedModel::Config(config.0)
}

fn given(config: Json, key: Option<String>) -> NamedModel {
    NamedModel::Given(config.0, key.map(callers_key))
}

/// Returns an API key that the caller provides.
pub fn callers_key(key: String) -> ApiKey {
    ApiKey::of_caller(Secret::new(key))
}

/// Returns the vector of an input, from the last call if that was the same; `None` if there is no such
/// vectorizer, as in pgai.
fn embed_remembered(model: NamedModel, input: QueryInput) -> Result<Option<Vec<f32>>, PgError> {
    if let Some(known) = remembered(&model, &input) {
        return Ok(Some(known));
    }
    match asked(&model)? {
        Some(resolved) => embed_anew(model, input, resolved).map(|embedded| Some(embedded.vector)),
        None => Ok(None),
    }
}

/// The vector of a question.
pub struct Embedded {
    /// The vector.
    pub vector: Vec<f32>,
    /// The tokens that were spent, by estimate; `None` if the model was not asked, for it was asked the same before.
    pub tokens: Option<u64>,
}

/// Returns the vector of a question to a vectorizer, from the last call if that was the same. The caller must be one
/// of its readers.
pub fn embed_question(entry: &Entry, question: String) -> Result<Embedded, PgError> {
    let model = NamedModel::Id(entry.id);
    let input = QueryInput::text(question, None)?;
    match remembered(&model, &input) {
        Some(vector) => Ok(Embedded { vector, tokens: None }),
        None => embed_anew(model, input, of_vectorizer(entry)?),
    }
}

/// Asks a model, unless it was asked the same in this statement, and remembers its answer for the rest of the statement.
fn embed_anew(model: NamedModel, input: QueryInput, resolved: ResolvedModel) -> Result<Embedded, PgError> {
    let ResolvedModel { generation, embedding, role, author, vectorizer } = resolved;
    let callers = match &model {
        NamedModel::Given(_, own) => own.as_ref(),
        NamedModel::Id(_) | NamedModel::Name(_) | NamedModel::Config(_) => None,
    };
    let key = key_for(&embedding, callers)?;
    access::embedding::require_allowed(&embedding, role, author, key.as_ref())?;

    let is_question = !matches!(model, NamedModel::Given(..));
    let asked = Asked { embedding, author, key, is_question };
    let embedded = match remembered_of(&asked, &input) {
        Some(vector) => Embedded { vector, tokens: None },
        None => ask(&asked, &input, vectorizer)?,
    };
    remember(model, generation, asked, input, &embedded.vector);
    Ok(embedded)
}

/// A model to be asked.
struct ResolvedModel {
    /// The generation of the definitions before it was looked up.
    generation: u64,
    /// Its config.
    embedding: Embedding,
    /// The role whose rights decide where a request may go.
    role: pg_sys::Oid,
    /// The author of the config.
    author: Author,
    /// The vectorizer whose model it is.
    vectorizer: Option<i32>,
}

/// Returns the config of a model and the role that it is checked for: for a vectorizer its owner, for a
/// caller's own config the caller. Returns `None` if there is no such vectorizer or the caller does not see
/// it.
fn asked(model: &NamedModel) -> Result<Option<ResolvedModel>, PgError> {
    let generation = definitions::generation();
    let found = match model {
        NamedModel::Config(config) | NamedModel::Given(config, _) => {
            let role = current_user();
            let embedding = declare::embedding::of_caller(config.clone())?;
            return Ok(Some(ResolvedModel {
                generation,
                embedding,
                role,
                author: rights::author(role),
                vectorizer: None,
            }));
        }
        NamedModel::Id(id) => vectorizer::by_id(*id)?,
        NamedModel::Name(name) => vectorizer::by_name(name)?,
    };
    let Some(entry) = found else { return incomplete(model) };

    match may_ask(&entry)? {
        true => of_vectorizer(&entry).map(Some),
        false => Ok(None),
    }
}

/// Returns whether the caller may ask the model of a vectorizer; false if the caller does not see the vectorizer.
/// Errors (42501) if the caller does, and can't read its vectors.
pub fn may_ask(entry: &Entry) -> Result<bool, PgError> {
    if is_reader(entry) {
        return Ok(true);
    }
    match entry.is_seen_by(current_user()) {
        true => Err(not_a_reader(entry)),
        false => Ok(false),
    }
}

/// Returns the model of a vectorizer.
fn of_vectorizer(entry: &Entry) -> Result<ResolvedModel, PgError> {
    // The rights that decide must be the owner's, and not those of a role that was given the source.
    entry.relations.require_one_owner()?;
    let embedding = entry.model()?.clone();
    Ok(ResolvedModel {
        generation: entry.generation,
        embedding,
        role: entry.owner(),
        author: entry.author(),
        vectorizer: Some(entry.id),
    })
}

/// Returns the config of a vectorizer with missing relations, if the caller sees it. Its owner is unknown: it
/// is used with the caller's rights, and its author counts as a superuser only if it was declared for one.
fn incomplete(model: &NamedModel) -> Result<Option<ResolvedModel>, PgError> {
    let (condition, argument) = match model {
        NamedModel::Id(id) => ("v.id OPERATOR(pg_catalog.=) $1", (*id).into()),
        NamedModel::Name(name) => ("v.name::text OPERATOR(pg_catalog.=) $1", name.clone().into()),
        NamedModel::Config(_) | NamedModel::Given(..) => return Ok(None),
    };
    let look = format!(
        "SELECT v.config OPERATOR(pg_catalog.->) 'embedding', {} FROM ai.vectorizer v WHERE {condition}",
        binding::for_superuser()
    );
    let read = |row: &Row<'_>| Ok((row.get::<JsonB>(1)?, row.get::<bool>(2)?));
    let found = with_row_security(|| sql::read(&look, &[argument], read))?;

    let Some((config, for_superuser)) = found.into_iter().next() else { return Ok(None) };
    let role = current_user();
    let author = match for_superuser {
        true => rights::author(role),
        false => Author::Other,
    };
    let embedding = declare::embedding::of_caller(config.0)?;
    // It is not remembered by its name.
    Ok(Some(ResolvedModel { generation: 0, embedding, role, author, vectorizer: None }))
}

/// Returns whether the caller can read the vectors: the owner pays for a question, which is of no use without
/// them.
fn is_reader(entry: &Entry) -> bool {
    let Relations { source, store, view, .. } = &entry.relations;
    let tables = match store {
        Some(store) => [Some(store), view.as_ref()],
        None => [Some(source), None],
    };
    tables.into_iter().flatten().any(|table| may_read(current_user(), table.oid))
}

fn not_a_reader(entry: &Entry) -> PgError {
    let Relations { source, store, .. } = &entry.relations;
    let table = store.as_ref().unwrap_or(source).qualified();
    PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("permission denied for the model of vectorizer \"{}\"", entry.name),
    )
    .with_detail("Requests to the model are made at the owner's expense.")
    .with_hint(format!("GRANT SELECT ON {table}, or on the view beside it, lets a role search."))
}

/// Returns the API key that the caller provides, else the one that the config names; `None` if there is
/// neither.
pub fn key_for(embedding: &Embedding, callers: Option<&ApiKey>) -> Result<Option<ApiKey>, PgError> {
    match callers {
        Some(own) => Ok(Some(own.clone())),
        None => secret::api_key_of(embedding),
    }
}

/// Asks the model for a vector: a vectorizer's model as for a query, a given model as for documents. What a query uses is
/// counted for its vectorizer.
fn ask(asked: &Asked, input: &QueryInput, vectorizer: Option<i32>) -> Result<Embedded, PgError> {
    let tokens = match input {
        QueryInput::Text { text, .. } => embed::estimated_tokens(text),
        QueryInput::Tokens(tokens) => tokens.len(),
    } as u64;
    let settings = guc::pipeline();
    let Asked { embedding, author, key, is_question } = asked;
    let (author, key) = (*author, key.clone());
    let model = embed::model_name(embedding, &settings).ok();
    let query = QueryBill::open(vectorizer, Asking::Embedding, model, tokens)?;
    spending::spend_in_session(tokens)?;

    let vector = match input {
        QueryInput::Tokens(tokens) => wait(embed::embed_tokens(embedding, author, key, &settings, tokens))?,
        QueryInput::Text { text, input_type } if *is_question => {
            let input_type = input_type.as_deref();
            wait(embed::embed_query(embedding, author, key, &settings, text, input_type, query.bill()))?
        }
        QueryInput::Text { text, .. } => {
            let texts = slice::from_ref(text);
            let mut vectors = wait(embed::embed_texts(embedding, author, key, &settings, texts))?;
            vectors.pop().ok_or_else(|| PgError::raised("the model returned no vector"))?
        }
    };
    Ok(Embedded { vector, tokens: Some(tokens) })
}

/// Asks the model for the vectors of texts.
pub fn ask_all(
    embedding: &Embedding,
    author: Author,
    key: Option<ApiKey>,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, PgError> {
    spending::spend_in_session(texts.iter().map(|text| embed::estimated_tokens(text) as u64).sum())?;
    let settings = guc::pipeline();
    wait(embed::embed_texts(embedding, author, key, &settings, texts))
}

/// Waits for the model, but at most `pgai_rs.query_timeout`, and still reacts to Ctrl-C and a shutdown.
fn wait<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, PgError> {
    let timeout = guc::query_timeout();
    match await_answer(timeout, answer)? {
        Some(answer) => answer.map_err(embedding_failed),
        None => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
            format!("the model did not answer within {} ms", timeout.as_millis()),
        )
        .with_hint("Increase pgai_rs.query_timeout, or check whether the provider works.")),
    }
}

fn embedding_failed(failure: Failure) -> PgError {
    let error = match failure.code {
        "invalid_embedding" => PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, failure.message),
        code => PgError::new(PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, failure.message)
            .with_detail(format!("The failure has the code {code}.")),
    };
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
