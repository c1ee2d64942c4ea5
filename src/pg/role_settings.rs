//! Settings that an administrator has made for a role or a database: `ALTER ROLE … SET`,
//! `ALTER DATABASE … SET`.
//!
//! A session reads them when it starts. A process that works for many roles reads their current values here, and
//! whether it should start anew.

use std::mem::MaybeUninit;
use std::num::NonZeroUsize;

use pgrx::pg_sys;

use super::database::this_database;

/// `pg_db_role_setting`, and its index by database and role (`catalog/pg_db_role_setting.h`).
const DB_ROLE_SETTING: u32 = 2964;
const BY_DATABASE_AND_ROLE: u32 = 2965;

/// The columns of `pg_db_role_setting`, counted from 1.
const SET_DATABASE: i16 = 1;
const SET_ROLE: i16 = 2;
const SET_CONFIG: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// The database and the role that settings are made for; an invalid OID stands for all of them.
type Place = (pg_sys::Oid, pg_sys::Oid);

/// Returns the settings of a role in the form `name=value`; the last one of a name counts. Must be called
/// within a transaction.
pub fn set_for_role(role: pg_sys::Oid) -> Vec<String> {
    // Settings of the role in this database take precedence over its settings everywhere.
    set_at(&[(pg_sys::InvalidOid, role), (this_database(), role)])
}

/// Returns the settings for all roles of this database in the form `name=value`. Must be called within a
/// transaction.
pub fn set_for_database() -> Vec<String> {
    set_at(&[(this_database(), pg_sys::InvalidOid)])
}

/// Returns the settings whose names begin with a prefix that a session of this database's began with if it
/// belongs to the cluster's superuser, in the form `name=value`. Must be called within a transaction.
pub fn set_for_processes(prefix: &str) -> Vec<String> {
    let all = pg_sys::InvalidOid;
    let superuser = pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID);
    let places = [(all, all), (all, superuser), (this_database(), all), (this_database(), superuser)];
    let mut set = set_at(&places);
    set.retain(|set| set.starts_with(prefix));
    set
}

/// Returns the search path with which a session of a role begins, as it is stored; `None` if none is set. That of this
/// database counts only if `with_database`. Must be called within a transaction.
pub fn search_path_for_role(role: pg_sys::Oid, with_database: bool) -> Option<Vec<u8>> {
    let all = pg_sys::InvalidOid;
    let database = this_database();
    // The most specific one comes first, as in `process_settings` (`utils/init/postinit.c`).
    let places = [(database, role), (all, role), (database, all), (all, all)];
    let counts = |place: &Place| with_database || *place != (database, all);
    let counting: Vec<Place> = places.into_iter().filter(counts).collect();
    stored_at(&counting).into_iter().find_map(|set| {
        set.iter().rev().find_map(|set| set.strip_prefix(b"search_path=").map(<[u8]>::to_vec))
    })
}

/// Returns the effective value of a setting, which is the last one; `None` if it is not set.
pub fn last_of<'a>(set: &'a [String], name: &str) -> Option<&'a str> {
    set.iter().filter_map(|set| set.strip_prefix(name)?.strip_prefix('=')).next_back()
}

/// Returns the key of a scan for the rows that have this value in a column of type oid.
fn equal(column: i16, value: pg_sys::Oid) -> pg_sys::ScanKeyData {
    let mut key = MaybeUninit::<pg_sys::ScanKeyData>::zeroed();
    // SAFETY: fills in the key, of a column of type oid.
    unsafe {
        let strategy = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
        let equals = pg_sys::RegProcedure::from(pg_sys::F_OIDEQ);
        pg_sys::ScanKeyInit(key.as_mut_ptr(), column, strategy, equals, pg_sys::Datum::from(value));
        key.assume_init()
    }
}

/// Returns the settings of places, one place after the other, in the form `name=value`. The catalog's encoding may be that of any
/// database, so invalid UTF-8 is replaced: the names and values that are looked for are ASCII.
fn set_at(places: &[Place]) -> Vec<String> {
    let stored = stored_at(places).into_iter().flatten();
    stored.map(|set| String::from_utf8_lossy(&set).into_owned()).collect()
}

/// Returns the settings of each place in the form `name=value`, as they are stored; nothing of any where none is set. It scans
/// the catalog's index without a statement, because every turn asks.
fn stored_at(places: &[Place]) -> Vec<Vec<Vec<u8>>> {
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: in a transaction, on the main thread; the relation is open while it is scanned.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::Oid::from(DB_ROLE_SETTING), share);
        // In most clusters nothing was ever set.
        let blocks = pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        let stored = match blocks {
            0 => Vec::new(),
            _ => places.iter().map(|place| stored_in(relation, *place)).collect(),
        };
        pg_sys::table_close(relation, share);
        stored
    }
}

/// Returns the settings of a place, as they are stored.
///
/// # Safety
///
/// The relation is `pg_db_role_setting`, and open. Must be called on the main thread, in a transaction.
unsafe fn stored_in(relation: pg_sys::Relation, (database, role): Place) -> Vec<Vec<u8>> {
    let mut keys = [equal(SET_DATABASE, database), equal(SET_ROLE, role)];
    let index = pg_sys::Oid::from(BY_DATABASE_AND_ROLE);
    // SAFETY: by the caller. Columns are read as what they are, and copied before the scan ends.
    unsafe {
        let scan =
            pg_sys::systable_beginscan(relation, index, true, std::ptr::null_mut(), 2, keys.as_mut_ptr());
        let tuple = pg_sys::systable_getnext(scan);
        let set = match tuple.is_null() {
            true => None,
            false => pgrx::htup::heap_getattr_raw(tuple, SET_CONFIG, (*relation).rd_att),
        };
        let set = set.map(|datum| texts(datum)).unwrap_or_default();
        pg_sys::systable_endscan(scan);
        set
    }
}

/// Returns the elements of a `text[]`.
///
/// # Safety
///
/// The datum is a `text[]`. Must be called on the main thread, in a transaction.
unsafe fn texts(array: pg_sys::Datum) -> Vec<Vec<u8>> {
    const OF_VARYING_LENGTH: i32 = -1;
    let mut elements = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: as the caller says. No element is null where none is asked for: the catalog has none.
    unsafe {
        let array = pg_sys::pg_detoast_datum(array.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let align = pg_sys::TYPALIGN_INT as std::ffi::c_char;
        let no_nulls = std::ptr::null_mut();
        pg_sys::deconstruct_array(
            array,
            pg_sys::TEXTOID,
            OF_VARYING_LENGTH,
            false,
            align,
            &mut elements,
            no_nulls,
            &mut count,
        );
        let elements = std::slice::from_raw_parts(elements, usize::try_from(count).unwrap_or_default());
        elements
            .iter()
            .map(|element| {
                let text = pg_sys::pg_detoast_datum_packed(element.cast_mut_ptr());
                pgrx::varlena_to_byte_slice(text).to_vec()
            })
            .collect()
    }
}
