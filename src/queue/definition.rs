//! A vectorizer's definition, as the queue's statements need it.

use pgai_rs_pipeline::config::{self, Loading, VectorType};
use pgai_rs_queue::definition::{Definition, Field, Target, Words};
use pgai_rs_queue::statements::Statements;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog;
use crate::catalog::destination::{is_cited, qualified_type, store_columns};
use crate::catalog::texts;
use crate::catalog::vectorizer::Vectorizer;
use crate::catalog::words::Configuration;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::read_now;

/// Returns what the statements of a vectorizer are made of, with the text search configuration of its words, if they are
/// kept. Errors if a column that the statements name is missing. It must be called within a transaction.
pub fn of(v: &Vectorizer, configuration: Option<&Configuration>) -> Result<Definition, PgError> {
    let target = match &v.config.destination {
        config::Destination::Column { embedding_column, .. } => Target::Column(embedding_column.clone()),
        config::Destination::Table { .. } => {
            let store = v.vectors().0;
            require_own_columns(v, &store)?;
            Target::Store(store)
        }
    };
    let loaded =
        Field { name: v.config.loading.column_name().to_owned(), type_name: v.loading_type()?.to_owned() };
    let fields = v.template_columns()?.into_iter();

    Ok(Definition {
        id: v.id,
        source: v.source.qualified(),
        source_oid: v.source.oid.to_u32(),
        in_hierarchy: v.source.in_hierarchy,
        key: v.key.clone(),
        tables: v.queue.clone(),
        own: v.own.clone(),
        loaded,
        by_address: matches!(v.config.loading, Loading::Uri { .. }),
        fields: fields.map(|c| Field { name: c.name.clone(), type_name: c.type_name.clone() }).collect(),
        target,
        // Postgres converts it to the type of the column.
        vector_type: qualified_type(VectorType::Vector)?,
        remembered: v.remembered,
        texts: texts::of(v)?,
        cited: is_cited(&v.config.destination),
        words: configuration.map(|configuration| words(v, configuration)).transpose()?,
        statements: Statements::default(),
    })
}

/// Returns the table of the chunks' words with what makes them. Errors if the table, or one of its columns, is gone.
fn words(v: &Vectorizer, configuration: &Configuration) -> Result<Words, PgError> {
    const MADE_ANEW: &str = "Use ai.alter_vectorizer() with search => ai.search_hybrid() to make it anew, or with \
                             ai.search_none() to keep no words.";

    let Some(words) = &v.words else {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("the table of words of vectorizer \"{}\" does not exist", v.name),
        )
        .with_hint(MADE_ANEW));
    };
    let table = words.table.qualified();
    if let Some(name) = absent(words.table.oid, &catalog::words::COLUMNS)? {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("the table of words of vectorizer \"{}\" has no column {name:?}", v.name),
        )
        .with_detail(format!("The table is {table}."))
        .with_hint("Rename the column back, or drop the table."));
    }
    Ok(Words { table, configuration: Some(configuration.oid.to_u32()) })
}

/// Returns those of the column names `$2` that the table `$1` lacks.
const ABSENT: &str = "
    SELECT c.name
    FROM pg_catalog.unnest($2::text[]) c (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = $1 AND a.attname = c.name AND NOT a.attisdropped)";

/// Returns one of these columns that a table lacks; `None` if it has all.
fn absent(table: pg_sys::Oid, columns: &[&str]) -> Result<Option<String>, PgError> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let read = || read_now(ABSENT, &[table.into(), columns.into()], |row| row.get::<String>(1));
    Ok(as_superuser(read)?.into_iter().next())
}

/// Errors if one of the store's own columns was renamed or dropped.
fn require_own_columns(v: &Vectorizer, store: &str) -> Result<(), PgError> {
    let own = store_columns(is_cited(&v.config.destination));
    let Some(name) = absent(v.table_of_vectors(), &own)? else { return Ok(()) };

    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("the store of vectorizer {} has no column {name:?}", v.name),
    )
    .with_detail(format!("The table is {store}."))
    .with_hint("Rename the column back, or drop the vectorizer and create it anew."))
}
