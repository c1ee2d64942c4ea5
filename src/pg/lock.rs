//! Locks on names: of objects that are being created, and of schemas.
//!
//! If two sessions create the same object, the second waits and then finds it, instead of failing at a unique
//! index of a catalog.
//!
//! A lock on a table keeps its name, but not that of its schema, whose owner could have another table take the
//! table's place between two statements of ours. Statements that define objects name tables, types and operators
//! in several places, and not all of them can be given OIDs, so the names of the schemas are held for them.

use std::ffi::{CStr, CString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;

use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_sys};

use super::error::PgError;
use super::identity::as_superuser;
use super::quote::ident;
use super::settings::SettingsLevel;
use super::sql;

/// The longest wait for a name that another transaction holds. Whoever declares a vectorizer keeps others from writing to
/// its source meanwhile.
const LONGEST_WAIT: &CStr = c"5s";

/// The same in milliseconds.
const LONGEST_WAIT_MS: i32 = 5000;

/// The longest wait in milliseconds of [`giving_way`].
const SHORT_WAIT_MS: i32 = 200;

/// The kind of object that a name denotes. Each kind has its own locks.
#[derive(Clone, Copy)]
pub enum Named {
    /// A vectorizer.
    Vectorizer,
    /// An S3 source.
    S3Source,
    /// A table or a view, by its unqualified name.
    Relation,
    /// An event queue, by its URL.
    Queue,
    /// A vectorizer that is altered, by its id: nobody has one who has no such vectorizer.
    Alteration,
    /// The vectorizers and S3 sources of a role, by its OID: nobody has them who may not declare for it.
    OfRole,
    /// The S3 sources of a table, by its OID: nobody has them who may not declare them.
    SourcesOfTable,
    /// The worker of this database, by its OID.
    Worker,
}

/// Waits until nobody else is creating an object of this name, and makes others wait until the transaction
/// ends. Must be called before the name is looked up with a new snapshot.
///
/// This is not an advisory lock, which anybody could hold. Names are reduced to a hash: two names with the
/// same hash wait for each other as well.
pub fn on(named: Named, name: &str) {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    waiting_briefly(|| take(named, hasher.finish() as u32));
}

/// Waits until nobody else declares something of this kind for a role or a table, and makes others wait until the transaction
/// ends. Must be called before what there is is looked up with a new snapshot, and by whoever may declare it: nobody else is
/// to have the lock.
pub fn on_declarations_for(named: Named, object: pg_sys::Oid) {
    briefly(
        "Another transaction has declared something for the same role or table, and has not ended.",
        "Repeat the statement when that transaction has ended.",
        || take(named, object.to_u32()),
    );
}

/// Runs `f` while nobody else runs something of this kind for the object. The lock ends with `f`, not with the transaction.
pub fn while_held<R>(named: Named, object: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    briefly("Another session does the same, and has not ended.", "Repeat the statement after that.", || {
        take(named, object.to_u32())
    });
    let result = f();
    // SAFETY: in a transaction, which has taken this lock above; an error raised by `f` ends it with the transaction.
    unsafe {
        pg_sys::UnlockDatabaseObject(
            pg_sys::ExtensionRelationId,
            object,
            named.part(),
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
        );
    }
    result
}

impl Named {
    /// Returns the number by which locks of this kind are told apart. No extension has parts.
    fn part(self) -> u16 {
        self as u16 + 1
    }
}

fn take(named: Named, object: u32) {
    // SAFETY: in a transaction. Nobody else takes such locks: of the parts of an extension, which it has not.
    unsafe {
        pg_sys::LockDatabaseObject(
            pg_sys::ExtensionRelationId,
            pg_sys::Oid::from(object),
            named.part(),
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
        );
    }
}

/// Runs `f`, in which each wait for another transaction takes [`LONGEST_WAIT`] at most, or less if the session's
/// `lock_timeout` is lower. A longer one raises an error (55P03).
///
/// Whoever may create an object of a name can do so and leave the transaction open. Everybody who needs the name would
/// wait for its end.
pub fn waiting_briefly<R>(f: impl FnOnce() -> R) -> R {
    briefly(
        "Another transaction has created an object of a name that is needed here, or changes its schema, and has not ended.",
        "Repeat the statement when that transaction has ended, or choose another name.",
        f,
    )
}

/// Does the same for locks on tables that others write to or change.
pub fn writers_briefly<R>(f: impl FnOnce() -> R) -> R {
    briefly(
        "Another transaction has written to a table of the vectorizer, or changes it, and has not ended.",
        "Repeat the statement when that transaction has ended.",
        f,
    )
}

/// Runs `f`, in which each wait for a lock is so short that nobody who waits behind it notices, and shorter than what Postgres
/// takes for a deadlock, which might end the other transaction. A longer one raises an error (55P03).
pub fn giving_way<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: reads a variable of this backend.
    let milliseconds = unsafe { pg_sys::DeadlockTimeout / 2 }.clamp(1, SHORT_WAIT_MS);
    let longest = CString::new(format!("{milliseconds}ms")).unwrap_or_default();
    within(
        (&longest, milliseconds),
        "Another transaction uses a table or a view of the vectorizer, and has not ended.",
        "Repeat the statement when that transaction has ended.",
        f,
    )
}

/// Runs `f`, in which each wait takes [`LONGEST_WAIT`] at most. The error of a longer one has this detail and this hint.
fn briefly<R>(detail: &'static str, hint: &'static str, f: impl FnOnce() -> R) -> R {
    within((LONGEST_WAIT, LONGEST_WAIT_MS), detail, hint, f)
}

/// Runs `f`, in which each wait takes so long at most, as a setting says it and in milliseconds.
fn within<R>(
    (longest, milliseconds): (&CStr, i32),
    detail: &'static str,
    hint: &'static str,
    f: impl FnOnce() -> R,
) -> R {
    // SAFETY: reads a variable of this backend.
    if (1..=milliseconds).contains(&unsafe { pg_sys::LockTimeout }) {
        return f();
    }

    let level = SettingsLevel::open();
    level.set(c"lock_timeout", longest);
    PgTryBuilder::new(AssertUnwindSafe(f))
        .catch_when(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, |caught| {
            PgError::from(caught).with_detail(detail).with_hint(hint).throw()
        })
        .execute()
}

/// Keeps schemas from being renamed until the transaction ends. What was read of these names before must be looked
/// up again. Errors (3F000) if there is no schema of one of these names.
///
/// It locks the rows of the catalog as a foreign key would: ALTER SCHEMA ... RENAME waits, and GRANT does not. Before that it locks
/// the schemas as CREATE TABLE does, in the order in which newer versions of Postgres lock what they rename: whoever creates a
/// table afterwards would else wait for somebody who waits for the row.
pub fn schema_names(names: &[&str]) -> Result<(), PgError> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().try_for_each(|name| schema(name))?;
    let held = as_superuser(|| sql::query(SCHEMAS, &[names.clone().into()], |row| row.get::<String>(1)))?;
    // SAFETY: on the main thread, in a transaction. What was renamed before is known from here on.
    unsafe { pg_sys::AcceptInvalidationMessages() };

    let Some(missing) = names.iter().find(|name| !held.contains(name)) else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
        format!("schema {} does not exist", ident(missing)),
    ))
}

/// Locks a schema, if there is one of this name, against being dropped or renamed where ALTER SCHEMA takes such a lock.
fn schema(name: &str) -> Result<(), PgError> {
    let name = CString::new(name).map_err(|_| PgError::internal("unexpected zero byte in a name"))?;
    // SAFETY: on the main thread, in a transaction; the name is a C string. A lock can be taken on what is gone as well.
    unsafe {
        let schema = pg_sys::get_namespace_oid(name.as_ptr(), true);
        if schema != pg_sys::InvalidOid {
            let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            pg_sys::LockDatabaseObject(pg_sys::NamespaceRelationId, schema, 0, mode);
        }
    }
    Ok(())
}

const SCHEMAS: &str = "
    SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n
    WHERE n.nspname::pg_catalog.text = ANY ($1)
    FOR KEY SHARE";
