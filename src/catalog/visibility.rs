//! Visibility of the catalog: each role sees its own part.
//!
//! A config names buckets, roles, models and servers. So `ai.vectorizer` and its related tables have row
//! security, whose policies call these functions. A function that is asked about something that the caller
//! does not see responds as if it did not exist. The extension's own work needs everything, and reads the
//! catalog as superuser.
//!
//! The lookups use C functions only: names in SQL may be resolved in a schema in which other roles have
//! created a better match.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

use super::schema;
use super::table::Table;
use crate::pg::identity::{is_superuser, may_act_as};

/// Returns whether a role sees every vectorizer and every S3 source: the owner of the database does, and any
/// role that may read all errors, as `ai.grant_vectorizer_usage(…, admin => true)` allows.
pub fn sees_all(role: pg_sys::Oid) -> bool {
    if is_superuser(role) {
        return true;
    }
    // In a schema that belongs to another role, rights on tables of these names prove nothing.
    schema::require_trusted().is_ok()
        && (may_act_as(role, pg_sys::Oid::from(pg_sys::ROLE_PG_DATABASE_OWNER))
            || may(role, c"_vectorizer_errors", pg_sys::ACL_SELECT))
}

/// Returns whether a role sees the state of every vectorizer: one that may read the progress of all of them
/// does, as `pg_monitor` may.
pub fn watches_all(role: pg_sys::Oid) -> bool {
    sees_all(role)
        || schema::require_trusted().is_ok() && may(role, c"vectorizer_worker_progress", pg_sys::ACL_SELECT)
}

/// Returns whether a role sees what belongs to `owner`: it has the owner's rights, or may read one of these
/// tables.
///
/// Only tables of the owner count, because the OID of a dropped table can be reused for a table of another
/// role.
pub fn sees<'a>(role: pg_sys::Oid, owner: pg_sys::Oid, tables: impl IntoIterator<Item = &'a Table>) -> bool {
    may_act_as(role, owner)
        || tables.into_iter().any(|table| table.owner == owner && may_read(role, table.oid))
}

/// Returns whether a role may read all columns of a relation and use its schema.
pub fn may_read_all(role: pg_sys::Oid, relation: pg_sys::Oid) -> bool {
    let mut is_missing = false;
    // SAFETY: looks up the catalogs on the main thread, in a transaction. A relation that is gone has no schema, and is no error.
    unsafe {
        may_use(role, pg_sys::get_rel_namespace(relation))
            && allowed(pg_sys::pg_class_aclcheck_ext(
                relation,
                role,
                pg_sys::AclMode::from(pg_sys::ACL_SELECT),
                &mut is_missing,
            ))
    }
}

/// Returns whether a relation has these columns, and a role may read them and use its schema.
pub fn may_read_columns<'a>(
    role: pg_sys::Oid,
    relation: pg_sys::Oid,
    columns: impl IntoIterator<Item = &'a str>,
) -> bool {
    // SAFETY: looks up the catalogs on the main thread, in a transaction.
    let may_use = unsafe { may_use(role, pg_sys::get_rel_namespace(relation)) };
    let may_all = may_read_all(role, relation);
    may_use && columns.into_iter().all(|column| may_read_column(role, relation, column, may_all))
}

/// Returns whether a relation has a column, and a role may read it; `may_all` if it may read all of them.
fn may_read_column(role: pg_sys::Oid, relation: pg_sys::Oid, column: &str, may_all: bool) -> bool {
    let Ok(name) = CString::new(column) else { return false };
    let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
    let mut is_missing = false;
    // SAFETY: as above, with a C string. A relation that is gone has no columns.
    unsafe {
        let number = pg_sys::get_attnum(relation, name.as_ptr());
        number != 0
            && (may_all
                || allowed(pg_sys::pg_attribute_aclcheck_ext(relation, number, role, right, &mut is_missing)))
    }
}

/// Returns whether a role may read any column of a relation and use its schema.
pub fn may_read(role: pg_sys::Oid, relation: pg_sys::Oid) -> bool {
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

/// Returns whether a role has a right on a table of the extension.
fn may(role: pg_sys::Oid, table: &CStr, right: u32) -> bool {
    let Some(table) = schema::own(table) else { return false };
    let mut is_missing = false;
    // SAFETY: as above; a table that is gone by now is no error.
    allowed(unsafe { pg_sys::pg_class_aclcheck_ext(table, role, right.into(), &mut is_missing) })
}

/// A right on one of the columns is enough.
const ANY: pg_sys::AclMaskHow::Type = pg_sys::AclMaskHow::ACLMASK_ANY;

fn allowed(result: pg_sys::AclResult::Type) -> bool {
    result == pg_sys::AclResult::ACLCHECK_OK
}
