//! The schema `ai`, which contains the extension's own tables.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;
use crate::pg::identity::is_superuser;

/// Errors (42501) unless the schema belongs to a superuser: its owner could replace the extension's tables,
/// which are read with the extension's rights.
pub fn require_trusted() -> Result<(), PgError> {
    let Some((_, owner)) = with_owner() else { return Ok(()) };
    if is_superuser(owner) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        "schema \"ai\" is not trusted, because its owner is not a superuser",
    )
    .with_hint("Inspect its contents, then run ALTER SCHEMA ai OWNER TO a superuser."))
}

/// Returns the schema and its owner; `None` if there is none. Must be called within a transaction.
pub fn with_owner() -> Option<(pg_sys::Oid, pg_sys::Oid)> {
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released again.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"ai".as_ptr(), true);
        let identifier = pg_sys::SysCacheIdentifier::NAMESPACEOID as _;
        let found = pg_sys::SearchSysCache1(identifier, pg_sys::Datum::from(schema));
        if found.is_null() {
            return None;
        }
        let owner = (*pg_sys::GETSTRUCT(found).cast::<pg_sys::FormData_pg_namespace>()).nspowner;
        pg_sys::ReleaseSysCache(found);
        Some((schema, owner))
    }
}

/// Returns whether the schema has a relation of this name that belongs to the extension. The objects of an
/// earlier version are supported until `ALTER EXTENSION pgai_rs UPDATE`, and lack newer relations.
pub fn has(relation: &CStr) -> bool {
    own(relation).is_some()
}

/// Returns the extension's relation of this name; `None` if there is none. A relation that is not the
/// extension's does not count: earlier versions let others create tables in the schema, possibly under names
/// that later versions use.
pub fn own(relation: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: looks up the catalogs on the main thread, in a transaction. There is nothing in a schema that is not there.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"ai".as_ptr(), true);
        let found = pg_sys::get_relname_relid(relation.as_ptr(), schema);
        let extension = pg_sys::get_extension_oid(c"pgai_rs".as_ptr(), true);
        let is_own = found != pg_sys::InvalidOid
            && extension != pg_sys::InvalidOid
            && pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, found) == extension;
        is_own.then_some(found)
    }
}
