//! Visibility of the catalog: each role sees its own part.
//!
//! A config names buckets, roles, models and servers. So `ai.vectorizer` and the tables beside it have row security,
//! whose policies ask here; and a function that is asked for what the caller does not see answers as if there were
//! none. The extension's own work needs the truth, and reads the catalog as superuser.
//!
//! The catalogs are looked up by C functions alone: what is looked up by SQL may be looked up in a schema in which
//! others have made something that fits better.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::schema;
use super::table::Table;
use crate::pg::identity::{is_superuser, may_act_as};

/// Returns whether a role sees every vectorizer and every S3 source: the owner of the database does, and whoever may
/// read everybody's errors, as `ai.grant_vectorizer_usage(…, admin => true)` gives.
pub fn sees_all(role: pg_sys::Oid) -> bool {
    if is_superuser(role) {
        return true;
    }
    // In a schema of somebody else's, tables of these names prove nothing.
    schema::require_trusted().is_ok()
        && (may_act_as(role, pg_sys::Oid::from(pg_sys::ROLE_PG_DATABASE_OWNER))
            || may(role, c"_vectorizer_errors", pg_sys::ACL_SELECT))
}

/// Returns whether a role sees how every vectorizer is: whoever may read what all of them have come to does, as
/// `pg_monitor` may.
pub fn watches_all(role: pg_sys::Oid) -> bool {
    sees_all(role)
        || schema::require_trusted().is_ok() && may(role, c"vectorizer_worker_progress", pg_sys::ACL_SELECT)
}

/// Returns whether a role sees what belongs to `owner`: it has the owner's rights, or may read one of these tables.
///
/// Only tables of the owner's count, for an OID that is left of one that was dropped can come to be another's.
pub fn sees<'a>(role: pg_sys::Oid, owner: pg_sys::Oid, tables: impl IntoIterator<Item = &'a Table>) -> bool {
    may_act_as(role, owner)
        || tables.into_iter().any(|table| table.owner == owner && may_read(role, table.oid))
}

/// Returns whether a role may read a column of a relation, and reach it.
fn may_read(role: pg_sys::Oid, relation: pg_sys::Oid) -> bool {
    let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
    let mut is_missing = false;
    // SAFETY: looks up the catalogs on the main thread, in a transaction. A relation that is gone has no schema, and is no error.
    unsafe {
        may_use(role, pg_sys::get_rel_namespace(relation))
            && (allowed(pg_sys::pg_class_aclcheck_ext(relation, role, right, &mut is_missing))
                || !is_missing && allowed(pg_sys::pg_attribute_aclcheck_all(relation, role, right, ANY)))
    }
}

/// Returns whether a role has USAGE on a schema.
fn may_use(role: pg_sys::Oid, schema: pg_sys::Oid) -> bool {
    let right = pg_sys::AclMode::from(pg_sys::ACL_USAGE);
    if schema == pg_sys::InvalidOid {
        return false;
    }

    // SAFETY: as above.
    #[cfg(feature = "pg15")]
    let result = unsafe { pg_sys::pg_namespace_aclcheck(schema, role, right) };
    // SAFETY: as above.
    #[cfg(not(feature = "pg15"))]
    let result = unsafe { pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, role, right) };
    allowed(result)
}

/// Returns whether a role has a right on a table of the extension's.
fn may(role: pg_sys::Oid, table: &CStr, right: u32) -> bool {
    let Some(table) = schema::own(table) else { return false };
    let mut is_missing = false;
    // SAFETY: as above; a table that is gone by now is no error.
    allowed(unsafe { pg_sys::pg_class_aclcheck_ext(table, role, right.into(), &mut is_missing) })
}

/// One of the columns is enough.
const ANY: pg_sys::AclMaskHow::Type = pg_sys::AclMaskHow::ACLMASK_ANY;

fn allowed(result: pg_sys::AclResult::Type) -> bool {
    result == pg_sys::AclResult::ACLCHECK_OK
}
