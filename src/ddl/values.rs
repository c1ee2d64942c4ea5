//! Reaction to values that ALTER TABLE changed without firing a trigger, and to new types of keys.
//!
//! If the type of a key column changes, it is changed in the queue and in the store as well, by the same
//! casts as in the source. If the new values were computed in another way, that is impossible: it is unknown
//! which row a chunk belongs to.
//!
//! Rewriting a table evaluates casts and checks CHECK constraints as the owner of the source. So nothing is
//! rewritten unless all tables belong to that role, and each table is altered by its OID.

use pgrx::pg_sys;
use pgrx::{JsonB, PgSqlErrorCode};

use super::altered::{Altered, Rewritten};
use super::warned_of;
use crate::catalog::hierarchy::DESCENDANTS;
use crate::catalog::key::{self, Key};
use crate::catalog::key_columns::{self, Different};
use crate::catalog::missed;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, as_user_on};
use crate::pg::sql::{self, execute, ident};
use crate::pg::transaction::see_own_changes;
use crate::queue::resync;
use crate::trigger::wake;

/// Reacts to the statement for the vectorizers of this table and of those that inherit its columns.
pub fn follow(altered: &Altered) -> Result<(), PgError> {
    for entry in vectorizer::by_descendant(altered.relation)? {
        if !warned_of(&entry, "a changed column type", || follow_in(&entry, &altered.columns)) {
            missed::record(entry.id, "could not adapt the queue to the new columns of its source")?;
        }
    }
    Ok(())
}

fn follow_in(entry: &Entry, columns: &[Rewritten]) -> Result<(), PgError> {
    if columns.is_empty() {
        return Ok(());
    }
    see_own_changes();
    // Types are named below, and what they are converted by is evaluated.
    key::hold_schemas(entry.source())?;
    // Without a key the vectorizer stops, and its trigger raises an error.
    let Some(key) = as_superuser(|| key::of(entry.source()))? else { return Ok(()) };
    let different = differences(entry, &key)?;
    // A column is missing: the names or the number of columns differ, which is not a question of types.
    if different.iter().any(|(_, column)| column.has.is_none()) {
        return Ok(());
    }

    let changes = changes_of_types(entry, &different, columns)?;
    entry.relations.require_one_owner()?;
    as_user(entry.owner(), || changes.iter().try_for_each(|(table, command)| table.alter(command)))?;
    let v = as_superuser(|| entry.resolve())?;
    if !changes.is_empty() {
        remember_key(entry, &key, true)?;
        release_leases(&v)?;
    }
    if is_rewritten(entry.source()) && changed(&v, columns)? {
        resync::enqueue_extra(&v)?;
        resync::enqueue_all(&v)?;
    }
    wake::worker_at_commit();
    Ok(())
}

/// Returns the key columns of the vectorizer's tables that differ from the source's, each with its table.
fn differences<'a>(entry: &'a Entry, key: &Key) -> Result<Vec<(&'a Table, Different)>, PgError> {
    let mut found = Vec::new();
    for table in entry.relations.keyed() {
        let different = key_columns::different(&[table], entry.source(), key, true)?;
        found.extend(different.into_iter().map(|column| (table, column)));
    }
    Ok(found)
}

/// Returns the commands of ALTER TABLE that change the types in the tables. Columns that the statement does not
/// change are skipped: they got their types while there was no key.
fn changes_of_types<'a>(
    entry: &Entry,
    different: &[(&'a Table, Different)],
    columns: &[Rewritten],
) -> Result<Vec<(&'a Table, String)>, PgError> {
    let mut changes = Vec::new();
    for (table, Different { name, wants, collate, .. }) in different {
        let Some(rewritten) = columns.iter().find(|column| column.name == *name) else { continue };
        let casts = rewritten.casts.as_ref().ok_or_else(|| not_cast(entry, name))?;

        let column = ident(name);
        let using: String = casts.iter().chain([wants]).map(|kind| format!("::{kind}")).collect();
        let command = format!("ALTER COLUMN {column} TYPE {wants}{collate} USING {column}{using}");
        changes.push((*table, command));
    }
    Ok(changes)
}

fn not_cast(entry: &Entry, column: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "values of primary key column {column:?} of the source of vectorizer \"{}\" were changed by an \
             expression that is not a cast",
            entry.name
        ),
    )
    .with_hint("Drop the vectorizer and create it again.")
}

/// Writes the current key into the catalog, which makes the worker reread the vectorizer; with `anyhow` also
/// if it has not changed.
pub fn remember_key(entry: &Entry, key: &Key, anyhow: bool) -> Result<(), PgError> {
    let update = "UPDATE ai.vectorizer SET source_pk = $2 WHERE id = $1 AND (source_pk <> $2 OR $3)";
    let args = [entry.id.into(), JsonB(key.to_json()).into(), anyhow.into()];
    as_superuser(|| execute(update, &args)).map(drop)
}

/// Ends the worker's leases, because the text of their keys may be different now.
pub fn release_leases(v: &Vectorizer) -> Result<(), PgError> {
    let [lease, leased_by, available_at] =
        ["lease", "leased_by", "available_at"].map(|name| v.own.name(name));
    let statement = format!(
        "UPDATE {} SET {lease} = NULL, {leased_by} = NULL, {available_at} = now() WHERE {lease} IS NOT NULL",
        v.queue.work
    );
    as_user_on(v.owner, &[v.relations.work.oid].into(), || execute(&statement, &[])).map(drop)
}

/// Returns whether the values that the chunks are made of, or those of the keys, may have changed.
fn changed(v: &Vectorizer, columns: &[Rewritten]) -> Result<bool, PgError> {
    let read = v.read_columns()?;
    let is_read = |name: &String| read.iter().any(|column| column.name == *name);
    let in_key = |name: &String| v.key.columns().iter().any(|column| column.name == *name);
    Ok(columns.iter().any(|column| is_read(&column.name) || in_key(&column.name) && column.casts.is_none()))
}

/// Returns whether the rows of a table or of the tables below it were rewritten in this transaction. A type
/// with the same storage needs no rewriting and leaves every value unchanged.
fn is_rewritten(source: pg_sys::Oid) -> bool {
    let tables = sql::query(DESCENDANTS, &[source.into()], |row| row.get::<pg_sys::Oid>(1));
    // Assume so if it can't be determined.
    tables.map_or(true, |tables| tables.into_iter().any(has_new_file))
}

/// `InvalidSubTransactionId` (`c.h`).
const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;

fn has_new_file(relation: pg_sys::Oid) -> bool {
    // SAFETY: the statement holds a lock on it; the entry is released again.
    unsafe {
        let entry = pg_sys::RelationIdGetRelation(relation);
        if entry.is_null() {
            return false;
        }

        #[cfg(feature = "pg15")]
        let changed = (*entry).rd_firstRelfilenodeSubid;
        #[cfg(not(feature = "pg15"))]
        let changed = (*entry).rd_firstRelfilelocatorSubid;
        pg_sys::RelationClose(entry);
        changed != NO_SUBTRANSACTION
    }
}
