//! The row of a vectorizer in `ai.vectorizer`: inserted when it is created, bound where it was only found, and
//! deleted.

use pgrx::{JsonB, pg_sys};
use serde_json::Value;

use super::binding;
use super::dropping;
use super::key::Key;
use super::objects;
use super::relation::Relation;
use super::table::Table;
use super::triggers::{self, Identity};
use super::vectorizer::Entry;
use super::{failed_name, trigger_name};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::json::require_bounded;
use crate::pg::sql;

/// Inserts a vectorizer into the catalog. Returns its UUID; `None` if the extension's objects are older than
/// UUIDs.
pub fn register(
    id: i32,
    name: &str,
    source: &Relation,
    key: &Key,
    queue_schema: &str,
    inbox: &str,
    config: Value,
) -> Result<Option<String>, PgError> {
    require_bounded("vectorizer", &config)?;
    let uuid = binding::uuid();
    let registered = as_superuser(|| {
        sql::query_row(
            &format!(
                "INSERT INTO ai.vectorizer AS v (id, name, source_schema, source_table, source_pk, trigger_name,
                                        queue_schema, queue_table, queue_failed_table, config)
             VALUES ($1, $2::name, $3::name, $4::name, $5, $6::name, $7::name, $8::name, $9::name, $10)
             RETURNING {uuid}"),
            &[
                id.into(),
                name.to_owned().into(),
                source.schema.clone().into(),
                source.name.clone().into(),
                JsonB(key.to_json()).into(),
                trigger_name(id).into(),
                queue_schema.to_owned().into(),
                inbox.to_owned().into(),
                failed_name(id).into(),
                JsonB(config).into(),
            ],
            |row| row.get_opt::<String>(1),
        )
    })?;
    registered.ok_or_else(|| PgError::internal("INSERT into ai.vectorizer returned no row"))
}

/// Returns the config of a vectorizer as it is stored, which nobody else changes until the transaction ends; `None` if it is gone.
pub fn config_to_change(id: i32) -> Result<Option<Value>, PgError> {
    let look = "SELECT config FROM ai.vectorizer WHERE id = $1 FOR NO KEY UPDATE";
    as_superuser(|| sql::query_row(look, &[id.into()], |row| Ok(row.get::<JsonB>(1)?.0)))
}

/// Has the administrator's lists bind a vectorizer, whoever its owner is.
pub fn restrict(id: i32) -> Result<(), PgError> {
    let update = "UPDATE ai.vectorizer SET for_superuser = false WHERE id = $1";
    as_superuser(|| sql::execute(update, &[id.into()])).map(drop)
}

/// Has the administrator's lists bind a vectorizer that takes over parts of another one's config, if they bind that one: who
/// declared them may have been no superuser.
pub fn restrict_as(id: i32, other: i32) -> Result<(), PgError> {
    let update = "UPDATE ai.vectorizer v SET for_superuser = v.for_superuser AND o.for_superuser
                  FROM ai.vectorizer o WHERE v.id = $1 AND o.id = $2";
    as_superuser(|| sql::execute(update, &[id.into(), other.into()])).map(drop)
}

/// Returns whether there is a vectorizer with this id and UUID, even if its relations are missing.
pub fn is_registered(vectorizer: &Identity) -> Result<bool, PgError> {
    let statement = format!("SELECT {} FROM ai.vectorizer v WHERE v.id = $1", binding::uuid());
    let found =
        as_superuser(|| sql::read_now(&statement, &[vectorizer.id.into()], |row| row.get_opt::<String>(1)))?;
    Ok(found.first().is_some_and(|uuid| vectorizer.uuid.is_none() || vectorizer.uuid == *uuid))
}

/// Binds the relations of a vectorizer that were only found so far, and recreates its triggers with its UUID
/// if they were created before there were UUIDs.
pub fn bind_found(entry: &Entry) -> Result<(), PgError> {
    entry.relations.require_one_owner()?;
    let source = Relation::load(entry.relations.source.oid)?;
    let source = source.ok_or_else(|| triggers::lost(&entry.name))?;
    entry.relations.hold()?;
    entry.relations.bind(entry.id)?;
    binding::write_names(Some(&[entry.id]))?;
    let keyless = [&entry.relations.inbox, &entry.relations.failed];
    as_user(source.owner, || keyless.into_iter().try_for_each(objects::tell_subscribers_whole_rows))?;
    if triggers::have_uuid(&entry.identity(), source.oid)? {
        return Ok(());
    }

    entry.relations.source.hold(pg_sys::AccessExclusiveLock)?;
    triggers::drop_on(&entry.identity(), source.oid)?;
    triggers::create(&entry.identity(), &source)
}

/// Removes a vectorizer from the catalog and drops those of these tables that still belong to its owner: its queue and its
/// words, of which nothing is left to use. The store stays. A table on which somebody has built who may read it stays as well,
/// with a warning.
pub fn forget<'a>(
    id: i32,
    owner: pg_sys::Oid,
    mut tables: impl Iterator<Item = &'a Table>,
) -> Result<(), PgError> {
    as_superuser(|| sql::execute("DELETE FROM ai.vectorizer WHERE id = $1", &[id.into()]))?;
    let whose = format!("vectorizer {id}");
    tables.try_for_each(|table| match table.owner == owner && table.kind == 'r' {
        true => dropping::drop_or_leave(&whose, table),
        false => Ok(()),
    })
}
