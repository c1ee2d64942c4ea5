//! Configs of `ai.indexing_*`: resolved and checked when a vectorizer is created.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::{Value, json};

use pgai_rs_pipeline::config::indexing::{Element, Indexing, hnsw};
use pgai_rs_pipeline::config::{Destination, VectorType, VectorizerConfig};

use super::config::ConfigPart;
use super::destination::ResolvedType;
use crate::catalog::destination::STORE_VECTORS;
use crate::catalog::relation::Relation;
use crate::guc;
use crate::index::require_room;
use crate::pg::error::PgError;
use crate::pg::sql;

/// Minimum number of rows for an index; pgai's default.
const DEFAULT_MIN_ROWS: i32 = 100_000;

/// Returns the config as it is stored, with `default` resolved. Errors if it is invalid, its access method is
/// not installed or it can't index so many dimensions.
pub fn resolve(config: ConfigPart<Indexing>, dimensions: u32) -> Result<ConfigPart<Indexing>, PgError> {
    let resolved = match config.implementation()? {
        Some("default") => ConfigPart::parse("indexing", Some(default_config(dimensions))),
        Some(_) | None => config,
    };
    let indexing = check(&resolved)?;
    require_access_method(indexing)?;
    require_room(indexing, dimensions)?;
    Ok(resolved)
}

/// Errors (0A000) if the access method can't index vectors of this type.
pub fn require_support(indexing: &Indexing, stored: VectorType) -> Result<(), PgError> {
    if indexing.takes(stored) {
        return Ok(());
    }
    let (method, kind) = (indexing.access_method().unwrap_or("none"), stored.name());
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("access method \"{method}\" does not support vectors of type {kind}"),
    )
    .with_hint("Use ai.indexing_hnsw(), or create the vectorizer with vector_type => 'vector'."))
}

/// Checks a config other than `default`, as far as that is possible without a query.
pub fn check(config: &ConfigPart<Indexing>) -> Result<&Indexing, PgError> {
    match config.implementation()? {
        None => return Err(PgError::raised("indexing implementation not specified")),
        Some("none" | "hnsw" | "diskann") => {}
        Some(other) => {
            return Err(PgError::raised(format!("invalid indexing implementation: \"{other}\"")));
        }
    }
    let indexing = config.readable()?;
    indexing.check().map_err(PgError::raised)?;
    Ok(indexing)
}

/// Returns the config that `ai.indexing_default()` stands for. pgai's setting takes precedence, for users who
/// migrate with it, and means the same as in pgai.
pub fn default_config(dimensions: u32) -> Value {
    let chosen = match guc::foreign(c"ai.indexing_default").as_deref() {
        None => guc::indexing_default(),
        Some("indexing_hnsw") => "hnsw",
        Some("indexing_diskann") => "diskann",
        Some(_) => "none",
    };
    // The default must not lead to an index that can't be built.
    if chosen == "none" || (chosen == "hnsw" && dimensions > hnsw::MAX_HALFVEC) {
        return json!({"config_type": "indexing", "implementation": "none"});
    }

    let mut config = json!({
        "config_type": "indexing",
        "implementation": chosen,
        "min_rows": DEFAULT_MIN_ROWS,
        "create_when_queue_empty": true,
    });
    if chosen == "hnsw" {
        config["opclass"] = json!("vector_cosine_ops");
    }
    config
}

fn require_access_method(indexing: &Indexing) -> Result<(), PgError> {
    let Some(method) = indexing.access_method() else { return Ok(()) };
    let found = sql::read(
        "SELECT FROM pg_catalog.pg_am WHERE amname::text = $1 AND amtype = 'i'",
        &[method.to_owned().into()],
        |_| Ok(()),
    )?;
    if !found.is_empty() {
        return Ok(());
    }

    let hint = match indexing {
        Indexing::Diskann { .. } => {
            "Install pgvectorscale and run CREATE EXTENSION vectorscale, or use ai.indexing_hnsw()."
        }
        _ => "Upgrade pgvector to 0.7 or later, or use ai.indexing_none().",
    };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        format!("access method \"{method}\" does not exist"),
    )
    .with_hint(hint))
}

/// Raises a notice if half precision was chosen, if searches need a particular expression to use the index, or if no index
/// will be built.
pub fn announce(config: &VectorizerConfig, vector_type: ResolvedType, source: &Relation) {
    let Ok(indexing) = config.indexing.get() else { return };
    let dimensions = config.embedding.dimensions();
    let column = match &config.destination {
        Destination::Table { .. } => STORE_VECTORS,
        Destination::Column { embedding_column, .. } => embedding_column,
    };
    let column = sql::ident(column);
    let too_many =
        format!("An hnsw index cannot contain vectors of more than {} dimensions.", hnsw::MAX_VECTOR);

    if vector_type == ResolvedType::Chosen(VectorType::Halfvec) {
        notice(
            format!("the vectors will be stored in half precision, as halfvec({dimensions})"),
            &too_many,
            "To store them in full precision, specify vector_type => 'vector' in ai.destination_table() or \
             ai.destination_column().",
        );
    }
    if column != STORE_VECTORS && source.kind == 'p' && *indexing != Indexing::None {
        notice(
            format!("no vector index will be built on the partitioned table {}", source.qualified()),
            "Postgres cannot build an index on a partitioned table concurrently.",
            "Run CREATE INDEX CONCURRENTLY on each partition.",
        );
    } else if dimensions > hnsw::MAX_VECTOR
        && indexing.element(vector_type.get(), dimensions) == Element::CastToHalfvec
    {
        notice(
            format!("the vector index will be on the expression {column}::halfvec({dimensions})"),
            &too_many,
            &format!(
                "To use it, order searches by {column}::halfvec({dimensions}) <=> question::halfvec({dimensions})."
            ),
        );
    }
}

fn notice(message: String, detail: &str, hint: &str) {
    ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "")
        .set_detail(detail)
        .set_hint(hint)
        .report(PgLogLevel::NOTICE);
}
