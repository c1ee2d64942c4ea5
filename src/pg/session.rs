//! The settings of a background worker's own session.
//!
//! Settings of a database or a role apply to all their sessions, including a worker's, and would change its
//! work: the role that it works as, the rows that it sees, how it reads the text of a key. The settings below
//! have fixed values, whatever else is set; a test tries all the others.

use std::ffi::{CStr, CString};
use std::sync::Mutex;

use pgrx::pg_sys;

/// The settings of every background process of the extension.
const PINNED: [(&CStr, &CStr); 18] = [
    // The role.
    (c"role", c"none"),
    // How its statements are parsed and their names resolved.
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"standard_conforming_strings", c"on"),
    (c"quote_all_identifiers", c"off"),
    // The kind of transaction: the queue's protocol is one of READ COMMITTED.
    (c"default_transaction_isolation", c"read committed"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_deferrable", c"off"),
    (c"idle_in_transaction_session_timeout", c"0"),
    // Errors are caught, and concern a row or a vectorizer.
    (c"exit_on_error", c"off"),
    // The visible rows: a row that a policy hides, or that lies on a damaged page, is not a deleted row.
    (c"row_security", c"off"),
    (c"zero_damaged_pages", c"off"),
    (c"ignore_checksum_failure", c"off"),
    // Triggers fire, including the extension's and those of foreign keys.
    (c"session_replication_role", c"origin"),
    // The text of a key reads back as the same value.
    (c"DateStyle", c"ISO, YMD"),
    (c"IntervalStyle", c"iso_8601"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    // The location of what it creates: the owner need not have a right to another tablespace.
    (c"default_tablespace", c""),
];

/// Settings that exist since Postgres 17.
#[cfg(any(feature = "pg17", feature = "pg18"))]
const NEWER: [(&CStr, &CStr); 2] =
    [(c"transaction_timeout", c"0"), (c"restrict_nonsystem_relation_kind", c"")];

/// Settings that exist since Postgres 17.
#[cfg(any(feature = "pg15", feature = "pg16"))]
const NEWER: [(&CStr, &CStr); 0] = [];

/// Settings that change what templates produce; they keep the server's values.
const AS_FOR_THE_SERVER: [&CStr; 2] = [c"TimeZone", c"lc_monetary"];

/// The search path of the server as it was when the postmaster or this process started; `None` if the library
/// was not preloaded.
static SEARCH_PATH: Mutex<Option<CString>> = Mutex::new(None);

/// Records the search path of the server. Must be called before the settings of a database or a role are
/// read.
pub fn note_search_path() {
    if let Ok(mut noted) = SEARCH_PATH.lock() {
        *noted = current(c"search_path");
    }
}

/// Returns the search path of sessions for which no other is set.
pub fn search_path_of_server() -> CString {
    let noted = SEARCH_PATH.lock().ok().and_then(|noted| noted.clone());
    noted.unwrap_or_else(|| c"\"$user\", public".to_owned())
}

/// Pins the settings that a database or a role must not change, and `more`.
///
/// Must be called before the process connects to its database, as autovacuum does it: some settings act as
/// soon as they are read. Names and values must be valid.
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

/// Undoes a session user that the database's settings have set. A process that connects without a user can't
/// pin it beforehand, unlike one that has a user. Must be called outside a transaction.
pub fn be_superuser() {
    // SAFETY: the process has connected as the superuser who owns the cluster, and has done nothing yet.
    unsafe { pg_sys::SetSessionAuthorization(pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID), true) };
}

/// The setting with which commits wait until they are on disk.
const COMMITS_WAIT: &CStr = c"synchronous_commit";

/// The setting of a process whose commits do not wait until they are on disk: what a crash undoes, it does again.
pub const COMMITS_DO_NOT_WAIT: (&CStr, &CStr) = (COMMITS_WAIT, c"off");

/// Runs `f`, whose transactions are on disk once they have committed, and on the standbys that commits wait for. It is for
/// what somebody outside is about to be told of, in a process with [`COMMITS_DO_NOT_WAIT`]. Must be called outside a
/// transaction.
pub fn durably<R>(f: impl FnOnce() -> R) -> R {
    with_commits(c"on", f)
}

/// Does the same as [`durably`] without a standby being waited for. It is for what a crash of this server must not undo.
pub fn on_disk<R>(f: impl FnOnce() -> R) -> R {
    with_commits(c"local", f)
}

fn with_commits<R>(wait: &CStr, f: impl FnOnce() -> R) -> R {
    set(COMMITS_WAIT, wait);
    let result = f();
    set(COMMITS_WAIT, COMMITS_DO_NOT_WAIT.1);
    result
}

/// Sets a setting so that no database, role or reload overrides it.
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

/// Returns the current value of a setting; `None` if it has none.
fn current(name: &CStr) -> Option<CString> {
    // SAFETY: the setting is there, and its text is copied before anything can change it.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}
