//! The names of the queue's own columns: the documented ones, unless the primary key has a column of that
//! name, such as the `created_at` of a table that is partitioned by it.

use super::key::Key;
use super::objects::QueueTables;
use crate::pg::error::PgError;
use crate::pg::sql::{self, ident};

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
