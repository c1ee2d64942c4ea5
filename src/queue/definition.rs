//! The names and expressions that the queue's SQL is made of.

use pgai_rs_pipeline::config::{self, Loading};
use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::destination::vector_type;
use crate::catalog::key::{Key, KeyValues, transpose};
use crate::catalog::queue_tables::{OwnColumns, QueueTables, Remembered};
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::read_now;

/// A column of the source that is read.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The unqualified name of its type, such as `text`; for a domain, that of its base type.
    pub type_name: String,
}

/// The place where the vectors go.
#[derive(Debug, Clone)]
pub enum Target {
    /// A store of chunks, by its qualified name.
    Store(String),
    /// A column of the source, by its name.
    Column(String),
}

/// A vectorizer as its queue's statements need it: nothing here is missing or left to be checked.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The vectorizer's id.
    pub id: i32,
    /// The qualified name of the source.
    pub source: String,
    /// The OID of the source.
    pub source_oid: pg_sys::Oid,
    /// True if the source is a partitioned table, or one that inherits or is inherited.
    pub in_hierarchy: bool,
    /// The key of the source and of all tables of the queue.
    pub key: Key,
    /// The names of the queue's tables.
    pub tables: QueueTables,
    /// The names of the queue's own columns.
    pub own: OwnColumns,
    /// The column that is loaded.
    pub loaded: Field,
    /// True if the loaded column holds the addresses of documents, false if it holds the documents.
    pub by_address: bool,
    /// The columns that the template names, in the source's order.
    pub fields: Vec<Field>,
    /// The place where the vectors go.
    pub target: Target,
    /// The qualified name of pgvector's type.
    pub vector_type: String,
    /// The information that is remembered for each row.
    pub remembered: Remembered,
}

impl Definition {
    /// Returns what the statements of a vectorizer are made of. Errors if a column that they name is missing.
    /// It must be called within a transaction.
    pub fn of(v: &Vectorizer) -> Result<Definition, PgError> {
        let target = match &v.config.destination {
            config::Destination::Column { embedding_column } => Target::Column(embedding_column.clone()),
            config::Destination::Table { .. } => {
                let store = v.vectors().0;
                require_own_columns(v, &store)?;
                Target::Store(store)
            }
        };
        let loaded = Field {
            name: v.config.loading.column_name().to_owned(),
            type_name: v.loading_type()?.to_owned(),
        };
        let fields = v.template_columns()?.into_iter();

        Ok(Definition {
            id: v.id,
            source: v.source.qualified(),
            source_oid: v.source.oid,
            in_hierarchy: v.source.in_hierarchy,
            key: v.key.clone(),
            tables: v.queue.clone(),
            own: v.own.clone(),
            loaded,
            by_address: matches!(v.config.loading, Loading::Uri { .. }),
            fields: fields.map(|c| Field { name: c.name.clone(), type_name: c.type_name.clone() }).collect(),
            target,
            vector_type: vector_type()?,
            remembered: v.remembered,
        })
    }

    /// Returns the parameters for [`Key::given`](crate::catalog::key::Key::given), to which more can be
    /// added.
    pub fn keys<'a>(&self, keys: impl Iterator<Item = &'a KeyValues>) -> Vec<DatumWithOid<'static>> {
        transpose(keys, self.key.len()).into_iter().map(DatumWithOid::from).collect()
    }
}

/// Returns those of the column names `$2` that the table `$1` lacks.
const ABSENT: &str = "
    SELECT c.name
    FROM pg_catalog.unnest($2::text[]) c (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = c.name AND NOT a.attisdropped)";

/// Errors if one of the store's own columns was renamed or dropped.
fn require_own_columns(v: &Vectorizer, store: &str) -> Result<(), PgError> {
    let own = ["embedding_uuid", "chunk_seq", "chunk", "embedding"].map(str::to_owned).to_vec();
    let absent = as_superuser(|| {
        read_now(ABSENT, &[store.to_owned().into(), own.into()], |row| row.get::<String>(1))
    })?;
    let Some(name) = absent.first() else { return Ok(()) };

    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("the store of vectorizer {} has no column {name:?}", v.name),
    )
    .with_detail(format!("The table is {store}."))
    .with_hint("Rename the column back, or drop the vectorizer and create it anew."))
}
