//! The settings of a background worker's own session.
//!
//! What a database or a role sets counts for every session of theirs, also for a worker's, and
//! would change what it does: as whom it works, which rows it sees, what it takes a key's text for.
//! These settings have the values below, whatever else is set; a test tries all the others.

use std::ffi::{CStr, CString};
use std::sync::Mutex;

use pgrx::pg_sys;

/// What every process of ours needs.
const PINNED: [(&CStr, &CStr); 18] = [
    // As whom.
    (c"role", c"none"),
    // How its statements are read, and what names in them mean.
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"standard_conforming_strings", c"on"),
    (c"quote_all_identifiers", c"off"),
    // In what transactions: the queue's protocol is one of READ COMMITTED.
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_deferrable", c"off"),
    (c"idle_in_transaction_session_timeout", c"0"),
    // An error is caught, and concerns a row or a vectorizer.
    (c"exit_on_error", c"off"),
    // Which rows it sees: one that a policy hides, or that lies on a damaged page, is not gone.
    (c"row_security", c"off"),
    (c"zero_damaged_pages", c"off"),
    (c"ignore_checksum_failure", c"off"),
    // Triggers fire, ours and foreign keys' among them.
    (c"session_replication_role", c"origin"),
    // The text of a key reads back as the same value.
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"iso_8601"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    // Where what it makes is put: the owner need not have a right to another tablespace.
    (c"default_tablespace", c""),
];

/// What there is from Postgres 17 on.
#[cfg(any(feature = "pg17", feature = "pg18"))]
const NEWER: [(&CStr, &CStr); 2] =
    [(c"transaction_timeout", c"0"), (c"restrict_nonsystem_relation_kind", c"")];

/// What there is from Postgres 17 on.
#[cfg(any(feature = "pg15", feature = "pg16"))]
const NEWER: [(&CStr, &CStr); 0] = [];

/// What templates write differently by; it stays what it is for the whole server.
const AS_FOR_THE_SERVER: [&CStr; 2] = [c"TimeZone", c"lc_monetary"];

/// The search path of the server, as the postmaster or the process of ours knew it when it began; none
/// where the library was not preloaded.
static SEARCH_PATH: Mutex<Option<CString>> = Mutex::new(None);

/// Notes the search path of the server. To be called before a database's or a role's settings are read.
pub fn note_search_path() {
    if let Ok(mut noted) = SEARCH_PATH.lock() {
        *noted = current(c"search_path");
    }
}

/// The search path with which sessions begin for which nobody has set another.
pub fn search_path_of_server() -> CString {
    let noted = SEARCH_PATH.lock().ok().and_then(|noted| noted.clone());
    noted.unwrap_or_else(|| c"\"$user\", public".to_owned())
}

/// Pins what a database's or a role's settings must not change, and `more`.
///
/// To be called before the process connects to its database, as autovacuum does it: some settings
/// act as soon as they are read. Names and values are known to be right.
pub fn pin(more: &[(&CStr, &CStr)]) {
    note_search_path();
    for (name, value) in PINNED.iter().chain(&NEWER).chain(more) {
        set(name, value);
    }
    for name in AS_FOR_THE_SERVER {
        if let Some(value) = current(name) {
            set(name, &value);
        }
    }
}

/// Takes back the session's user whom a database has set. A process that connects without a user can't
/// pin that before, as one that has a user does. To be called outside a transaction.
pub fn be_superuser() {
    // SAFETY: the process has connected as the superuser who owns the cluster, and has done nothing yet.
    unsafe { pg_sys::SetSessionAuthorization(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), true) };
}

/// Sets a setting so that no database, role or reload sets another.
pub fn set(name: &CStr, value: &CStr) {
    // SAFETY: C strings, which are copied.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// What a setting is now.
fn current(name: &CStr) -> Option<CString> {
    // SAFETY: the setting is there, and its text is copied before anything can change it.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}
