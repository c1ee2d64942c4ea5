//! Values that ALTER TABLE made others without any trigger's seeing it, and the types of keys.
//!
//! A key of another type has it in the queue and in the store as well, by the casts that made it the
//! source's. A key that was made in another way can't be followed: to which row a chunk belongs can't be
//! told any more.

use pgrx::pg_sys;
use pgrx::{JsonB, PgSqlErrorCode};

use super::altered::{Altered, Rewritten};
use super::warned_of;
use crate::catalog::key::Key;
use crate::catalog::key_columns::{self, Different};
use crate::catalog::objects::Remembered;
use crate::catalog::relation::DESCENDANTS;
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, as_user_on};
use crate::pg::sql::{self, execute, ident};
use crate::pg::transaction::see_own_changes;
use crate::queue::{missed, resync, wake};

/// Follows the statement in the vectorizers of this table, and of those that have its columns from it.
pub fn follow(altered: &Altered) -> Result<(), PgError> {
    for entry in vectorizer::by_descendant(altered.relation)? {
        if !warned_of(&entry, "a column's new type", || follow_in(&entry, &altered.columns)) {
            missed::record(entry.id, "a change of its source's columns could not be followed")?;
        }
    }
    Ok(())
}

fn follow_in(entry: &Entry, columns: &[Rewritten]) -> Result<(), PgError> {
    if columns.is_empty() {
        return Ok(());
    }
    see_own_changes();
    // Without one the vectorizer stands still, and its trigger says so.
    let Some(key) = as_superuser(|| Key::of(entry.source()))? else { return Ok(()) };
    let different = key_columns::different(tables(entry), entry.source(), &key, true)?;
    // Of another name or shape, which is no matter of types.
    if different.iter().any(|column| column.has.is_none()) {
        return Ok(());
    }
    let statements = changes_of_types(entry, &different, columns)?;
    as_user(entry.owner(), || statements.iter().try_for_each(|statement| execute(statement, &[]).map(drop)))?;
    let v = as_superuser(|| entry.understand())?;
    if !statements.is_empty() {
        remember_key(entry, &key, true)?;
        give_back(&v)?;
    }
    if is_rewritten(entry.source()) && changed(&v, columns)? {
        resync::enqueue_extra(&v)?;
        resync::enqueue_all(&v)?;
    }
    wake::worker_at_commit();
    Ok(())
}

/// All that have the key's columns.
fn tables(entry: &Entry) -> Vec<String> {
    let queue = entry.queue();
    queue.all(Remembered::Input).into_iter().map(str::to_owned).chain(entry.store()).collect()
}

/// The statements that make the tables follow. Of a column that this statement leaves alone none: it got its
/// type while there was no key.
fn changes_of_types(
    entry: &Entry,
    different: &[Different],
    columns: &[Rewritten],
) -> Result<Vec<String>, PgError> {
    let mut statements = Vec::new();
    for Different { table, name, wants, collate, .. } in different {
        let Some(rewritten) = columns.iter().find(|column| column.name == *name) else { continue };
        let casts = rewritten.casts.as_ref().ok_or_else(|| not_cast(entry, name))?;
        let column = ident(name);
        let using: String = casts.iter().chain([wants]).map(|kind| format!("::{kind}")).collect();
        statements.push(format!(
            "ALTER TABLE {table} ALTER COLUMN {column} TYPE {wants}{collate} USING {column}{using}"
        ));
    }
    Ok(statements)
}

fn not_cast(entry: &Entry, column: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!(
            "column {column:?} of the primary key of vectorizer {}'s source got its values by an expression \
             that is no cast",
            entry.name
        ),
    )
    .with_hint("Drop the vectorizer and create it anew.")
}

/// Writes the key of today into the catalog, which makes the worker look at the vectorizer anew; with
/// `anyhow` also where it stands there already.
pub fn remember_key(entry: &Entry, key: &Key, anyhow: bool) -> Result<(), PgError> {
    let update = "UPDATE ai.vectorizer SET source_pk = $2 WHERE id = $1 AND (source_pk <> $2 OR $3)";
    let args = [entry.id.into(), JsonB(key.to_json()).into(), anyhow.into()];
    as_superuser(|| execute(update, &args)).map(drop)
}

/// Ends the leases of the worker, whose keys may read otherwise now.
pub fn give_back(v: &Vectorizer) -> Result<(), PgError> {
    let [lease, leased_by, available_at] =
        ["lease", "leased_by", "available_at"].map(|name| v.own.name(name));
    let release = format!(
        "UPDATE {} SET {lease} = NULL, {leased_by} = NULL, {available_at} = now() WHERE {lease} IS NOT NULL",
        v.queue.work
    );
    as_user_on(v.owner, &[v.relations.work.oid].into(), || execute(&release, &[])).map(drop)
}

/// Whether what the chunks are made of, or the keys, may be other values now.
fn changed(v: &Vectorizer, columns: &[Rewritten]) -> Result<bool, PgError> {
    let read = v.read_columns()?;
    let is_read = |name: &String| read.iter().any(|column| column.name == *name);
    let in_key = |name: &String| v.key.columns().iter().any(|column| column.name == *name);
    Ok(columns.iter().any(|column| is_read(&column.name) || in_key(&column.name) && column.casts.is_none()))
}

/// Whether the rows of a table or of its partitions were written anew in this transaction. A type that is
/// stored alike costs no rewriting, and leaves every value as it was.
fn is_rewritten(source: pg_sys::Oid) -> bool {
    let tables = sql::query(DESCENDANTS, &[source.into()], |row| row.get::<pg_sys::Oid>(1));
    // What can't be known may be.
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
