//! The statements of the triggers on a source, which run in users' transactions.
//!
//! `new_rows` and `old_rows` are the transition tables of a statement trigger.

use crate::key::Key;
use crate::quote::ident;
use crate::tables::QueueTables;

/// Enqueues the inserted rows.
pub fn enqueue_inserted(key: &Key, inbox: &str) -> String {
    format!(
        "INSERT INTO {inbox} ({names}) SELECT {of_new} FROM new_rows n",
        names = key.names(None),
        of_new = key.names(Some("n")),
    )
}

/// Enqueues the updated rows in which one of these columns changed.
///
/// It compares bytes instead of values, which works for types that have no equality, and finds values that
/// are equal but read differently. Without the casts Postgres would expand the rows and look for the operator
/// on each pair of columns.
pub fn enqueue_changed<'a>(key: &Key, inbox: &str, columns: impl Iterator<Item = &'a str>) -> String {
    let columns: Vec<String> = columns.map(ident).collect();
    let compared = |alias: &str| {
        let columns = columns.iter().map(|column| format!("{alias}.{column}"));
        format!("ROW({})::record", columns.collect::<Vec<_>>().join(", "))
    };
    format!(
        "INSERT INTO {inbox} ({names}) SELECT {of_new} FROM new_rows n LEFT JOIN old_rows o ON {same}
         WHERE {is_whole} AND (o.{first} IS NULL OR {old} OPERATOR(pg_catalog.*<>) {new})",
        names = key.names(None),
        of_new = key.names(Some("n")),
        same = key.same("o", "n"),
        // The rows of what inherits are among them.
        is_whole = key.is_whole("n"),
        first = ident(&key.columns()[0].name),
        old = compared("o"),
        new = compared("n"),
    )
}

/// Enqueues the row with the key `$1` ….
pub fn enqueue_row(key: &Key, inbox: &str) -> String {
    let parameters: Vec<String> = (1..=key.len()).map(|i| format!("${i}")).collect();
    format!("INSERT INTO {inbox} ({}) VALUES ({})", key.names(None), parameters.join(", "))
}

/// The tables from which rows are removed with those of the source, by their qualified names.
#[derive(Debug, Clone, Default)]
pub struct Followers {
    /// The store of chunks; `None` if vectors are in a column of the source.
    pub store: Option<String>,
    /// The table of the chunks' words; `None` if they are not kept.
    pub words: Option<String>,
    /// The record of what each key's vectors were made of; `None` if nothing is remembered.
    pub origin: Option<String>,
}

impl Followers {
    /// Returns those with the key of the source.
    pub fn keyed(&self) -> impl Iterator<Item = &String> {
        self.store.iter().chain(&self.origin)
    }
}

/// Removes the chunks of the row with the key `$1` …, as [`removal`] does.
pub fn remove_row(key: &Key, tables: &QueueTables, followers: &Followers) -> String {
    let columns = key.columns().iter().enumerate();
    let is_row: Vec<String> =
        columns.map(|(i, c)| c.equal(&format!("s.{}", ident(&c.name)), &format!("${}", i + 1))).collect();
    removal(key, tables, followers, None, &is_row.join(" AND "))
}

/// Removes the chunks and the provenance of rows `s` that are gone: those of the followers that meet the condition
/// `which`, in which the relation `others` may be named.
///
/// Words are removed here, and not left to their foreign key: at REPEATABLE READ it fails at rows that were written since
/// the transaction began.
///
/// Rows in the failed queue are enqueued, so that the worker finds them gone and removes them there. Deleting
/// them here could conflict with the worker, and would then fail at REPEATABLE READ.
pub fn removal(
    key: &Key,
    tables: &QueueTables,
    followers: &Followers,
    others: Option<&str>,
    which: &str,
) -> String {
    let QueueTables { inbox, failed, .. } = tables;
    let also = others.map(|others| format!(", {others}")).unwrap_or_default();
    let using = others.map(|others| format!(" USING {others}")).unwrap_or_default();
    let mut deletions = String::new();
    if let (Some(store), Some(words)) = (&followers.store, &followers.words) {
        deletions += &format!(
            ", removed_words AS (DELETE FROM {words} w USING {store} s{also}
                WHERE w.embedding_uuid = s.embedding_uuid AND {which})"
        );
    }
    for (i, table) in followers.keyed().enumerate() {
        deletions += &format!(", removed{i} AS (DELETE FROM {table} s{using} WHERE {which})");
    }
    format!(
        "WITH enqueued AS (INSERT INTO {inbox} ({names}) SELECT {of_row} FROM {failed} s{also} WHERE {which}){deletions}
         SELECT",
        names = key.names(None),
        of_row = key.names(Some("s")),
    )
}
