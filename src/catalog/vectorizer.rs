//! A vectorizer as it stands in the catalog, with what the queue's statements need to know of it.

use pgrx::pg_sys;
use pgrx::JsonB;
use serde_json::Value;

use pgai_rs_pipeline::config::{Chunking, Destination, Loading, VectorizerConfig};
use pgai_rs_pipeline::format::Template;

use super::destination::{self, STORE_VECTORS};
use super::key::Key;
use super::key_columns;
use super::objects::{QueueTables, Remembered};
use super::own_columns::OwnColumns;
use super::relation::{self, Column, Relation};
use crate::pg::error::PgError;
use crate::pg::sql::{self, qualified, Row};

/// A row of `ai.vectorizer`, not yet understood.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Changes with every change of the row.
    pub version: String,
    /// The owner of the queue table.
    pub owner: pg_sys::Oid,
    /// The table that has the trigger; so that a rename of the source is followed.
    pub source: pg_sys::Oid,
    queue_schema: String,
    queue_table: String,
    config: Value,
}

/// The queue table and the trigger must be there: in the middle of a restore they are not yet, and
/// a worker that took rows for deleted would forget them. The trigger comes last in a dump.
const READY: &str = "
    FROM ai.vectorizer v
    JOIN pg_catalog.pg_namespace qn ON qn.nspname = v.queue_schema
    JOIN pg_catalog.pg_class q ON q.relnamespace = qn.oid AND q.relname = v.queue_table
    JOIN pg_catalog.pg_trigger t ON t.tgparentid = 0
         -- By its argument: a trigger's name is its table owner's to change.
         AND t.tgargs = pg_catalog.convert_to(v.id::text, 'UTF8') || '\\x00'::bytea
         -- The one that each source has, for TRUNCATE (TRIGGER_TYPE_TRUNCATE).
         AND (t.tgtype & 32) <> 0
         AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure";

const COLUMNS: &str = "v.id, v.name::text, v.xmin::text || ',' || v.ctid::text, q.relowner, t.tgrelid,
    v.queue_schema::text, v.queue_table::text, v.config";

fn entry(row: &Row<'_>) -> Result<Entry, PgError> {
    Ok(Entry {
        id: row.get(1)?,
        name: row.get(2)?,
        version: row.get(3)?,
        owner: row.get(4)?,
        source: row.get(5)?,
        queue_schema: row.get(6)?,
        queue_table: row.get(7)?,
        config: row.get::<JsonB>(8)?.0,
    })
}

/// The vectorizers that can be worked on: complete and not disabled.
pub fn enabled() -> Result<Vec<Entry>, PgError> {
    sql::read(&format!("SELECT {COLUMNS} {READY} WHERE NOT v.disabled ORDER BY v.id"), &[], entry)
}

/// The vectorizers whose objects are there, disabled ones as well.
pub fn all() -> Result<Vec<Entry>, PgError> {
    sql::query(&format!("SELECT {COLUMNS} {READY} ORDER BY v.id"), &[], entry)
}

/// A vectorizer whose objects are there; none if they are not.
pub fn by_id(id: i32) -> Result<Option<Entry>, PgError> {
    let rows = sql::read(&format!("SELECT {COLUMNS} {READY} WHERE v.id = $1"), &[id.into()], entry)?;
    Ok(rows.into_iter().next())
}

/// The same as it is now, whatever this transaction's first snapshot saw.
pub fn by_id_now(id: i32) -> Result<Option<Entry>, PgError> {
    sql::query_row(&format!("SELECT {COLUMNS} {READY} WHERE v.id = $1"), &[id.into()], entry)
}

/// The vectorizers whose source is this table or one that it is a partition of.
pub fn by_ancestor(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    let ancestors = "SELECT a.relid FROM pg_catalog.pg_partition_ancestors($1) a";
    sql::query(
        &format!("SELECT {COLUMNS} {READY} WHERE t.tgrelid IN ({ancestors}) ORDER BY v.id"),
        &[relation.into()],
        entry,
    )
}

/// The vectorizers whose source is this table or one that inherits its columns.
pub fn by_descendant(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    sql::query(
        &format!(
            "WITH RECURSIVE d (relid) AS (
                 SELECT $1::pg_catalog.oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN d ON i.inhparent = d.relid)
             SELECT {COLUMNS} {READY} WHERE t.tgrelid IN (SELECT d.relid FROM d) ORDER BY v.id"
        ),
        &[relation.into()],
        entry,
    )
}

/// The vectorizers whose source is this table.
pub fn by_source(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    sql::query(
        &format!("SELECT {COLUMNS} {READY} WHERE t.tgrelid = $1 ORDER BY v.id"),
        &[relation.into()],
        entry,
    )
}

/// A vectorizer, understood.
#[derive(Debug)]
pub struct Vectorizer {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// As whom its work is done.
    pub owner: pg_sys::Oid,
    /// Its config.
    pub config: VectorizerConfig,
    /// The source.
    pub source: Relation,
    /// The source's columns.
    pub columns: Vec<Column>,
    /// The source's primary key.
    pub key: Key,
    /// Its queue.
    pub queue: QueueTables,
    /// What the queue's own columns are called.
    pub own: OwnColumns,
    /// What it remembers of each row.
    pub remembered: Remembered,
    /// The columns of the source that have vectors: its own, if its destination is one, and other
    /// vectorizers'.
    pub embedding_columns: Vec<String>,
}

impl Entry {
    /// Its config, as it is stored.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Its queue.
    pub fn queue(&self) -> QueueTables {
        QueueTables::new(self.id, &self.queue_schema, Some(&self.queue_table))
    }

    /// Its store, qualified; none if its vectors go to a column of the source.
    pub fn store(&self) -> Option<String> {
        let text = |key: &str| self.config["destination"][key].as_str();
        Some(qualified(text("target_schema")?, text("target_table")?))
    }

    /// Reads what else there is to know.
    pub fn understand(&self) -> Result<Vectorizer, PgError> {
        let config: VectorizerConfig = serde_json::from_value(self.config.clone()).map_err(|error| {
            PgError::raised(format!("the config of vectorizer {} can't be read: {error}", self.name))
        })?;
        let gone = || PgError::raised(format!("the source of vectorizer {} is gone", self.name));
        let source = Relation::load(self.source)?.ok_or_else(gone)?;
        let key = Key::of(self.source)?.ok_or_else(|| {
            PgError::raised(format!("the source of vectorizer {} has lost its primary key", self.name))
                .with_hint(
                    "ALTER TABLE … ADD PRIMARY KEY with the columns of before, or drop the vectorizer.",
                )
        })?;
        key_columns::require(&self.name, &self.queue(), self.store(), self.source, &key)?;
        let columns = relation::columns(self.source)?;
        self.require_embedding_column(&config, &columns)?;
        let queue = self.queue();
        Ok(Vectorizer {
            id: self.id,
            name: self.name.clone(),
            owner: self.owner,
            columns,
            remembered: self.remembered(&config, &queue.origin)?,
            embedding_columns: embedding_columns(self.source)?,
            own: OwnColumns::of(&queue, key.columns().iter().map(|column| column.name.clone()).collect())?,
            source,
            key,
            queue,
            config,
        })
    }

    /// The column of the source that its vectors go to; none if they go to a store.
    pub fn embedding_column(&self) -> Option<&str> {
        self.config.pointer("/destination/embedding_column")?.as_str()
    }

    /// A column that its vectors go to must be there. It has room for the vector of a whole row only.
    fn require_embedding_column(&self, config: &VectorizerConfig, columns: &[Column]) -> Result<(), PgError> {
        let Destination::Column { embedding_column } = &config.destination else { return Ok(()) };
        if !columns.iter().any(|column| column.name == *embedding_column) {
            return Err(PgError::new(
                pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("the source of vectorizer {} has no column {embedding_column:?}", self.name),
            )
            .with_hint("Add the column again and run ai.resync(), or drop the vectorizer."));
        }
        match config.chunking {
            Chunking::None => Ok(()),
            _ => Err(PgError::raised(format!(
                "vectorizer {} has chunks and a column for one vector",
                self.name
            ))
            .with_hint("Drop the vectorizer and create it anew, with ai.chunking_none().")),
        }
    }

    /// What is remembered of objects can be done without; what is remembered of texts can't.
    fn remembered(&self, config: &VectorizerConfig, origin: &str) -> Result<Remembered, PgError> {
        match Remembered::of(&config.destination, &config.loading) {
            known if known == Remembered::Nothing || exists(origin)? => Ok(known),
            Remembered::Input => {
                Err(PgError::raised(format!("the table {origin} of vectorizer {} is gone", self.name))
                    .with_hint("Drop the vectorizer and create it anew."))
            }
            Remembered::Object | Remembered::Nothing => Ok(Remembered::Nothing),
        }
    }
}

/// The columns of a table to which vectorizers write.
fn embedding_columns(source: pg_sys::Oid) -> Result<Vec<String>, PgError> {
    let entries =
        sql::read(&format!("SELECT {COLUMNS} {READY} WHERE t.tgrelid = $1"), &[source.into()], entry)?;
    Ok(entries.iter().filter_map(Entry::embedding_column).map(str::to_owned).collect())
}

/// Whether there is a table of this name.
fn exists(table: &str) -> Result<bool, PgError> {
    let there = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    let found = sql::read(there, &[table.to_owned().into()], |row| row.get::<bool>(1))?;
    Ok(found.first() == Some(&true))
}

impl Vectorizer {
    /// The columns that the template names, in the source's order.
    pub fn template_columns(&self) -> Result<Vec<&Column>, PgError> {
        let pgai_rs_pipeline::config::Formatting::PythonTemplate { template } = &self.config.formatting;
        let template = Template::parse(template).map_err(|error| PgError::raised(error.to_string()))?;
        let named: Vec<&str> = template.placeholders().filter(|name| *name != "chunk").collect();
        Ok(self.columns.iter().filter(|column| named.contains(&column.name.as_str())).collect())
    }

    /// The store, qualified; none if vectors go to a column of the source.
    pub fn store(&self) -> Option<String> {
        destination::store(&self.config.destination)
    }

    /// The table that has the vectors, qualified, and its column for them.
    pub fn vectors(&self) -> (String, &str) {
        match &self.config.destination {
            Destination::Table { target_schema, target_table, .. } => {
                (qualified(target_schema, target_table), STORE_VECTORS)
            }
            Destination::Column { embedding_column } => (self.source.qualified(), embedding_column),
        }
    }

    /// The tables that say which rows have been embedded, and go with them: the store, and what is
    /// remembered.
    pub fn tables_of_chunks(&self) -> Vec<String> {
        let remembered = (self.remembered != Remembered::Nothing).then(|| self.queue.origin.clone());
        self.store().into_iter().chain(remembered).collect()
    }

    /// The columns whose change makes a row be worked on again when a user writes it, besides the key.
    ///
    /// For a document that lies elsewhere any column: touching `updated_at` is how a user says that
    /// the object changed. But no column to which vectorizers write.
    pub fn watched_columns(&self) -> Result<Vec<&Column>, PgError> {
        match &self.config.loading {
            Loading::Uri { .. } => Ok(self.seen(|column| !self.embedding_columns.contains(&column.name))),
            Loading::Column { .. } => self.read_columns(),
        }
    }

    /// The columns of which the chunks are made.
    pub fn read_columns(&self) -> Result<Vec<&Column>, PgError> {
        let (template, loading) = (self.template_columns()?, self.config.loading.column_name());
        Ok(self.seen(|column| column.name == loading || template.contains(&column)))
    }

    /// Those of the columns that a trigger sees; in place of a virtual one those that it is generated
    /// from.
    fn seen(&self, used: impl Fn(&Column) -> bool) -> Vec<&Column> {
        let below: Vec<&String> =
            self.columns.iter().filter(|c| used(c)).flat_map(|column| &column.virtual_from).collect();
        let seen = |c: &&Column| c.virtual_from.is_empty() && (used(c) || below.contains(&&c.name));
        self.columns.iter().filter(seen).collect()
    }

    /// The type of the column that is loaded.
    pub fn loading_type(&self) -> Result<&str, PgError> {
        let name = self.config.loading.column_name();
        self.columns.iter().find(|c| c.name == name).map(|c| c.type_name.as_str()).ok_or_else(|| {
            PgError::new(
                pgrx::PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("the source of vectorizer {} has no column {name:?}", self.name),
            )
            .with_hint("Rename the column back, or drop the vectorizer and create it anew.")
        })
    }
}
