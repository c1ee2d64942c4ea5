//! The OIDs of pgvector's type, looked up once and kept until a type of this database changes.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use super::error::PgError;
use super::sql;

/// The types of a vector and of an array of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types {
    /// `vector`.
    pub element: pg_sys::Oid,
    /// `vector[]`.
    pub array: pg_sys::Oid,
}

thread_local! {
    static KNOWN: Cell<Option<Types>> = const { Cell::new(None) };
    /// Counts the changes of types that this process was told of; `None` before it listens to them.
    static CHANGES: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Returns the types that the extension `vector` owns: another type may have the same name.
///
/// # Errors
///
/// If they do not exist.
pub fn known() -> Result<Types, PgError> {
    if let Some(types) = KNOWN.get() {
        return Ok(types);
    }

    listen();
    let before = CHANGES.get();
    let types = look_up()?;
    // A change that arrived in the meantime may be of what was read.
    if CHANGES.get() == before {
        KNOWN.set(Some(types));
    }
    Ok(types)
}

fn look_up() -> Result<Types, PgError> {
    let found = sql::read_now(
        "SELECT t.oid, t.typarray
         FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_depend d ON d.deptype = 'e' AND d.refobjid = e.oid
              AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
              AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
         JOIN pg_catalog.pg_type t ON t.oid = d.objid AND t.typname = 'vector'
         WHERE e.extname = 'vector'",
        &[],
        |row| Ok(Types { element: row.get(1)?, array: row.get(2)? }),
    )?;
    found.into_iter().next().ok_or_else(|| {
        PgError::raised("type \"vector\" does not exist").with_hint("Run CREATE EXTENSION vector.")
    })
}

/// Has Postgres tell this process of changes of types, from the first call on.
fn listen() {
    #[pg_guard]
    unsafe extern "C-unwind" fn type_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        KNOWN.set(None);
        CHANGES.set(CHANGES.get().map(|changes| changes.wrapping_add(1)));
    }

    if CHANGES.get().is_none() {
        CHANGES.set(Some(0));
        let types = pg_sys::SysCacheIdentifier::TYPEOID as i32;
        // SAFETY: on the main thread, once per process; the callback only counts.
        unsafe {
            pg_sys::CacheRegisterSyscacheCallback(types, Some(type_changed), pg_sys::Datum::from(0));
        }
    }
}
