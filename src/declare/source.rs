//! The source of a vectorizer, as it is named in a declaration.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::relation::Relation;
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, may_act_as};

/// Locks the source as CREATE TRIGGER does, so that nobody else can change it until the transaction ends, and
/// returns it as it is then.
pub fn lock(oid: pg_sys::Oid) -> Result<Relation, PgError> {
    // A table that does not belong to the caller must not be locked.
    require(oid)?;
    let mode = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: on the main thread, in a transaction.
    unsafe { pg_sys::LockRelationOid(oid, mode) };
    require(oid)
}

/// Returns the source as it is now. Errors unless it is a table that the caller may declare a vectorizer on.
pub fn require(oid: pg_sys::Oid) -> Result<Relation, PgError> {
    let source = Relation::load(oid)?.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, "the source table does not exist")
    })?;

    if !may_act_as(current_user(), source.owner) {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_RAISE_EXCEPTION,
            "only a superuser or the owner of the source table may create a vectorizer on it",
        ));
    }
    if !matches!(source.kind, 'r' | 'p') || source.temporary {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("cannot use {} as the source of a vectorizer", source.qualified()),
        )
        .with_detail("A source must be an ordinary or partitioned table that is not temporary.")
        .with_hint(
            "Views and foreign tables have no triggers that record changes. Use the underlying table.",
        ));
    }
    Ok(source)
}
