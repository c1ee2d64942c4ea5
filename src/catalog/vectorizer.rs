//! A vectorizer as it stands in the catalog, with what the queue's statements need to know of it.

use pgrx::datum::DatumWithOid;
use pgrx::{pg_sys, PgSqlErrorCode};
use serde_json::Value;

use pgai_rs_pipeline::config::{Author, Chunking, Destination, Loading, VectorizerConfig};
use pgai_rs_pipeline::format::Template;

use super::binding::{self, Relations, COLUMNS};
use super::destination::{self, STORE_VECTORS};
use super::key::Key;
use super::key_columns;
use super::objects::{QueueTables, Remembered};
use super::own_columns::OwnColumns;
use super::relation::{self, Column, Relation};
use super::rights::author;
use super::schema;
use super::table::Table;
use super::triggers::Identity;
use super::visibility;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, qualified, Row};

/// A row of `ai.vectorizer`, not yet understood, with the relations that it has in this database.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: i32,
    /// Its UUID; none where the extension's objects are older than UUIDs.
    pub uuid: Option<String>,
    /// Its name.
    pub name: String,
    /// Changes with every change of the row.
    pub version: String,
    /// Its relations.
    pub relations: Relations,
    /// Whether the relations are bound, and not only found.
    pub bound: bool,
    /// Whether it was declared for a superuser.
    for_superuser: bool,
    config: Value,
}

/// Reads the vectorizers whose relations are there, as they are now, whatever the transaction's snapshot.
fn entries(condition: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<Entry>, PgError> {
    schema::require_trusted()?;
    let statement = format!(
        "SELECT v.id, v.name::text, v.xmin::text || ',' || v.ctid::text, v.config::text, {uuid}, {COLUMNS}, {for_superuser}
         FROM ai.vectorizer v CROSS JOIN {relations}
         WHERE {condition} ORDER BY v.id",
        uuid = binding::uuid(),
        for_superuser = binding::for_superuser(),
        relations = binding::relations(),
    );
    let read = |row: &Row<'_>| {
        let Some(relations) = Relations::read(row, 6)? else { return Ok(None) };
        Ok(Some(Entry {
            id: row.get(1)?,
            name: row.get(2)?,
            version: row.get(3)?,
            // One that can't be read is that vectorizer's trouble, and no other's.
            config: serde_json::from_str(&row.get::<String>(4)?).unwrap_or_default(),
            uuid: row.get_opt(5)?,
            relations,
            bound: row.get(13)?,
            for_superuser: row.get(14)?,
        }))
    };
    let found = as_superuser(|| sql::read_now(&statement, args, read))?;
    Ok(found.into_iter().flatten().collect())
}

/// The vectorizers that can be worked on: complete and not disabled.
pub fn enabled() -> Result<Vec<Entry>, PgError> {
    entries("NOT v.disabled", &[])
}

/// The vectorizers that are complete, disabled ones as well.
pub fn all() -> Result<Vec<Entry>, PgError> {
    entries("true", &[])
}

/// A vectorizer whose relations are there; none if they are not.
pub fn by_id(id: i32) -> Result<Option<Entry>, PgError> {
    Ok(entries("v.id = $1", &[id.into()])?.into_iter().next())
}

/// A vectorizer of this name whose relations are there; none if they are not.
pub fn by_name(name: &str) -> Result<Option<Entry>, PgError> {
    Ok(entries("v.name::text = $1", &[name.to_owned().into()])?.into_iter().next())
}

/// The vectorizers whose source is this table, or one that it is a partition of or inherits from.
pub fn by_ancestor(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries(&format!("r.source IN ({})", relation::ANCESTORS), &[relation.into()])
}

/// The vectorizers whose source is this table or one that inherits its columns.
pub fn by_descendant(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries(&format!("r.source IN ({})", relation::DESCENDANTS), &[relation.into()])
}

/// The vectorizers whose source is this table.
pub fn by_source(relation: pg_sys::Oid) -> Result<Vec<Entry>, PgError> {
    entries("r.source = $1", &[relation.into()])
}

/// Returns whether there is a vectorizer with this id and UUID, whether or not its relations are there.
pub fn is_registered(vectorizer: &Identity) -> Result<bool, PgError> {
    let statement = format!("SELECT {} FROM ai.vectorizer v WHERE v.id = $1", binding::uuid());
    let found =
        as_superuser(|| sql::read_now(&statement, &[vectorizer.id.into()], |row| row.get_opt::<String>(1)))?;
    Ok(found.first().is_some_and(|uuid| vectorizer.uuid.is_none() || vectorizer.uuid == *uuid))
}

/// A vectorizer, understood.
#[derive(Debug)]
pub struct Vectorizer {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// As whom its work is done: the owner of its source, and of all its other tables.
    pub owner: pg_sys::Oid,
    /// Whose word its config is.
    pub author: Author,
    /// Its relations, to be locked and looked at before work is done on them.
    pub relations: Relations,
    /// Its config, with the store's name of today.
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

    /// The OID of its source.
    pub fn source(&self) -> pg_sys::Oid {
        self.relations.source.oid
    }

    /// As whom its work is done.
    pub fn owner(&self) -> pg_sys::Oid {
        self.relations.source.owner
    }

    /// Returns whose word its config is. Only what a superuser's was from the beginning is one's: to be given a table is not
    /// to have said what is done with it.
    pub fn author(&self) -> Author {
        match self.for_superuser {
            true => author(self.owner()),
            false => Author::Other,
        }
    }

    /// Its store, qualified; none if its vectors go to a column of the source, or it is gone.
    pub fn store(&self) -> Option<String> {
        self.relations.store.as_ref().map(Table::qualified)
    }

    /// Returns whether a role sees it in the catalog.
    pub fn is_seen_by(&self, role: pg_sys::Oid) -> bool {
        let Relations { source, inbox, store, view, .. } = &self.relations;
        let relations = [source, inbox].into_iter().chain(store).chain(view);
        visibility::sees_all(role) || visibility::sees(role, self.owner(), relations)
    }

    /// As its triggers name it.
    pub fn identity(&self) -> Identity {
        Identity { id: self.id, uuid: self.uuid.clone() }
    }

    /// Returns whether a trigger with these arguments is one of this vectorizer. Older ones have the id alone.
    pub fn is_named(&self, given: &Identity) -> bool {
        self.id == given.id && (given.uuid.is_none() || given.uuid == self.uuid)
    }

    /// Its queue.
    pub fn queue(&self) -> QueueTables {
        QueueTables::of(self.id, &self.relations)
    }

    /// Its config, with the store's name of today.
    fn parsed_config(&self) -> Result<VectorizerConfig, PgError> {
        let mut config: VectorizerConfig = serde_json::from_value(self.config.clone()).map_err(|error| {
            PgError::raised(format!("the config of vectorizer {} can't be read: {error}", self.name))
                .with_hint("Drop the vectorizer and create it anew.")
        })?;
        if let Destination::Table { target_schema, target_table, .. } = &mut config.destination {
            let store = self.relations.store.as_ref().ok_or_else(|| {
                PgError::new(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
                    format!(
                        "the store {} of vectorizer {} is gone",
                        qualified(target_schema, target_table),
                        self.name
                    ),
                )
                .with_hint("Drop the vectorizer and create it anew.")
            })?;
            (*target_schema, *target_table) = (store.schema.clone(), store.name.clone());
        }
        Ok(config)
    }

    /// Reads what else there is to know.
    pub fn understand(&self) -> Result<Vectorizer, PgError> {
        self.relations.require_one_owner()?;
        let config = self.parsed_config()?;
        let gone = || PgError::raised(format!("the source of vectorizer {} is gone", self.name));
        let source = Relation::load(self.relations.source.oid)?.ok_or_else(gone)?;
        let key = Key::of(source.oid)?.ok_or_else(|| {
            PgError::raised(format!("the source of vectorizer {} has lost its primary key", self.name))
                .with_hint(
                    "ALTER TABLE ... ADD PRIMARY KEY with the columns of before, or drop the vectorizer.",
                )
        })?;
        key_columns::require(&self.name, &self.queue(), self.store(), source.oid, &key)?;
        let columns = relation::columns(source.oid)?;
        self.require_embedding_column(&config, &columns)?;
        let queue = self.queue();
        Ok(Vectorizer {
            id: self.id,
            name: self.name.clone(),
            owner: source.owner,
            author: self.author(),
            relations: self.relations.clone(),
            columns,
            remembered: self.remembered(&config, &queue.origin)?,
            embedding_columns: embedding_columns(source.oid)?,
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
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
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
            known if known == Remembered::Nothing || self.relations.origin.is_some() => Ok(known),
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
    Ok(by_source(source)?.iter().filter_map(Entry::embedding_column).map(str::to_owned).collect())
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

    /// The tables of which something is removed when a row is gone: those of its chunks, and of what was set aside.
    pub fn tables_that_follow_rows(&self) -> Vec<Table> {
        let Relations { store, origin, failed, .. } = &self.relations;
        let origin = origin.iter().filter(|_| self.remembered != Remembered::Nothing);
        store.iter().chain(origin).chain([failed]).cloned().collect()
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
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                format!("the source of vectorizer {} has no column {name:?}", self.name),
            )
            .with_hint("Rename the column back, or drop the vectorizer and create it anew.")
        })
    }
}
