//! Helpers to define settings and to read them.

use std::ffi::CStr;

pub use std::ffi::CString;
pub use std::time::Duration;

use pgai_rs_pipeline::server_url::ServerUrl;
use pgrx::{GucContext, GucEnum, GucRegistry, pg_sys};
pub use pgrx::{GucFlags, GucSetting};

/// Declares statics of settings with their defaults.
macro_rules! settings {
    ($($kind:ident $name:ident = $default:expr;)*) => {
        $(static $name: settings!(@type $kind) = settings!(@new $kind $default);)*
    };
    (@type int) => { GucSetting<i32> };
    (@type bool) => { GucSetting<bool> };
    (@type string) => { GucSetting<Option<CString>> };
    (@new int $default:expr) => { GucSetting::<i32>::new($default) };
    (@new bool $default:expr) => { GucSetting::<bool>::new($default) };
    (@new string $default:expr) => { GucSetting::<Option<CString>>::new($default) };
}
pub(super) use settings;

/// The description of a setting as `pg_settings` shows it: a sentence, and what else there is to know of it.
pub struct Description {
    short: &'static CStr,
    more: &'static CStr,
}

impl From<&'static CStr> for Description {
    fn from(short: &'static CStr) -> Self {
        Description { short, more: c"" }
    }
}

impl From<(&'static CStr, &'static CStr)> for Description {
    fn from((short, more): (&'static CStr, &'static CStr)) -> Self {
        Description { short, more }
    }
}

/// Defines settings with common flags and context.
pub struct Definer {
    /// Flags of all of them.
    pub flags: GucFlags,
    /// True if a superuser may change them in a session or for a database.
    pub superuser: bool,
}

impl Definer {
    /// Returns the context: superusers in a session, or the operator in the configuration files.
    pub fn context(&self) -> GucContext {
        if self.superuser { GucContext::Suset } else { GucContext::Sighup }
    }

    /// Defines an integer setting.
    pub fn int(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<i32>,
        range: (i32, i32),
        unit: GucFlags,
        description: impl Into<Description>,
    ) {
        let Description { short, more } = description.into();
        let (least, most) = range;
        let flags = self.flags | unit;
        GucRegistry::define_int_guc(name, short, more, setting, least, most, self.context(), flags);
    }

    /// Defines a string setting.
    pub fn string(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<Option<CString>>,
        flags: GucFlags,
        description: impl Into<Description>,
    ) {
        let Description { short, more } = description.into();
        GucRegistry::define_string_guc(name, short, more, setting, self.context(), self.flags | flags);
    }

    /// Defines a setting that is on or off.
    pub fn switch(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<bool>,
        description: impl Into<Description>,
    ) {
        let Description { short, more } = description.into();
        GucRegistry::define_bool_guc(name, short, more, setting, self.context(), self.flags);
    }

    /// Defines a setting that is one of a few words.
    pub fn choice<T: GucEnum>(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<T>,
        description: impl Into<Description>,
    ) {
        let Description { short, more } = description.into();
        GucRegistry::define_enum_guc(name, short, more, setting, self.context(), self.flags);
    }
}

/// The unit of a number that has none.
pub const NO_UNIT: GucFlags = GucFlags::empty();

/// The flags of a plain string.
pub const PLAIN: GucFlags = GucFlags::empty();

/// Returns the flags of a string that is a list.
pub fn list_input() -> GucFlags {
    GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32)
}

/// Returns a string; it is empty if not set.
pub fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting.get().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns a string without surrounding whitespace; `None` if that is empty.
pub fn text_opt(setting: &GucSetting<Option<CString>>) -> Option<String> {
    not_blank(&text(setting))
}

/// Returns an environment variable without surrounding whitespace, since a file that it was read from often
/// ends with a newline; `None` if it is not set or blank.
pub fn variable(name: &str) -> Option<String> {
    not_blank(&std::env::var(name).ok()?)
}

fn not_blank(value: &str) -> Option<String> {
    Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Returns the items of a list, without surrounding whitespace and without empty ones.
pub fn list(setting: &GucSetting<Option<CString>>) -> Vec<String> {
    text(setting).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Returns a duration from a setting in milliseconds.
pub fn millis(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(number(setting) as u64)
}

/// Returns a number, which can't be negative.
pub fn number(setting: &GucSetting<i32>) -> usize {
    // The range of every number starts at zero or above.
    usize::try_from(setting.get()).unwrap_or_default()
}

/// Returns whether one of a setting's prefixes matches this URL.
pub fn has_allowed_prefix(prefixes: &GucSetting<Option<CString>>, url: &ServerUrl) -> bool {
    url.is_allowed(&list(prefixes))
}
