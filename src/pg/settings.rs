//! Settings that change the meaning of a statement and that a database, a role or a session can change. They
//! have the values below while a statement of the extension runs, whoever runs it.
//!
//! A user's session keeps its own values for everything else. The check costs a few comparisons; a setting is
//! only set where it differs.
//!
//! * [`read_as_written`]: how the text of a statement is parsed, and how names are quoted in it
//! * [`SettingsLevel::pin`]: how it is parsed, and what a statement does
//! * [`super::session`]: the same for a background process, which keeps the values for good

use std::ffi::CStr;
use std::iter;

use pgrx::pg_sys;

unsafe extern "C" {
    // `commands/tablespace.h`, which the bindings of Postgres 15 lack.
    static default_tablespace: *mut std::ffi::c_char;
}

/// A setting, and its value while a statement of the extension runs.
struct Pin {
    name: &'static CStr,
    value: &'static CStr,
    /// Returns whether the setting has another value now.
    differs: fn() -> bool,
}

/// The setting that determines how the text of a statement is parsed.
const STRINGS: Pin = Pin {
    name: c"standard_conforming_strings",
    value: c"on",
    // SAFETY: reads a variable of this backend.
    differs: || unsafe { !pg_sys::standard_conforming_strings },
};

/// The setting that determines how Postgres quotes the names in a text.
const NAMES: Pin = Pin {
    name: c"quote_all_identifiers",
    value: c"off",
    // SAFETY: reads a variable of this backend.
    differs: || unsafe { pg_sys::quote_all_identifiers },
};

/// Settings that determine what a statement does.
const WORK: [Pin; 5] = [
    // The session may be allowed to use a tablespace that the vectorizer's owner is not allowed to use.
    Pin {
        name: c"default_tablespace",
        value: c"",
        // SAFETY: reads a variable of this backend, which is null or a C string.
        differs: || unsafe { !is(default_tablespace, c"") },
    },
    Pin {
        name: c"default_table_access_method",
        value: c"heap",
        // SAFETY: as above.
        differs: || unsafe { !is(pg_sys::default_table_access_method, c"heap") },
    },
    // Foreign keys are enforced by triggers, which do not fire in a replica's session.
    Pin {
        name: c"session_replication_role",
        value: c"origin",
        // SAFETY: reads a variable of this backend.
        differs: || unsafe {
            pg_sys::SessionReplicationRole != pg_sys::SESSION_REPLICATION_ROLE_ORIGIN as i32
        },
    },
    // A row that a policy hides must be an error and not look like a deleted row.
    Pin {
        name: c"row_security",
        value: c"off",
        // SAFETY: reads a variable of this backend.
        differs: || unsafe { pg_sys::row_security },
    },
    // Otherwise an error that we catch would end the session.
    Pin {
        name: c"exit_on_error",
        value: c"off",
        // SAFETY: reads a variable of this backend.
        differs: || unsafe { pg_sys::ExitOnAnyError },
    },
];

/// Returns whether a string setting has this value.
///
/// # Safety
///
/// The setting is null or a C string.
unsafe fn is(setting: *const std::ffi::c_char, value: &CStr) -> bool {
    // SAFETY: by the caller.
    !setting.is_null() && unsafe { CStr::from_ptr(setting) } == value
}

/// A nesting level of settings: those that are set in it are restored when it is dropped.
pub struct SettingsLevel(i32);

impl SettingsLevel {
    /// Opens a level.
    pub fn open() -> SettingsLevel {
        // SAFETY: a counter of this backend; closed in `drop`, or by the abort of the (sub)transaction.
        SettingsLevel(unsafe { pg_sys::NewGUCNestLevel() })
    }

    /// Sets a setting until the level is closed, whatever rights the current user has. Names and values must
    /// be valid.
    pub fn set(&self, name: &CStr, value: &CStr) {
        set(name, value);
    }

    /// Pins the settings that change the meaning of a statement or what it does.
    pub fn pin(&self) {
        let pins = iter::once(&STRINGS).chain(&WORK);
        pins.filter(|pin| (pin.differs)()).for_each(|pin| self.set(pin.name, pin.value));
    }
}

/// Sets a setting until the innermost level is closed, which must be one opened by [`SettingsLevel::open`].
pub(super) fn set(name: &CStr, value: &CStr) {
    // SAFETY: C strings; GUC_ACTION_SAVE is undone when the level is closed.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

impl Drop for SettingsLevel {
    fn drop(&mut self) {
        // An error is propagating to the abort of the (sub)transaction, which restores the settings; a call
        // into Postgres from here could raise a second error.
        if !std::thread::panicking() {
            // SAFETY: settings made since belong to this level.
            unsafe { pg_sys::AtEOXact_GUC(false, self.0) };
        }
    }
}

/// Runs `f`, in which Postgres parses a statement or quotes a name, with [`STRINGS`] and [`NAMES`] pinned.
pub fn read_as_written<R>(f: impl FnOnce() -> R) -> R {
    let mut differing = [STRINGS, NAMES].into_iter().filter(|pin| (pin.differs)()).peekable();
    if differing.peek().is_none() {
        return f();
    }

    let level = SettingsLevel::open();
    differing.for_each(|pin| level.set(pin.name, pin.value));
    f()
}
