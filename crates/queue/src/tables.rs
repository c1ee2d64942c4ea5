//! The tables of a vectorizer's queue: their names, their columns, and what is remembered in them.
//!
//! Own columns have the documented names, unless the primary key has a column of that name, such as the
//! `created_at` of a table that is partitioned by it.

use pgai_rs_pipeline::config::{Destination, Loading, Parsing};

use crate::key::Key;
use crate::quote::ident;

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
/// embedded twice. Each but the first has room for the text of the row's document; see [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: the store contains all of it.
    Nothing,
    /// The text of the document alone.
    Text,
    /// The version (ETag) of the object that the chunks were made of.
    Object,
    /// The version of the object if there is one, and the digest of the text whose vector is in the source's
    /// column.
    Input,
}

impl Remembered {
    /// Returns what a vectorizer remembers.
    pub fn of(destination: &Destination, loading: &Loading, parsing: Parsing) -> Self {
        match (destination, loading) {
            (Destination::Column { .. }, _) => Remembered::Input,
            (Destination::Table { .. }, Loading::Uri { .. }) => Remembered::Object,
            (Destination::Table { .. }, Loading::Column { .. }) if parsing.keep_text => Remembered::Text,
            (Destination::Table { .. }, Loading::Column { .. }) => Remembered::Nothing,
        }
    }

    /// Returns the names and the types of what says which object, and which input, the chunks were made of.
    pub(crate) fn provenance(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Remembered::Nothing | Remembered::Text => &[],
            Remembered::Object => &[("etag", "text"), ("fingerprint", "bytea")],
            Remembered::Input => &[("etag", "text"), ("fingerprint", "bytea"), ("digest", "bytea")],
        }
    }
}

/// The columns of a document's text, all NULL if none is kept: the text, the other facts about it, the fingerprint of
/// all that it was made of, and when that was. Tables of 0.2.0 and before do not have them.
pub(crate) const TEXT: [(&str, &str); 4] = [
    ("parsed_text", "text"),
    ("parsed_outline", "jsonb"),
    ("parsed_from", "bytea"),
    ("parsed_at", "timestamptz"),
];

/// The treatment of documents' texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// There are no columns for them.
    Absent,
    /// There are columns, but no text is to be kept: those that are there are removed.
    Removed,
    /// They are kept.
    Kept,
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

    /// Returns the names for tables that have the columns `there`, with a key of these columns. The key's columns
    /// may have been renamed since; their names at the time when the tables were created decide.
    pub fn among(there: Vec<String>, key: Vec<String>) -> OwnColumns {
        OwnColumns { key, there: Some(there) }
    }

    /// Returns the actual name of a column, in quotes; see [`unquoted`](Self::unquoted).
    pub fn name(&self, documented: &str) -> String {
        ident(&self.unquoted(documented))
    }

    /// Returns whether the existing tables have all columns for a document's text.
    pub fn have_texts(&self) -> bool {
        let there = |name: &String| self.there.as_ref().is_some_and(|there| there.contains(name));
        let mut names = TEXT.iter().map(|(name, _)| self.unquoted(name));
        names.all(|name| there(&name) && !self.key.contains(&name))
    }

    /// Returns the actual name of a column: the documented name, prefixed with as many underscores as needed to
    /// differ from the key's columns.
    pub fn unquoted(&self, documented: &str) -> String {
        let most = self.key.len();
        let mut names = (0..=most).map(|number| "_".repeat(number) + documented);
        let free = |name: &String| !self.key.contains(name);
        let known = |name: &String| self.there.as_ref().is_none_or(|there| there.contains(name));
        names.find(|name| free(name) && known(name)).unwrap_or_else(|| documented.to_owned())
    }
}

/// The columns of the inbox are pgai's; its clients know them.
const INBOX: [(&str, &str); 3] = [
    ("queued_at", "timestamptz NOT NULL DEFAULT now()"),
    ("loading_retries", "int4 NOT NULL DEFAULT 0"),
    ("loading_retry_after", "timestamptz"),
];

const WORK: [(&str, &str); 6] = [
    ("generation", "int8 NOT NULL DEFAULT 1"),
    ("attempts", "int4 NOT NULL DEFAULT 0"),
    ("queued_at", "timestamptz NOT NULL DEFAULT now()"),
    ("available_at", "timestamptz NOT NULL DEFAULT now()"),
    ("lease", "int8"),
    ("leased_by", "int4"),
];

/// The first two columns are pgai's.
const FAILED: [(&str, &str); 6] = [
    ("created_at", "timestamptz NOT NULL DEFAULT now()"),
    ("failure_step", "text NOT NULL DEFAULT ''"),
    ("failure_code", "text"),
    ("failure_message", "text"),
    ("failure_hint", "text"),
    ("attempts", "int4"),
];

/// Returns the statements that create the tables of a queue, and what belongs to them.
pub fn definitions(tables: &QueueTables, key: &Key, remembered: Remembered) -> Vec<String> {
    let columns = key.definitions();
    let names = key.names(None);
    let own = OwnColumns::beside(key);
    // Autovacuum by number of rows, not by fraction: these tables churn and are mostly empty.
    let churn = "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                       autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000)";
    let with_own = |more: &[(&str, &str)]| {
        let own = more.iter().map(|(name, kind)| format!(", {} {kind}", own.name(name)));
        columns.clone() + &own.collect::<String>()
    };
    let mut statements = vec![
        format!("CREATE TABLE {} ({}) {churn}", tables.inbox, with_own(&INBOX)),
        format!("CREATE TABLE {} ({}, PRIMARY KEY ({names})) {churn}", tables.work, with_own(&WORK)),
        format!("CREATE INDEX ON {} ({})", tables.work, own.name("available_at")),
        format!("CREATE TABLE {} ({})", tables.failed, with_own(&FAILED)),
        format!("CREATE INDEX ON {} ({names})", tables.failed),
    ];
    if remembered != Remembered::Nothing {
        let columns = with_own(&[remembered.provenance(), &TEXT].concat());
        statements.push(format!("CREATE TABLE {} ({columns}, PRIMARY KEY ({names}))", tables.origin));
    }
    statements.extend([&tables.inbox, &tables.failed].map(|table| whole_rows(table)));
    statements
}

/// Returns the statement that makes the log contain whole rows. If a table is published, as all are with FOR
/// ALL TABLES, Postgres refuses to delete a row that it can't identify to a subscriber, either by its key or
/// by the whole row. A key with its index would cost every user's transaction more than this: the old row in
/// the log for each delete, if `wal_level` is logical.
pub fn whole_rows(table: &str) -> String {
    format!("ALTER TABLE {table} REPLICA IDENTITY FULL")
}
