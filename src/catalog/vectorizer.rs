//! A vectorizer as it is in the catalog, with what the queue's statements need.

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};
use serde::Deserialize;
use serde_json::Value;

use pgai_rs_pipeline::config::{Author, Destination, Embedding, VectorizerConfig};
use pgai_rs_queue::sql::trigger::Followers;

use super::binding::{self, COLUMNS, Relations};
use super::definitions;
use super::destination::{self, STORE_VECTORS};
use super::fit;
use super::hierarchy;
use super::key::{self, Key};
use super::key_columns;
use super::queue_tables::{self, OwnColumns, QueueTables, Remembered};
use super::relation::{self, Column, Relation};
use super::rights::author;
use super::schema;
use super::table::Table;
use super::triggers::Identity;
use super::visibility;
use super::words::Words;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::{TOO_LARGE, bounded};
use crate::pg::sql::{self, Row, qualified};

/// A row of `ai.vectorizer`, with its relations in this database.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: i32,
    /// Its UUID; `None` if the extension's objects are older than UUIDs.
    pub uuid: Option<String>,
    /// Its name.
    pub name: String,
    /// A value that changes with every change of the row.
    pub version: String,
    /// Its relations.
    pub relations: Relations,
    /// True if the relations are bound; false if they were only found.
    pub bound: bool,
    /// True if all chunks are known to have words, where words are kept.
    pub has_all_words: bool,
    /// The generation of the definitions before it was read.
    pub generation: u64,
    /// True if it was declared for a superuser.
    for_superuser: bool,
    /// The model that its vectors are of; `None` if that is not known.
    vectors_of: Option<Embedding>,
    /// The config, or the reason why it can't be read, which must only affect its own vectorizer.
    config: Result<VectorizerConfig, String>,
}

/// Parses a config; `None` stands for one that is too large.
fn read_config(text: Option<&str>) -> Result<VectorizerConfig, String> {
    let text = text.ok_or(TOO_LARGE)?;
    // From the text itself, errors would name lines and columns of it, which nobody has seen.
    let stored: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    VectorizerConfig::deserialize(&stored).map_err(|error| error.to_string())
}

/// Reads the vectorizers whose relations exist, as they are now, whatever the transaction's snapshot is.
fn entries(condition: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<Entry>, PgError> {
    Ok(rows(condition, args)?.into_iter().filter_map(|(_, entry)| entry).collect())
}

/// Reads the vectorizers as they are now, whatever the transaction's snapshot is: their ids, with `None` where relations
/// do not exist.
fn rows(condition: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<(i32, Option<Entry>)>, PgError> {
    schema::require_trusted()?;
    let generation = definitions::generation();
    let statement = format!(
        "SELECT v.id, v.name::text, v.xmin::text || ',' || v.ctid::text, {config}, {uuid}, {COLUMNS}, {for_superuser}, {embedding}
         FROM ai.vectorizer v LEFT JOIN {relations} ON true
         WHERE {condition} ORDER BY v.id",
        config = bounded("v.config"),
        embedding = bounded("r.embedding"),
        uuid = binding::uuid(),
        for_superuser = binding::for_superuser(),
        relations = binding::relations(),
    );

    as_superuser(|| sql::read_now(&statement, args, |row| Ok((row.get(1)?, entry(row, generation)?))))
}

/// Reads a vectorizer from a row of [`rows`]; `None` if a relation that it can't be without is missing.
fn entry(row: &Row<'_>, generation: u64) -> Result<Option<Entry>, PgError> {
    let Some(relations) = Relations::read(row, 6)? else { return Ok(None) };
    Ok(Some(Entry {
        id: row.get(1)?,
        name: row.get(2)?,
        version: row.get(3)?,
        config: read_config(row.get_opt::<String>(4)?.as_deref()),
        uuid: row.get_opt(5)?,
        relations,
        bound: row.get(14)?,
        has_all_words: row.get(15)?,
        for_superuser: row.get(16)?,
        vectors_of: row.get_opt::<String>(17)?.and_then(|text| serde_json::from_str(&text).ok()),
        generation,
    }))
}

/// Returns the ids of the vectorizers that are not disabled, each with `None` if its relations don't exist, so that it
/// can't be worked on.
pub fn enabled() -> Result<Vec<(i32, Option<Entry>)>, PgError> {
    rows("NOT v.disabled", &[])
}

/// Returns the vectorizers whose relations exist, including disabled ones.
pub fn all() -> Result<Vec<Entry>, PgError> {
    entries("true", &[])
}

/// Returns the vectorizers whose relations are not bound and were only found, including disabled ones.
pub fn found() -> Result<Vec<Entry>, PgError> {
    entries("NOT r.bound", &[])
}

/// Returns the vectorizer with this id; `None` if there is none or its relations are missing.
pub fn by_id(id: i32) -> Result<Option<Entry>, PgError> {
    Ok(entries("v.id = $1", &[id.into()])?.into_iter().next())
}

/// Returns the vectorizer of this name; `None` if there is none or its relations are missing.
pub fn by_name(name: &str) -> Result<Option<Entry>, PgError> {
    Ok(entries("v.name::text = $1", &[name.to_owned().into()])?.into_iter().next())
}

/// Returns the vectorizers whose source is this table, or one that it is a partition of or inherits from.
pub fn by_ancestor(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries(&format!("r.source IN ({})", hierarchy::ANCESTORS), &[relation.into()])
}

/// Returns the vectorizers whose source is this table, or one that is a partition of it or inherits from it.
pub fn by_descendant(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries(&format!("r.source IN ({})", hierarchy::DESCENDANTS), &[relation.into()])
}

/// Returns the vectorizers whose source is this table.
pub fn by_source(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries("r.source = $1", &[relation.into()])
}

/// Returns the vectorizers whose store is one of these tables.
pub fn by_stores(relations: Vec<pg_sys::Oid>) -> Result<Vec<Entry>, PgError> {
    entries("r.store = ANY ($1)", &[relations.into()])
}

/// Returns the vectorizers whose store or view is one of these relations.
pub fn by_stores_or_views(relations: Vec<pg_sys::Oid>) -> Result<Vec<Entry>, PgError> {
    entries("r.store = ANY ($1) OR r.view = ANY ($1)", &[relations.into()])
}

/// A vectorizer with the definitions of its tables.
#[derive(Debug)]
pub struct Vectorizer {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The role that its work is done as: the owner of its source and of all its other tables.
    pub owner: pg_sys::Oid,
    /// The author of its config, whose rights decide what the config may ask for.
    pub author: Author,
    /// Its relations, which must be locked and compared before work is done on them.
    pub relations: Relations,
    /// Its config, with the current name of the store.
    pub config: VectorizerConfig,
    /// The source.
    pub source: Relation,
    /// The source's columns.
    pub columns: Vec<Column>,
    /// The source's primary key.
    pub key: Key,
    /// Its queue.
    pub queue: QueueTables,
    /// The names of the queue's own columns.
    pub own: OwnColumns,
    /// The information that it remembers for each row.
    pub remembered: Remembered,
    /// The columns of the source that contain vectors: its own, if its destination is a column, and those of
    /// other vectorizers.
    pub embedding_columns: Vec<String>,
    /// The words of its chunks; `None` if none are kept, or their table is gone.
    pub words: Option<Words>,
}

impl Entry {
    /// Returns its config as it was declared. Errors if it can't be read.
    pub fn config(&self) -> Result<&VectorizerConfig, PgError> {
        self.config.as_ref().map_err(|why| {
            PgError::raised(format!("could not read the config of vectorizer \"{}\": {why}", self.name))
                .with_hint("Drop the vectorizer and create it again.")
        })
    }

    /// Returns the model that its vectors are of. Errors (55000) if its config names another one.
    pub fn model(&self) -> Result<&Embedding, PgError> {
        let config = self.config()?;
        fit::require_model(&self.name, self.vectors_of.as_ref(), config)?;
        Ok(&config.embedding)
    }

    /// Returns the OID of its source.
    pub fn source(&self) -> pg_sys::Oid {
        self.relations.source.oid
    }

    /// Returns the role that its work is done as.
    pub fn owner(&self) -> pg_sys::Oid {
        self.relations.source.owner
    }

    /// Returns the author of its config. It is a superuser's only if it was declared for a superuser from the
    /// beginning: a role that is given a table has not said what is done with it.
    pub fn author(&self) -> Author {
        match self.for_superuser {
            true => author(self.owner()),
            false => Author::Other,
        }
    }

    /// Returns the qualified name of its store; `None` if its vectors go to a column of the source, or the
    /// store is gone.
    pub fn store(&self) -> Option<String> {
        self.relations.store.as_ref().map(Table::qualified)
    }

    /// Returns whether a role sees it in the catalog.
    pub fn is_seen_by(&self, role: pg_sys::Oid) -> bool {
        let Relations { source, inbox, store, view, .. } = &self.relations;
        let relations = [source, inbox].into_iter().chain(store).chain(view);
        visibility::sees_all(role) || visibility::sees(role, self.owner(), relations)
    }

    /// Returns the vectorizer as its triggers name it.
    pub fn identity(&self) -> Identity {
        Identity { id: self.id, uuid: self.uuid.clone() }
    }

    /// Returns whether a trigger with these arguments belongs to this vectorizer. Older triggers have the id
    /// alone.
    pub fn is_named(&self, given: &Identity) -> bool {
        self.id == given.id && (given.uuid.is_none() || given.uuid == self.uuid)
    }

    /// Returns the names of its queue's tables.
    pub fn queue(&self) -> QueueTables {
        queue_tables::of(self.id, &self.relations)
    }

    /// Returns its config, with the current name of the store. Errors if the config can't be read or the
    /// store is gone.
    fn current_config(&self) -> Result<VectorizerConfig, PgError> {
        let mut config = self.config()?.clone();
        if let Destination::Table { target_schema, target_table, .. } = &mut config.destination {
            let store = self.relations.store.as_ref().ok_or_else(|| {
                PgError::new(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                    format!(
                        "the store {} of vectorizer \"{}\" does not exist",
                        qualified(target_schema, target_table),
                        self.name
                    ),
                )
                .with_hint("Drop the vectorizer and create it again.")
            })?;
            (*target_schema, *target_table) = (store.schema.clone(), store.name.clone());
        }
        Ok(config)
    }

    /// Reads the definitions of the vectorizer's tables. Errors if something is missing
    /// or does not fit.
    pub fn resolve(&self) -> Result<Vectorizer, PgError> {
        self.relations.require_one_owner()?;
        let config = self.current_config()?;
        let gone = || PgError::raised(format!("the source of vectorizer \"{}\" does not exist", self.name));
        let source = Relation::load(self.relations.source.oid)?.ok_or_else(gone)?;
        // Whose tables they are was looked at when the entry was read.
        if source.owner != self.owner() {
            return Err(PgError::new(
                PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!("the owner of the source of vectorizer \"{}\" was changed concurrently", self.name),
            ));
        }

        let key = key::of(source.oid)?.ok_or_else(|| {
            PgError::raised(format!("the source of vectorizer \"{}\" has no primary key", self.name))
                .with_hint(
                    "Run ALTER TABLE ... ADD PRIMARY KEY with the former columns, or drop the vectorizer.",
                )
        })?;
        key_columns::require(&self.name, &self.relations, &key)?;
        let columns = relation::columns(source.oid)?;
        fit::require_embedding_column(&self.name, &config, &columns)?;
        let queue = self.queue();
        Ok(Vectorizer {
            id: self.id,
            name: self.name.clone(),
            owner: source.owner,
            author: self.author(),
            relations: self.relations.clone(),
            words: Words::of(self.relations.words.as_ref(), &config.search, self.has_all_words),
            columns,
            remembered: self.remembered(&config, &queue.origin)?,
            embedding_columns: embedding_columns(source.oid)?,
            own: queue_tables::own_columns(
                &self.relations,
                key.columns().iter().map(|column| column.name.clone()).collect(),
            )?,
            source,
            key,
            queue,
            config,
        })
    }

    /// Returns the column of the source that its vectors go to; `None` if they go to a store.
    pub fn embedding_column(&self) -> Option<&str> {
        match &self.config.as_ref().ok()?.destination {
            Destination::Column { embedding_column, .. } => Some(embedding_column),
            Destination::Table { .. } => None,
        }
    }

    /// Returns what is remembered. The record of objects is dispensable if its table is gone; that of inputs
    /// is not, and its absence is an error. A table of texts follows the rows also when no text is to be kept any more.
    fn remembered(&self, config: &VectorizerConfig, origin: &str) -> Result<Remembered, PgError> {
        let declared = Remembered::of(&config.destination, &config.loading, config.parsing);
        match (declared, self.relations.origin.is_some()) {
            (Remembered::Nothing, true) => Ok(Remembered::Text),
            (declared, true) => Ok(declared),
            (Remembered::Input, false) => Err(PgError::raised(format!(
                "the table {origin} of vectorizer \"{}\" does not exist",
                self.name
            ))
            .with_hint("Drop the vectorizer and create it again.")),
            (Remembered::Object | Remembered::Text | Remembered::Nothing, false) => Ok(Remembered::Nothing),
        }
    }
}

/// Returns the columns of a table that vectorizers write to.
fn embedding_columns(source: pg_sys::Oid) -> Result<Vec<String>, PgError> {
    Ok(by_source(source)?.iter().filter_map(Entry::embedding_column).map(str::to_owned).collect())
}

impl Vectorizer {
    /// Returns the qualified name of the store; `None` if vectors go to a column of the source.
    pub fn store(&self) -> Option<String> {
        destination::store(&self.config.destination)
    }

    /// Returns the qualified name of the table that contains the vectors, and its column for them.
    pub fn vectors(&self) -> (String, &str) {
        match &self.config.destination {
            Destination::Table { target_schema, target_table, .. } => {
                (qualified(target_schema, target_table), STORE_VECTORS)
            }
            Destination::Column { embedding_column, .. } => (self.source.qualified(), embedding_column),
        }
    }

    /// Returns the OID of the table that contains the vectors; invalid if it is gone.
    pub fn table_of_vectors(&self) -> pg_sys::Oid {
        match &self.config.destination {
            Destination::Table { .. } => {
                self.relations.store.as_ref().map_or(pg_sys::InvalidOid, |store| store.oid)
            }
            Destination::Column { .. } => self.source.oid,
        }
    }

    /// Returns the names of the tables from which rows are removed with those of the source. The store, and the record of
    /// what is remembered, tell which rows have been embedded.
    pub fn followers(&self) -> Followers {
        let origin = (self.remembered != Remembered::Nothing).then(|| self.queue.origin.clone());
        Followers { store: self.store(), words: self.relations.words.as_ref().map(Table::qualified), origin }
    }

    /// Returns the tables with the source's key from which rows are removed when a row of the source is deleted: those of
    /// its chunks, and of the keys that were set aside.
    pub fn tables_that_follow_rows(&self) -> Vec<Table> {
        let Relations { store, origin, failed, .. } = &self.relations;
        let origin = origin.iter().filter(|_| self.remembered != Remembered::Nothing);
        store.iter().chain(origin).chain([failed]).cloned().collect()
    }
}
