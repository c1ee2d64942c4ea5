//! Vectorizers that the caller may drop or change: those whose owner's rights the caller has.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::destination::is_of_vectors;
use super::exchange_columns::require_unshared;
use super::registration::forget;
use super::relation::{self, Column};
use super::table::Table;
use super::triggers::{self, Identity};
use super::{remains, vectorizer, visibility};
use crate::pg::error::PgError;
use crate::pg::identity::{as_user, current_user, may_act_as, superuser};
use crate::pg::lock;
use crate::pg::sql::ident;
use crate::pg::transaction::subtransaction;

/// The parts of a vectorizer that dropping needs, read so that it also works if some of its relations are
/// gone.
pub struct OwnedVectorizer {
    identity: Identity,
    /// The owner of its source, or, if that is gone, of its inbox. If both are gone, only a superuser may
    /// drop it.
    pub owner: pg_sys::Oid,
    source: Option<Table>,
    queue: Vec<Table>,
    store: Option<Table>,
    view: Option<Table>,
    words: Option<Table>,
    /// The column of the source that the vectors are in; `None` if they are in a store.
    column: Option<String>,
}

/// Returns the vectorizer with this id. Errors if the caller does not see it, as if it did not exist, or
/// lacks its owner's rights.
pub fn owned(id: i32) -> Result<OwnedVectorizer, PgError> {
    let user = current_user();
    let found = find(id)?.filter(|found| found.is_seen_by(user)).ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NO_DATA_FOUND, "query returned no rows")
            .with_detail(format!("Vectorizer {id} does not exist."))
            .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
    })?;
    if may_act_as(user, found.owner) {
        return Ok(found);
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, "must be owner of vectorizer")
        .with_hint("A vectorizer belongs to the owner of its source."))
}

/// Finds all relations of a vectorizer, or what is left of them; `None` if there is no such vectorizer.
fn find(id: i32) -> Result<Option<OwnedVectorizer>, PgError> {
    if let Some(entry) = vectorizer::by_id(id)? {
        let identity = entry.identity();
        let column = entry.embedding_column().map(str::to_owned);
        let relations = entry.relations;
        return Ok(Some(OwnedVectorizer {
            identity,
            owner: relations.source.owner,
            queue: relations.queue(),
            source: Some(relations.source),
            store: relations.store,
            view: relations.view,
            words: relations.words,
            column,
        }));
    }

    let Some(rest) = remains::of(id)? else { return Ok(None) };
    let owner = rest.source.as_ref().or(rest.queue.first()).map(|table| table.owner);
    Ok(Some(OwnedVectorizer {
        identity: rest.identity,
        owner: owner.unwrap_or(superuser()),
        source: rest.source,
        queue: rest.queue,
        store: rest.store,
        view: rest.view,
        words: rest.words,
        column: None,
    }))
}

/// Errors unless the vectorizer exists and the current user has its owner's rights.
pub fn require_owner(id: i32) -> Result<(), PgError> {
    owned(id).map(drop)
}

impl OwnedVectorizer {
    /// Returns its id.
    pub fn id(&self) -> i32 {
        self.identity.id
    }

    /// Returns whether a role sees the vectorizer, according to the relations that are left of it.
    fn is_seen_by(&self, role: pg_sys::Oid) -> bool {
        let relations = self.source.iter().chain(self.queue.first()).chain(&self.store).chain(&self.view);
        visibility::sees_all(role) || visibility::sees(role, self.owner, relations)
    }

    /// Drops the vectorizer with its triggers, its queue and its words, but keeps its store and its view.
    pub fn drop(&self) -> Result<(), PgError> {
        if let Some(source) = &self.source {
            triggers::drop_on(&self.identity, source.oid)?;
        }
        forget(self.identity.id, self.owner, self.queue.iter().chain(&self.words))
    }

    /// Drops the view and the store. Postgres errors if other objects depend on them.
    pub fn drop_destination(&self) -> Result<(), PgError> {
        let own = |table: &&Table| table.owner == self.owner;
        self.view.iter().chain(&self.store).filter(own).try_for_each(Table::drop)
    }

    /// Locks all that is dropped with it and its vectors, with short waits: what everybody writes to last. Errors (55P03) if somebody
    /// uses something of it for longer than a moment.
    pub fn hold(&self) -> Result<(), PgError> {
        let destination = self.view.iter().chain(&self.store).chain(&self.words);
        let tables = destination.chain(&self.source).chain(&self.queue);
        lock::giving_way(|| tables.into_iter().try_for_each(|table| table.hold(pg_sys::AccessExclusiveLock)))
    }

    /// Drops the view and the store, or the column of the source that the vectors are in. If other objects depend on them, or another
    /// vectorizer writes to the column, they stay, with a warning. Errors (55P03) if somebody uses the source for longer than a moment.
    pub fn drop_vectors(&self) -> Result<(), PgError> {
        match subtransaction(|| self.drop_destination().and_then(|()| self.drop_column())) {
            Err(error) if error.is_contention() => Err(error),
            Err(error) => {
                pgrx::warning!("the vectors of vectorizer {} are left in place: {error}", self.id());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn drop_column(&self) -> Result<(), PgError> {
        let (Some(source), Some(column)) = (&self.source, &self.column) else { return Ok(()) };
        lock::giving_way(|| {
            source.hold(pg_sys::AccessExclusiveLock)?;
            let is_of_vectors = |found: &Column| found.name == *column && is_of_vectors(found);
            if !relation::columns(source.oid)?.iter().any(is_of_vectors) {
                return Ok(());
            }
            require_unshared(source, column, &[self.id()])?;
            as_user(self.owner, || source.alter(&format!("DROP COLUMN {}", ident(column))))
        })
    }
}
