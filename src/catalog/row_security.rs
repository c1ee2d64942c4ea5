//! Row security of a source, extended to its chunks.
//!
//! A policy on the store checks whether the source has a row that a chunk belongs to. It is evaluated as the
//! role that reads the store, to which the source's own policies apply. The table of what is remembered, documents' texts among
//! it, has the same policy. The view reads with the rights of the
//! role that reads it. A policy on the table of words checks whether the store shows the chunk.

use pgrx::pg_sys;

use super::binding::Relations;
use super::key::{self, Key};
use super::relation::Relation;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::lock;
use crate::pg::sql::{self, execute, ident};

/// The policy of a table that shows what belongs to the rows that the source shows.
const POLICY: &str = "_vectorizer_source_rows";

/// Returns whether a table has row security.
fn is_on(table: pg_sys::Oid) -> Result<bool, PgError> {
    let on = sql::read_now(
        "SELECT c.relrowsecurity FROM pg_catalog.pg_class c WHERE c.oid = $1",
        &[table.into()],
        |row| row.get::<bool>(1),
    )?;
    Ok(on == [true])
}

/// Restricts a store, its view, its words and the texts of documents to those of rows that the source shows to the reader, as
/// the owner of all of them. Returns whether the source has row security; if not, nothing changes.
pub fn keep(source: &Relation, key: &Key, relations: &Relations) -> Result<bool, PgError> {
    let Relations { store, origin, view, .. } = relations;
    if !is_on(source.oid)? {
        keep_words(relations)?;
        return Ok(false);
    }

    // The policy compares keys, by operators that it names. A lock on a table keeps its name, but not its schema's.
    key::hold_schemas(source.oid)?;
    let schemas: Vec<&str> =
        store.iter().chain(origin).chain(view).map(|table| table.schema.as_str()).collect();
    lock::schema_names(&[&schemas[..], &[&source.schema]].concat())?;
    source.as_read().hold(pg_sys::AccessShareLock)?;

    for table in store.iter().chain(origin) {
        table.hold(pg_sys::AccessExclusiveLock)?;
        as_user(source.owner, || keep_in(source, key, table))?;
    }
    if let Some(view) = view {
        view.hold(pg_sys::AccessExclusiveLock)?;
        let as_reader = format!("ALTER VIEW {} SET (security_invoker = true)", view.qualified());
        as_user(source.owner, || execute(&as_reader, &[]))?;
    }
    keep_words(relations)?;

    Ok(true)
}

/// Restricts words to those of the chunks that the store shows to the reader, if the store has row security.
pub fn keep_words(relations: &Relations) -> Result<(), PgError> {
    let (Some(store), Some(words)) = (&relations.store, &relations.words) else { return Ok(()) };
    if !is_on(store.oid)? {
        return Ok(());
    }

    lock::schema_names(&[&store.schema, &words.schema])?;
    store.hold(pg_sys::AccessShareLock)?;
    words.hold(pg_sys::AccessExclusiveLock)?;
    // The alias differs from the table's name, or each row would be compared with itself.
    let chunk = if words.name == "chunk" { "chunk_of_words" } else { "chunk" };
    let shown = format!(
        "SELECT FROM {} {chunk} WHERE {chunk}.embedding_uuid = {}.embedding_uuid",
        store.qualified(),
        ident(&words.name)
    );
    as_user(words.owner, || restrict(words, &shown))
}

fn keep_in(source: &Relation, key: &Key, followed: &Table) -> Result<(), PgError> {
    // The alias differs from the table's name, or each row would be compared with itself.
    let row = if followed.name == "source_row" { "row_of_source" } else { "source_row" };
    let same = key.same(&ident(&followed.name), row);
    restrict(followed, &format!("SELECT FROM {} {row} WHERE {same}", source.qualified()))
}

/// Restricts a table to the rows for which a query shows something, by the policy of this extension.
fn restrict(restricted: &Table, shown: &str) -> Result<(), PgError> {
    let table = restricted.qualified();
    let policy = ident(POLICY);
    let there = sql::read_now(
        "SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = $1 AND p.polname::pg_catalog.text = $2",
        &[restricted.oid.into(), POLICY.to_owned().into()],
        |_| Ok(()),
    )?;
    if !there.is_empty() {
        execute(&format!("DROP POLICY {policy} ON {table}"), &[])?;
    }

    execute(&format!("CREATE POLICY {policy} ON {table} USING (EXISTS ({shown}))"), &[])?;
    execute(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"), &[]).map(drop)
}
