//! Limits on the number of vectorizers and S3 sources of a role or a database: they take turns in the worker,
//! so one role's reduce the time for all others.
//!
//! One transaction at a time declares for a role ([`hold`]), so that a role's limits hold. Those of a database may be
//! exceeded by what other roles declare at the same time: waiting for all of them would let one keep all others waiting.
//!
//! The row in the catalog counts, also if the tables that it needs are gone: it costs its part of each look at all of them.
//!
//! The limits are those that are set for the owner, in whoever's session: a trigger of the owner's runs in the worker's.

use std::ffi::{CStr, CString};

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::owners;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::{is_superuser, session_user};
use crate::pg::lock::{self, Named};
use crate::pg::role_settings::{last_of, set_for_database, set_for_role};

/// Makes other transactions that declare something for this role wait until this one ends. The caller must have the role's
/// rights. Superusers are exempt.
pub fn hold(owner: pg_sys::Oid) {
    if !is_superuser(owner) {
        lock::on_declarations_for(Named::OfRole, owner);
    }
}

/// Errors if this role or the database has as many vectorizers as allowed. Superusers are exempt. The role must be held ([`hold`]).
pub fn require_room_for_vectorizer(owner: pg_sys::Oid) -> Result<(), PgError> {
    if is_superuser(owner) {
        return Ok(());
    }

    owners::forget_ownerless()?;
    let owners = owners::of_vectorizers()?;
    let has = owners.iter().filter(|of_one| of_one.contains(&owner)).count();
    let limited = owners.iter().filter(|of_one| of_one.iter().any(|owner| !is_superuser(*owner))).count();

    require_room(
        "role",
        has as i64,
        set_for(owner, c"pgai_rs.max_vectorizers_per_role", guc::max_vectorizers_per_role()),
        "vectorizers",
        "max_vectorizers_per_role",
    )?;
    require_room(
        "database",
        limited as i64,
        guc::max_vectorizers_per_database(),
        "vectorizers",
        "max_vectorizers_per_database",
    )
}

/// Errors if this role or the database has as many S3 sources as allowed. Superusers are exempt. The role must be held.
pub fn require_room_for_s3_source(owner: pg_sys::Oid) -> Result<(), PgError> {
    if is_superuser(owner) {
        return Ok(());
    }

    owners::forget_ownerless()?;
    let limited: Vec<pg_sys::Oid> =
        owners::of_s3_sources()?.into_iter().filter(|owner| !is_superuser(*owner)).collect();
    let has = limited.iter().filter(|one| **one == owner).count();

    require_room(
        "role",
        has as i64,
        set_for(owner, c"pgai_rs.max_s3_sources_per_role", guc::max_s3_sources_per_role()),
        "S3 sources",
        "max_s3_sources_per_role",
    )?;
    require_room(
        "database",
        limited.len() as i64,
        guc::max_s3_sources_per_database(),
        "S3 sources",
        "max_s3_sources_per_database",
    )
}

/// Returns the value of a limit that is set for a role or for the database; else `here`, that of this session.
fn set_for(role: pg_sys::Oid, name: &CStr, here: i64) -> i64 {
    if role == session_user() {
        return here;
    }
    let set = [set_for_database(), set_for_role(role)].concat();
    let value = last_of(&set, &name.to_string_lossy()).and_then(|value| CString::new(value).ok());
    let Some(value) = value else { return here };

    let mut number = 0;
    // SAFETY: a C string and a place for the number; no hint is asked for.
    let is_number = unsafe { pg_sys::parse_int(value.as_ptr(), &mut number, 0, std::ptr::null_mut()) };
    // Postgres has let it be set where the library was not loaded.
    if is_number { i64::from(number) } else { here }
}

fn require_room(whose: &str, has: i64, most: i64, what: &str, setting: &str) -> Result<(), PgError> {
    if has < most {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        format!("too many {what} for this {whose}"),
    )
    .with_detail(format!("The maximum, pgai_rs.{setting}, is {most}."))
    .with_hint(
        "Drop those that are not needed, or have a superuser increase the setting for the role or the database.",
    ))
}
