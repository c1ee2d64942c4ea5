//! Checks of configs before a vectorizer is created. Error texts are pgai's where it has one.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use serde_json::Value;

use pgai_rs_pipeline::config::Author;
use pgai_rs_pipeline::failure::Failure;
use pgai_rs_pipeline::secret::ApiKey;
use pgai_rs_pipeline::{config, embed};

use super::s3_access;
use crate::catalog::relation::Column;
use crate::catalog::rights::{Right, author};
use crate::catalog::secret;
use crate::guc;
use crate::pg::error::PgError;

/// Maximum length of an identifier in bytes: Postgres's NAMEDATALEN minus one.
pub const MAX_IDENTIFIER: usize = 63;

/// Maximum number of dimensions of pgvector's `vector`.
const MAX_DIMENSIONS: u64 = 16_000;

/// Maximum `batch_size`: OpenAI's limit of inputs per request.
const MAX_BATCH_SIZE: i64 = 2_048;

const MAX_CONCURRENCY: i64 = 50;

fn raise<T>(message: impl Into<String>) -> Result<T, PgError> {
    Err(PgError::raised(message))
}

/// Makes the two checks that are common to all kinds of configs, and returns the implementation; `None` if
/// there is none.
pub fn implementation<'a>(kind: &str, config: Option<&'a Value>) -> Result<Option<&'a str>, PgError> {
    match config {
        Some(Value::Object(object)) if object.get("config_type").and_then(Value::as_str) == Some(kind) => {
            Ok(object.get("implementation").and_then(Value::as_str))
        }
        Some(Value::Object(_)) | None => raise(format!("invalid config_type for {kind} config")),
        Some(_) => raise(format!("{kind} config is not a jsonb object")),
    }
}

/// Parses a config into the pipeline's type, so that nothing is stored that the worker can't read.
pub fn readable<T: serde::de::DeserializeOwned>(kind: &str, config: Option<&Value>) -> Result<T, PgError> {
    serde_json::from_value(config.cloned().unwrap_or(Value::Null)).map_err(|error| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("invalid {kind} config: {error}"),
        )
        .with_hint(format!("Use one of the functions ai.{kind}_*() to make it."))
    })
}

/// Errors unless this is a valid name for a vectorizer.
pub fn name(name: &str) -> Result<(), PgError> {
    name_of("vectorizer", name)
}

/// Errors unless this is a valid name for an object of this kind.
pub fn name_of(kind: &str, name: &str) -> Result<(), PgError> {
    identifier_length(name)?;
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if first && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_CHECK_VIOLATION, format!("invalid {kind} name {name:?}"))
        .with_detail(
            "A name is made of lower-case letters, digits and underscores, and begins with a letter.",
        )
        .with_hint("Give another one in the argument name."))
}

/// Errors if an identifier is too long. Postgres would truncate it, and the result would not be found or mean
/// another object.
pub fn identifier_length(name: &str) -> Result<(), PgError> {
    if name.len() <= MAX_IDENTIFIER {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_NAME_TOO_LONG, format!("identifier {name:?} is too long"))
        .with_detail(format!("It has {} bytes; Postgres allows {MAX_IDENTIFIER}.", name.len()))
        .with_hint("Give a shorter one in the arguments name, or destination, target_table and view_name."))
}

/// Returns the number of dimensions of the embedding.
pub fn dimensions(embedding: &Value) -> Result<u32, PgError> {
    let Some(dimensions) = embedding.get("dimensions").filter(|d| !d.is_null()) else {
        return raise("dimensions argument is required");
    };
    match dimensions.as_u64() {
        Some(d) if (1..=MAX_DIMENSIONS).contains(&d) => Ok(d as u32),
        _ => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("dimensions must be a whole number from 1 to {MAX_DIMENSIONS}"),
        )
        .with_detail(format!("It is {dimensions}."))),
    }
}

const LOADABLE_TYPES: [&str; 5] = ["text", "varchar", "char", "bpchar", "bytea"];

/// Checks a config of `ai.loading_*`, including whether the administrator allows the owner to have it loaded.
pub fn loading(config: &Value, columns: &[Column], owner: pg_sys::Oid) -> Result<(), PgError> {
    let kind = implementation("loading", Some(config))?;
    if !matches!(kind, Some("column" | "uri")) {
        return raise("invalid loading config implementation");
    }
    let Some(name) = config.get("column_name").and_then(Value::as_str) else {
        return raise("invalid loading config, missing column_name");
    };
    if config.get("retries").and_then(Value::as_i64).is_none_or(|retries| retries < 0) {
        return raise("invalid loading config, retries must be a non-negative integer");
    }
    let Some(column) = columns.iter().find(|column| column.name == name) else {
        return raise(format!("column_name in config does not exist in the table: {name}"));
    };
    if !LOADABLE_TYPES.contains(&column.type_name.as_str()) {
        return raise(format!(
            "column_name {name} in config is of invalid type {}. Supported types are: {}",
            column.type_name,
            LOADABLE_TYPES.join(", ")
        ));
    }
    if kind == Some("uri") && column.type_name == "bytea" {
        return raise(format!(
            "the type of the column `{name}` in config is not compatible with `uri` loading \
             implementation (type should be either text, varchar, char, bpchar, or bytea)"
        ));
    }
    match readable("loading", Some(config))? {
        config::Loading::Column { .. } => Ok(()),
        loading @ config::Loading::Uri { .. } => loading_egress(&loading, owner, author(owner)),
    }
}

/// Errors if the administrator does not allow a role to have this loaded, as of the current settings.
pub fn loading_egress(loading: &config::Loading, role: pg_sys::Oid, author: Author) -> Result<(), PgError> {
    match loading {
        config::Loading::Column { .. } => Ok(()),
        config::Loading::Uri { s3, .. } => {
            Right::LoadingUri.require(role)?;
            s3_access::require_objects_allowed(&s3_access::declared_by(s3, author), None)
        }
    }
}

/// Checks a config of `ai.parsing_*`.
pub fn parsing(config: Option<&Value>, loading: &Value, columns: &[Column]) -> Result<(), PgError> {
    let kind = implementation("parsing", config)?;
    let name = loading.get("column_name").and_then(Value::as_str);
    // A missing column is an error of the loading config.
    let column = columns.iter().find(|c| Some(c.name.as_str()) == name);
    let bytea = column.map(|c| c.type_name == "bytea");
    let by_column = loading.get("implementation").and_then(Value::as_str) == Some("column");
    match kind {
        Some("none") if bytea == Some(true) => raise("cannot use parsing_none with bytea columns"),
        Some(parser @ ("pymupdf" | "docling")) if by_column && bytea == Some(false) => {
            raise(format!("parsing_{parser} must be used with a bytea column"))
        }
        Some("auto" | "none" | "pymupdf" | "docling") => Ok(()),
        _ => raise("invalid parsing config implementation"),
    }
}

/// Checks a config of `ai.destination_*` before its names are filled in.
pub fn destination(config: Option<&Value>, chunking: Option<&Value>) -> Result<(), PgError> {
    match implementation("destination", config)? {
        Some("table") => Ok(()),
        Some("column") if chunking.is_some_and(|chunking| chunking["implementation"] == "none") => Ok(()),
        Some("column") => Err(PgError::raised("chunking must be none for column destination")
            .with_hint("A column has room for one vector: add chunking => ai.chunking_none().")),
        _ => raise("invalid implementation for destination config"),
    }
}

/// Checks a config of `ai.embedding_*`. A role that is not a superuser can't send the server's API key to a
/// URL of its own.
pub fn embedding(config: &Value, owner: pg_sys::Oid) -> Result<(), PgError> {
    match implementation("embedding", Some(config))? {
        None => return raise("embedding implementation not specified"),
        Some("openai" | "ollama" | "voyageai" | "litellm") => {}
        Some(other) => return raise(format!("invalid embedding implementation: \"{other}\"")),
    }
    let embedding: config::Embedding = readable("embedding", Some(config))?;
    Right::require_to_embed(&embedding, owner)?;
    let key = secret::api_key_of(&embedding)?;
    embed::check(&embedding, author(owner), key.as_ref(), &guc::pipeline()).map_err(refused_embedding)?;
    match embed::aws_access(&embedding, author(owner)) {
        Some(access) => s3_access::require_allowed(&access).map_err(of_embedding),
        None => Ok(()),
    }
}

/// Errors if the administrator does not allow a role to have texts embedded with this API key, as of the
/// current settings.
pub fn embedding_egress(
    embedding: &config::Embedding,
    role: pg_sys::Oid,
    author: Author,
    key: Option<&ApiKey>,
) -> Result<(), PgError> {
    Right::require_to_embed(embedding, role)?;
    embed::permit(embedding, author, key, &guc::pipeline()).map_err(refused_embedding)?;
    match embed::aws_access(embedding, author) {
        Some(access) => s3_access::require_allowed(&access).map_err(of_embedding),
        None => Ok(()),
    }
}

/// Returns the error for an embedding that is refused before any request is sent.
pub fn refused_embedding(failure: Failure) -> PgError {
    let (sqlstate, detail) = match failure.code {
        "base_url_not_allowed" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some("Texts, and the server's API key, would be sent there."),
        ),
        "api_key_not_for_server" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some(
                "A key is for its provider's own server, and for those that the administrator pairs with it.",
            ),
        ),
        "aws_credentials_not_allowed" => (
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Some(
                "No role is declared that is to be assumed, and models would be invoked on the server's own bill.",
            ),
        ),
        "address_not_allowed" => (PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, None),
        "api_key_name_not_allowed" => (PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, None),
        _ => (PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, None),
    };
    let error = PgError::new(sqlstate, failure.message);
    let error = match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    };
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Adapts an error about roles, whose rules are S3's: here the option for the role has LiteLLM's name.
fn of_embedding(error: PgError) -> PgError {
    let message = error.message.replace("loading config, aws_role_arn", "embedding config, aws_role_name");
    PgError { message: message.replace("S3 can only", "Amazon Bedrock can only"), ..error }
}

/// Checks a config of `ai.chunking_*`. Sizes are checked here and not when the first document is processed.
pub fn chunking(config: Option<&Value>) -> Result<(), PgError> {
    let known = ["character_text_splitter", "recursive_character_text_splitter", "text_splitter", "none"];
    if !implementation("chunking", config)?.is_some_and(|kind| known.contains(&kind)) {
        return raise("invalid chunking config implementation");
    }
    let chunking: config::Chunking = readable("chunking", config)?;
    pgai_rs_pipeline::chunk::chunker(&chunking).map(drop).map_err(|error| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("invalid chunking config: {error}"),
        )
    })
}

/// Checks a config of `ai.formatting_*`. A template that no row can fill is refused here and not for each
/// row.
pub fn formatting(config: Option<&Value>, columns: &[Column]) -> Result<(), PgError> {
    if implementation("formatting", config)? != Some("python_template") {
        return raise("unrecognized formatting implementation");
    }
    let config::Formatting::PythonTemplate { template } = readable("formatting", config)?;
    if !template.contains("$chunk") {
        return raise("template must contain $chunk placeholder");
    }
    if columns.iter().any(|column| column.name == "chunk") {
        return raise(
            "formatting_python_template may not be used when source table has a column named \"chunk\"",
        );
    }
    let invalid = |message: String| {
        PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
            .with_hint("$name stands for a column of the source, $$ for a dollar sign.")
    };
    let parsed = pgai_rs_pipeline::format::Template::parse(&template)
        .map_err(|error| invalid(format!("invalid template: {error}")))?;
    let unknown =
        parsed.placeholders().find(|name| *name != "chunk" && !columns.iter().any(|c| c.name == *name));
    match unknown {
        Some(name) => Err(invalid(format!("the template names a column that the source has not: {name}"))),
        None => Ok(()),
    }
}

/// Checks a config of `ai.processing_*`.
pub fn processing(config: Option<&Value>) -> Result<(), PgError> {
    match implementation("processing", config)? {
        None => return raise("processing implementation not specified"),
        Some("default") => {}
        Some(other) => return raise(format!("unrecognized processing implementation: \"{other}\"")),
    }
    let limit = |key: &str, most: i64| match config.and_then(|c| c.get(key)) {
        None => Ok(()),
        Some(value) => match value.as_i64() {
            None => raise(format!("{key} must be a number")),
            Some(n) if n > most => raise(format!("{key} must be less than or equal to {most}")),
            Some(n) if n <= 0 => raise(format!("{key} must be greater than 0")),
            Some(_) => Ok(()),
        },
    };
    limit("batch_size", MAX_BATCH_SIZE)?;
    limit("concurrency", MAX_CONCURRENCY)
}
