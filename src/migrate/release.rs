//! The reverse of taking over: pgai's worker can continue where ours stopped.

use pgai_rs_pipeline::config::{Embedding, VectorizerConfig};
use pgrx::{PgSqlErrorCode, pg_sys};

use super::catalog::PgaiVectorizer;
use super::config::of_today;
use super::old_table::{self, Lent};
use super::triggers;
use crate::catalog::alteration;
use crate::catalog::ownership::{owned, require_owner};
use crate::catalog::relation::Relation;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::as_user_on;
use crate::pg::lock;
use crate::pg::roles::role_name;
use crate::pg::sql;

/// Moves a vectorizer's pending and failed rows back to pgai's queue, and enables pgai's triggers on its
/// source. Returns the number of pending rows; `None` if our vectorizer has been dropped since.
pub fn release(entry: &PgaiVectorizer, source: &Relation) -> Result<Option<u64>, PgError> {
    source.table()?.hold(pg_sys::AccessExclusiveLock)?;
    hold_names(entry, source)?;
    let Some(ours) = vectorizer::by_id(entry.id)? else { return Ok(None) };
    require_owner(entry.id)?;
    if alteration::of(entry.id)?.is_some() {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("vectorizer \"{}\" is being altered", ours.name),
        )
        .with_hint("SELECT * FROM ai.vectorizer_alterations shows how far it is."));
    }
    if ours.source() != source.oid {
        return Err(PgError::raised(format!("vectorizer \"{}\" has another source than in pgai", ours.name)));
    }
    require_its_model(entry, ours.model()?)?;
    triggers::require_switched_off(entry, source)?;
    entry.require_failed()?;
    let pending = move_keys(entry, &ours.resolve()?, source)?;
    // Our triggers have the same names as pgai's.
    owned(entry.id)?.drop()?;
    triggers::switch_on(entry, source)?;
    Ok(Some(pending))
}

/// Errors (55000) if pgai would write vectors of another model beside those that are there.
fn require_its_model(entry: &PgaiVectorizer, vectors_of: &Embedding) -> Result<(), PgError> {
    let config: Result<VectorizerConfig, _> = serde_json::from_value(of_today(entry.config.clone()));
    let makes_others = |config: &VectorizerConfig| !config.embedding.makes_vectors_of(vectors_of);
    if !config.as_ref().is_ok_and(makes_others) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the vectors of vectorizer \"{}\" are of another model than pgai's config names", entry.name),
    )
    .with_detail("It was changed by ai.alter_vectorizer() since pgai_rs took the vectorizer over.")
    .with_hint("Change the model back, or write the present one into pgai's catalog."))
}

/// Keeps what is altered and granted by name from being renamed until the transaction ends. Errors (40001) if it was
/// renamed since it was read. The tables of the queue are looked at when they are used.
fn hold_names(entry: &PgaiVectorizer, source: &Relation) -> Result<(), PgError> {
    let schemas = entry.tables().map(|table| table.schema.as_str());
    lock::schema_names(&schemas.chain([source.schema.as_str()]).collect::<Vec<_>>())?;
    source.as_read().require_unchanged()
}

/// Moves the keys as the owner of the source, who is granted the rights for it meanwhile. Returns the number
/// of pending rows.
fn move_keys(entry: &PgaiVectorizer, ours: &Vectorizer, source: &Relation) -> Result<u64, PgError> {
    let queue = entry.queue.as_ref().ok_or_else(|| {
        PgError::raised(format!("the queue of pgai's vectorizer \"{}\" does not exist", entry.name))
    })?;
    for table in [queue].into_iter().chain(&entry.failed) {
        table.hold(pg_sys::ShareRowExclusiveLock)?;
        old_table::require_trusted(table, source)?;
        old_table::require_plain(table, source, &ours.key)?;
    }

    let names = ours.key.names(None);
    let tables = &ours.queue;
    if let Some(failed) = &entry.failed {
        let columns = format!("{names}, created_at, failure_step");
        refill(failed, ours, &columns, &format!("SELECT {columns} FROM {}", tables.failed))?;
    }
    let waiting = format!("SELECT {names} FROM {} UNION SELECT {names} FROM {}", tables.inbox, tables.work);
    refill(queue, ours, &names, &waiting)
}

fn refill(table: &Table, ours: &Vectorizer, columns: &str, keys: &str) -> Result<u64, PgError> {
    let owner = ours.source.owner;
    let name = table.qualified();
    let tables = ours.relations.tables().chain([table]).map(|table| table.oid).collect();
    let lent = Lent::to(owner, &role_name(owner)?, table, &["SELECT", "INSERT", "DELETE"])?;
    let moved = as_user_on(owner, &tables, || {
        sql::execute(&format!("DELETE FROM ONLY {name}"), &[])?;
        sql::execute(&format!("INSERT INTO {name} ({columns}) {keys}"), &[])
    })?;
    lent.take_back()?;
    Ok(moved)
}
