//! The tables of a vectorizer's queue: their names, the names of their own columns, and what is remembered in them.
//!
//! Own columns have the documented names, unless the primary key has a column of that name, such as the
//! `created_at` of a table that is partitioned by it.

use pgai_rs_pipeline::config::{Destination, Loading};

use super::binding::Relations;
use super::key::Key;
use super::table::Table;
use super::{failed_name, inbox_name, origin_name, work_name};
use crate::pg::error::PgError;
use crate::pg::sql::{self, ident, qualified};

/// The qualified names of a vectorizer's queue tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTables {
    /// The table that the triggers append to.
    pub inbox: String,
    /// The table with one row per source key that is pending or being processed.
    pub work: String,
    /// The table of keys that were set aside.
    pub failed: String,
    /// The record of what each key's vectors were made of, if the store does not say; see [`Remembered`].
    pub origin: String,
}

impl QueueTables {
    /// Returns the current names of a vectorizer's tables.
    pub fn of(id: i32, relations: &Relations) -> Self {
        let origin = relations.origin.as_ref().map(Table::qualified);
        QueueTables {
            inbox: relations.inbox.qualified(),
            work: relations.work.qualified(),
            failed: relations.failed.qualified(),
            origin: origin.unwrap_or_else(|| qualified(&relations.work.schema, &origin_name(id))),
        }
    }

    /// Returns the names of the tables of a vectorizer that is to be created, from its id and its inbox's
    /// schema and name.
    pub fn new(id: i32, schema: &str, inbox: Option<&str>) -> Self {
        QueueTables {
            inbox: qualified(schema, inbox.unwrap_or(&inbox_name(id))),
            work: qualified(schema, &work_name(id)),
            failed: qualified(schema, &failed_name(id)),
            origin: qualified(schema, &origin_name(id)),
        }
    }

    /// Returns the tables that a vectorizer has which remembers this.
    pub fn all(&self, remembered: Remembered) -> Vec<&str> {
        let mut tables = vec![self.inbox.as_str(), &self.work, &self.failed];
        if remembered != Remembered::Nothing {
            tables.push(&self.origin);
        }
        tables
    }
}

/// The information that is remembered for each row, in addition to its chunks, so that nothing is read or
/// embedded twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: the store contains all of it.
    Nothing,
    /// The version (ETag) of the object that the chunks were made of.
    Object,
    /// The version of the object if there is one, and the digest of the text whose vector is in the source's
    /// column.
    Input,
}

impl Remembered {
    /// Returns what a vectorizer remembers.
    pub fn of(destination: &Destination, loading: &Loading) -> Self {
        match (destination, loading) {
            (Destination::Column { .. }, _) => Remembered::Input,
            (Destination::Table { .. }, Loading::Uri { .. }) => Remembered::Object,
            (Destination::Table { .. }, Loading::Column { .. }) => Remembered::Nothing,
        }
    }

    /// Returns the names and the types of the columns for it.
    pub(super) fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Remembered::Nothing => &[],
            Remembered::Object => &[("etag", "text NOT NULL"), ("fingerprint", "bytea NOT NULL")],
            Remembered::Input => &[("etag", "text"), ("fingerprint", "bytea"), ("digest", "bytea NOT NULL")],
        }
    }
}

/// The names of the queue's own columns, which must differ from those of the key.
#[derive(Debug, Clone)]
pub struct OwnColumns {
    key: Vec<String>,
    /// The existing columns of the tables; `None` while they are being created.
    there: Option<Vec<String>>,
}

impl OwnColumns {
    /// Returns the names for tables that are to be created with this key.
    pub fn beside(key: &Key) -> OwnColumns {
        OwnColumns { key: key.columns().iter().map(|column| column.name.clone()).collect(), there: None }
    }

    /// Returns the names for existing tables, with a key of these columns. The key's columns may have been
    /// renamed since; their names at the time when the tables were created decide.
    pub fn of(tables: &QueueTables, key: Vec<String>) -> Result<OwnColumns, PgError> {
        let QueueTables { inbox, work, failed, origin } = tables.clone();
        let there = sql::read_now(
            "SELECT DISTINCT a.attname::text FROM pg_catalog.unnest($1::text[]) AS t (name)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = pg_catalog.to_regclass(t.name)
             WHERE a.attnum > 0 AND NOT a.attisdropped",
            &[vec![inbox, work, failed, origin].into()],
            |row| row.get::<String>(1),
        )?;
        Ok(OwnColumns { key, there: Some(there) })
    }

    /// Returns the actual name of a column, quoted if necessary: the documented name, prefixed with as many
    /// underscores as needed to differ from the key's columns.
    pub fn name(&self, documented: &str) -> String {
        let most = self.key.len();
        let mut names = (0..=most).map(|number| "_".repeat(number) + documented);
        let free = |name: &String| !self.key.contains(name);
        let known = |name: &String| self.there.as_ref().is_none_or(|there| there.contains(name));
        ident(&names.find(|name| free(name) && known(name)).unwrap_or_else(|| documented.to_owned()))
    }
}
