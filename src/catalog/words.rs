//! The words of a vectorizer's chunks: a table beside the store, with a `tsvector` for each chunk.
//!
//! It belongs to the owner of the store. Its foreign key lets whoever deletes a chunk take the words along. The words
//! show what is in the chunks, so who may read them is decided by the store: by its grants
//! ([`words_rights`](super::words_rights)) and by its row security ([`row_security`](super::row_security)).

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::{Value, json};

use pgai_rs_pipeline::config::{Destination, Search};

use super::basis::{self, Object};
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::lock;
use crate::pg::sql::{self, execute, qualified, with_ending};

/// The columns of a table of words.
pub const COLUMNS: [&str; 2] = ["embedding_uuid", "words"];

/// The words of a vectorizer's chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The table that has them, with the chunks' UUIDs. It must be locked and compared before work is done on it.
    pub table: Table,
    /// The text search configuration that they were made by, with its schema, as `regconfig` reads it.
    pub language: String,
    /// True if all chunks are known to have words; false while the worker adds those of older chunks.
    pub is_ready: bool,
}

impl Words {
    /// Returns the words of a vectorizer's chunks; `None` if none are kept, or their table is gone.
    pub fn of(table: Option<&Table>, search: &Search, is_ready: bool) -> Option<Words> {
        Some(Words { table: table?.clone(), language: search.qualified_language()?, is_ready })
    }
}

/// Returns the schema and the name of the table of words that a declaration asks for; `None` if it asks for none.
pub fn asked_for<'a>(search: &Search, destination: &'a Destination) -> Option<(&'a str, String)> {
    match (search, destination) {
        (Search::Hybrid { .. }, Destination::Table { target_schema, target_table, .. }) => {
            Some((target_schema, table_name(target_table)))
        }
        (Search::None, _) | (_, Destination::Column { .. }) => None,
    }
}

/// Returns the name of the table of words beside a store: `<store>_words`, in which a long name of the store is shortened.
pub fn table_name(store: &str) -> String {
    with_ending(store, "_words")
}

/// Returns the config of words in this table; `None` if none are kept.
pub fn to_json(search: &Search, schema: &str, table: &str) -> Option<Value> {
    let Search::Hybrid { language } = search else { return None };
    Some(json!({
        "config_type": "search",
        "implementation": "hybrid",
        "language": language,
        "words_schema": schema,
        "words_table": table,
    }))
}

/// A text search configuration.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its OID.
    pub oid: pg_sys::Oid,
    /// Its name, with its schema unless it is one of Postgres's own.
    pub name: String,
    schema: pg_sys::Oid,
    owner: pg_sys::Oid,
}

impl Configuration {
    /// Returns the objects that it was read from. Must be called within a transaction.
    pub fn basis(&self) -> [Object; 3] {
        basis::of_configuration(self.oid, self.schema, self.owner)
    }
}

/// `$1`: the name with its schema, `$2`: a role.
const CONFIGURATION: &str = "
    SELECT c.oid,
           CASE n.nspname WHEN 'pg_catalog' THEN pg_catalog.quote_ident(c.cfgname)
                          ELSE pg_catalog.format('%I.%I', n.nspname, c.cfgname) END,
           n.oid, r.oid, r.rolsuper OR pg_catalog.pg_has_role($2, c.cfgowner, 'USAGE')
    FROM pg_catalog.pg_ts_config c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace
    JOIN pg_catalog.pg_roles r ON r.oid = c.cfgowner
    WHERE ARRAY[n.nspname::text, c.cfgname::text] = pg_catalog.parse_ident($1)";

/// Returns the text search configuration of the words of a vectorizer of this owner; `None` if it keeps none. Errors as
/// [`configuration`] does.
pub fn configuration_of(search: &Search, owner: pg_sys::Oid) -> Result<Option<Configuration>, PgError> {
    let language = search.qualified_language();
    language.map(|language| configuration(&language, owner)).transpose()
}

/// Returns the text search configuration of this name, which has its schema, for a vectorizer of this owner. Errors if there
/// is none (42704), or if it belongs to somebody who is neither a superuser nor one whose rights the owner has (42501).
///
/// Parsers and dictionaries run code that only superusers can bring. But the owner of a configuration decides what the words
/// of a text are, and that must not be in a stranger's hand.
pub fn configuration(language: &str, owner: pg_sys::Oid) -> Result<Configuration, PgError> {
    let found = as_superuser(|| {
        sql::read_now(CONFIGURATION, &[language.to_owned().into(), owner.into()], |row| {
            let configuration = Configuration {
                oid: row.get(1)?,
                name: row.get(2)?,
                schema: row.get(3)?,
                owner: row.get(4)?,
            };
            Ok((configuration, row.get::<bool>(5)?))
        })
    })?;

    match found.into_iter().next() {
        Some((configuration, true)) => Ok(configuration),
        Some((configuration, false)) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("text search configuration {} belongs to another role", configuration.name),
        )
        .with_detail("Its owner decides what the words of a text are.")
        .with_hint("Use one that belongs to a superuser, such as simple, or to the owner of the source.")),
        None => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("text search configuration {language:?} does not exist"),
        )
        .with_hint("SELECT cfgname FROM pg_ts_config shows those that there are.")),
    }
}

/// Creates the table of words of this name beside a store, as the store's owner. It is empty, so that nothing is read or
/// rewritten for the foreign key; the store is locked against writes until the transaction ends.
///
/// The index keeps its list of pending entries (`fastupdate`): the transaction that writes chunks appends to it, and does not
/// look for each word's place.
pub fn create(store: &Table, name: &str) -> Result<Table, PgError> {
    let table = qualified(&store.schema, name);
    let statements = [
        format!(
            "CREATE TABLE {table} (
                 embedding_uuid uuid PRIMARY KEY REFERENCES {} (embedding_uuid) ON DELETE CASCADE,
                 words tsvector NOT NULL)",
            store.qualified()
        ),
        format!("CREATE INDEX ON {table} USING gin (words) WITH (fastupdate = on)"),
    ];
    lock::writers_briefly(|| store.hold(pg_sys::ShareRowExclusiveLock))?;
    lock::waiting_briefly(|| {
        as_user(store.owner, || statements.iter().try_for_each(|statement| execute(statement, &[]).map(drop)))
    })?;
    Table::made(&store.schema, name, &[store.owner])
}
