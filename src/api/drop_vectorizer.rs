//! `ai.drop_vectorizer`, and disabling a vectorizer.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::table::Table;
use crate::catalog::triggers::{self, Identity};
use crate::catalog::{binding, objects, vectorizer, visibility};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, may_act_as, superuser};
use crate::pg::sql;
use crate::queue::wake;

/// The parts of a vectorizer that dropping needs, read so that it also works if some of its relations are
/// gone.
pub struct Target {
    identity: Identity,
    /// The owner of its source, or, if that is gone, of its inbox. If both are gone, only a superuser may
    /// drop it.
    pub owner: pg_sys::Oid,
    source: Option<Table>,
    queue: Vec<Table>,
    store: Option<Table>,
    view: Option<Table>,
}

/// Returns the vectorizer with this id. Errors if the caller does not see it, as if it did not exist, or
/// lacks its owner's rights.
pub fn target(id: i32) -> Result<Target, PgError> {
    let user = current_user();
    let target = find(id)?.filter(|target| target.is_seen_by(user)).ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NO_DATA_FOUND, "query returned no rows")
            .with_detail(format!("There is no vectorizer with id {id}."))
            .with_hint("The view ai.vectorizer_status lists the vectorizers that exist.")
    })?;
    if may_act_as(user, target.owner) {
        return Ok(target);
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "must be owner of the vectorizer")
        .with_hint("A vectorizer belongs to the owner of its source."))
}

/// Finds all relations of a vectorizer, or what is left of them; `None` if there is no such vectorizer.
fn find(id: i32) -> Result<Option<Target>, PgError> {
    if let Some(entry) = vectorizer::by_id(id)? {
        let (identity, relations) = (entry.identity(), entry.relations);
        return Ok(Some(Target {
            identity,
            owner: relations.source.owner,
            queue: relations.queue(),
            source: Some(relations.source),
            store: relations.store,
            view: relations.view,
        }));
    }

    let Some(rest) = binding::rest(id)? else { return Ok(None) };
    let owner = rest.source.as_ref().or(rest.queue.first()).map(|table| table.owner);
    Ok(Some(Target {
        identity: rest.identity,
        owner: owner.unwrap_or(superuser()),
        source: rest.source,
        queue: rest.queue,
        store: rest.store,
        view: rest.view,
    }))
}

/// Errors if the vectorizer's id is null.
pub fn require_id(vectorizer_id: Option<i32>) -> Result<i32, PgError> {
    vectorizer_id.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer_id must not be null")
            .with_hint("The view ai.vectorizer_status lists the vectorizers that exist.")
    })
}

/// Errors unless the vectorizer exists and the current user has its owner's rights.
pub fn require_owner(id: i32) -> Result<(), PgError> {
    target(id).map(drop)
}

#[pg_extern(sql = false)]
fn drop_vectorizer(
    vectorizer_id: Option<i32>,
    drop_all: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let target = target(require_id(vectorizer_id)?)?;
    target.drop()?;
    if drop_all.unwrap_or(false) {
        target.drop_destination()?;
    }
    wake::worker_at_commit();
    Ok(())
}

/// Drops a vectorizer but keeps its store and its view.
pub fn drop_keeping_store(id: i32) -> Result<(), PgError> {
    target(id)?.drop()
}

impl Target {
    /// Returns whether a role sees the vectorizer, according to the relations that are left of it.
    fn is_seen_by(&self, role: pg_sys::Oid) -> bool {
        let relations = self.source.iter().chain(self.queue.first()).chain(&self.store).chain(&self.view);
        visibility::sees_all(role) || visibility::sees(role, self.owner, relations)
    }

    fn drop(&self) -> Result<(), PgError> {
        if let Some(source) = &self.source {
            triggers::drop_on(&self.identity, source.oid)?;
        }
        objects::forget(self.identity.id, self.owner, &self.queue)
    }

    /// Drops the view and the store. Postgres errors if other objects depend on them.
    fn drop_destination(&self) -> Result<(), PgError> {
        let own = |table: &&Table| table.owner == self.owner;
        self.view.iter().chain(&self.store).filter(own).try_for_each(Table::drop)
    }
}

#[pg_extern(sql = false)]
fn set_disabled(
    vectorizer_id: Option<i32>,
    disabled: Option<bool>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let (Some(id), Some(disabled)) = (vectorizer_id, disabled) else {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "vectorizer_id must not be null",
        )
        .into());
    };
    let target = target(id)?;
    as_superuser(|| {
        sql::execute(
            "UPDATE ai.vectorizer SET disabled = $2 WHERE id = $1 AND disabled <> $2",
            &[target.identity.id.into(), disabled.into()],
        )
    })?;
    wake::worker_at_commit();
    Ok(())
}
