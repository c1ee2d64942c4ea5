//! One setting: how it is made known to Postgres, and how it is read.

use std::ffi::CStr;

pub use std::ffi::CString;
pub use std::time::Duration;

use pgai_rs_pipeline::server_url::ServerUrl;
use pgrx::{pg_sys, GucContext};
pub use pgrx::{GucFlags, GucRegistry, GucSetting};

/// Statics of settings, with their defaults.
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

/// Defines settings of one kind.
pub struct Definer {
    /// What they have in common.
    pub flags: GucFlags,
    /// Whether a superuser may change them in a session, or for a database.
    pub superuser: bool,
}

impl Definer {
    /// Who may change it: a superuser in a session, or the operator in the configuration files.
    pub fn context(&self) -> GucContext {
        if self.superuser {
            GucContext::Suset
        } else {
            GucContext::Sighup
        }
    }

    /// A number.
    pub fn int(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<i32>,
        range: (i32, i32),
        unit: GucFlags,
        doc: &'static CStr,
    ) {
        GucRegistry::define_int_guc(
            name,
            doc,
            c"",
            setting,
            range.0,
            range.1,
            self.context(),
            self.flags | unit,
        );
    }

    /// A text.
    pub fn string(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<Option<CString>>,
        extra: GucFlags,
        doc: &'static CStr,
    ) {
        GucRegistry::define_string_guc(name, doc, c"", setting, self.context(), self.flags | extra);
    }
}

/// A number without a unit, a text that is not more.
pub const NO_UNIT: GucFlags = GucFlags::empty();

/// A text that is a list.
pub fn list_input() -> GucFlags {
    GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32)
}

/// A text; empty if it is not set.
pub fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting.get().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A text that is not empty, without the blanks around it.
pub fn text_opt(setting: &GucSetting<Option<CString>>) -> Option<String> {
    not_blank(&text(setting))
}

/// What an environment variable holds, without the blanks around it: a file that it was read from often
/// ends with a newline.
pub fn variable(name: &str) -> Option<String> {
    not_blank(&std::env::var(name).ok()?)
}

fn not_blank(value: &str) -> Option<String> {
    Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The items of a list, without blanks.
pub fn list(setting: &GucSetting<Option<CString>>) -> Vec<String> {
    text(setting).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// A time in milliseconds.
pub fn millis(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(number(setting) as u64)
}

/// A number that is not negative.
pub fn number(setting: &GucSetting<i32>) -> usize {
    // Every number's range starts at zero or above.
    usize::try_from(setting.get()).unwrap_or_default()
}

/// Whether one of a setting's prefixes allows to ask this server.
pub fn within(prefixes: &GucSetting<Option<CString>>, url: &ServerUrl) -> bool {
    url.is_allowed(&list(prefixes))
}
