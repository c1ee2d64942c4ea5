//! Settings for quotas of a role or a database: numbers of objects, and daily use.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::setting::*;

settings! {
    int MAX_VECTORIZERS_PER_ROLE = 100;
    int MAX_VECTORIZERS_PER_DATABASE = 10_000;
    int MAX_S3_SOURCES_PER_ROLE = 100;
    int MAX_S3_SOURCES_PER_DATABASE = 10_000;
    int MAX_DAILY_TOKENS_PER_ROLE = NO_LIMIT;
    int MAX_DAILY_TOKENS_PER_DATABASE = NO_LIMIT;
    int MAX_DAILY_BYTES_PER_ROLE = NO_LIMIT;
    int MAX_DAILY_BYTES_PER_DATABASE = NO_LIMIT;
}

/// The value that means "no limit".
const NO_LIMIT: i32 = -1;

/// A setting that limits the use per day.
pub struct DailyLimit {
    /// Its name, as in `ALTER ROLE … SET`.
    pub name: &'static CStr,
    setting: &'static GucSetting<i32>,
    /// `GUC_UNIT_MB`; 0 for a number without a unit.
    unit: u32,
}

/// Tokens per day and role.
pub static DAILY_TOKENS_PER_ROLE: DailyLimit =
    DailyLimit::new(c"pgai_rs.max_daily_tokens_per_role", &MAX_DAILY_TOKENS_PER_ROLE, 0);

/// Tokens per day of all roles of a database together.
pub static DAILY_TOKENS_PER_DATABASE: DailyLimit =
    DailyLimit::new(c"pgai_rs.max_daily_tokens_per_database", &MAX_DAILY_TOKENS_PER_DATABASE, 0);

/// Bytes per day and role.
pub static DAILY_BYTES_PER_ROLE: DailyLimit =
    DailyLimit::new(c"pgai_rs.max_daily_bytes_per_role", &MAX_DAILY_BYTES_PER_ROLE, pg_sys::GUC_UNIT_MB);

/// Bytes per day of all roles of a database together.
pub static DAILY_BYTES_PER_DATABASE: DailyLimit = DailyLimit::new(
    c"pgai_rs.max_daily_bytes_per_database",
    &MAX_DAILY_BYTES_PER_DATABASE,
    pg_sys::GUC_UNIT_MB,
);

impl DailyLimit {
    const fn new(name: &'static CStr, setting: &'static GucSetting<i32>, unit: u32) -> Self {
        DailyLimit { name, setting, unit }
    }

    /// Returns the limit in this session, in tokens or bytes; `None` if there is no limit.
    pub fn here(&self) -> Option<u64> {
        self.in_units(self.setting.get())
    }

    /// Parses a value from the catalog, such as `10GB`, and returns it in tokens or bytes; `None` if it means
    /// no limit or is invalid.
    pub fn read(&self, value: &str) -> Option<u64> {
        let value = CString::new(value).ok()?;
        let mut number = NO_LIMIT;
        // SAFETY: a C string and a place for the number; no hint is asked for.
        let is_number =
            unsafe { pg_sys::parse_int(value.as_ptr(), &mut number, self.unit as i32, std::ptr::null_mut()) };
        // Postgres has let it be set where the library was not loaded: it is too large, or no number at all.
        self.in_units(if is_number { number } else { NO_LIMIT })
    }

    fn in_units(&self, number: i32) -> Option<u64> {
        let number = u64::try_from(number).ok()?;
        Some(if self.unit == pg_sys::GUC_UNIT_MB { number << 20 } else { number })
    }

    fn define(&self, d: &Definer, description: &'static CStr) {
        let unit = GucFlags::from_bits_retain(self.unit as i32);
        d.int(self.name, self.setting, (NO_LIMIT, i32::MAX), unit, (description, c"-1 means no limit."));
    }
}

/// Defines these settings.
pub fn define(d: &Definer) {
    d.int(
        c"pgai_rs.max_vectorizers_per_role",
        &MAX_VECTORIZERS_PER_ROLE,
        (0, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of vectorizers that a role other than a superuser may have.",
    );
    d.int(
        c"pgai_rs.max_vectorizers_per_database",
        &MAX_VECTORIZERS_PER_DATABASE,
        (0, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of vectorizers in a database, those of superusers not counted.",
    );
    d.int(
        c"pgai_rs.max_s3_sources_per_role",
        &MAX_S3_SOURCES_PER_ROLE,
        (0, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of S3 sources that a role other than a superuser may have.",
    );

    d.int(
        c"pgai_rs.max_s3_sources_per_database",
        &MAX_S3_SOURCES_PER_DATABASE,
        (0, 1_000_000),
        NO_UNIT,
        c"Sets the maximum number of S3 sources in a database, those of superusers not counted.",
    );

    DAILY_TOKENS_PER_ROLE.define(
        d,
        c"Sets the maximum number of tokens that a role other than a superuser may send to models per day.",
    );
    DAILY_TOKENS_PER_DATABASE.define(
        d,
        c"Sets the maximum number of tokens per day from a database to models, superusers' not counted.",
    );
    DAILY_BYTES_PER_ROLE.define(
        d,
        c"Sets the maximum size of the objects that a role other than a superuser may load per day.",
    );
    DAILY_BYTES_PER_DATABASE.define(
        d,
        c"Sets the maximum size of the objects loaded per day in a database, superusers' not counted.",
    );
}

/// Returns the maximum number of vectorizers of a role that is not a superuser.
pub fn max_vectorizers_per_role() -> i64 {
    MAX_VECTORIZERS_PER_ROLE.get().into()
}

/// Returns the maximum number of vectorizers of all roles of a database together, without superusers.
pub fn max_vectorizers_per_database() -> i64 {
    MAX_VECTORIZERS_PER_DATABASE.get().into()
}

/// Returns the maximum number of S3 sources of a role that is not a superuser.
pub fn max_s3_sources_per_role() -> i64 {
    MAX_S3_SOURCES_PER_ROLE.get().into()
}

/// Returns the maximum number of S3 sources of all roles of a database together, without superusers.
pub fn max_s3_sources_per_database() -> i64 {
    MAX_S3_SOURCES_PER_DATABASE.get().into()
}
