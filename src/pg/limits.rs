//! Limits that an administrator has set on a role: `ALTER ROLE … SET work_mem …`.
//!
//! A session of the role has them from its start. They also hold while the worker runs the role's SQL, as far
//! as they are lower than the worker's own: no other setting of a role changes what the worker does.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::pg_sys;

use super::role_settings::{last_of, set_for_role};
use super::settings::SettingsLevel;

/// A setting that limits a resource.
#[derive(Debug)]
struct Limit {
    name: &'static CStr,
    /// Unit of a number that is given without one, as a flag of `guc.h`; 0 if the setting has no unit.
    unit: u32,
    /// The value that means "no limit"; `None` if there is no such value.
    unlimited: Option<f64>,
}

const fn limit(name: &'static CStr, unit: u32, unlimited: Option<f64>) -> Limit {
    Limit { name, unit, unlimited }
}

/// All supported limits. `statement_timeout` applies to the role's whole turn; see [`super::turn`].
static LIMITS: [Limit; 8] = [
    limit(c"work_mem", pg_sys::GUC_UNIT_KB, None),
    limit(c"maintenance_work_mem", pg_sys::GUC_UNIT_KB, None),
    limit(c"hash_mem_multiplier", 0, None),
    limit(c"temp_file_limit", pg_sys::GUC_UNIT_KB, Some(-1.0)),
    limit(c"statement_timeout", pg_sys::GUC_UNIT_MS, Some(0.0)),
    limit(c"lock_timeout", pg_sys::GUC_UNIT_MS, Some(0.0)),
    limit(c"max_parallel_workers_per_gather", 0, None),
    limit(c"max_parallel_maintenance_workers", 0, None),
];

/// The setting that limits the whole turn rather than a single statement.
const STATEMENT_TIMEOUT: &CStr = c"statement_timeout";

/// The limits of a role.
#[derive(Debug, Clone, Default)]
pub struct RoleLimits {
    settings: Vec<(&'static Limit, f64)>,
    /// Maximum duration of the role's turn; `None` if the role has no such limit.
    pub time: Option<Duration>,
}

impl RoleLimits {
    /// Returns a role's current limits. Must be called within a transaction.
    pub fn of(role: pg_sys::Oid) -> RoleLimits {
        RoleLimits::among(&set_for_role(role))
    }

    /// Returns the limits among settings in the form `name=value`; the last one of a name counts.
    fn among(set: &[String]) -> RoleLimits {
        let mut limits = RoleLimits::default();
        for limit in &LIMITS {
            let value = last_of(set, &limit.name.to_string_lossy());
            let Some(value) = value.and_then(|value| limit.parse(value)) else { continue };

            if limit.name == STATEMENT_TIMEOUT {
                limits.time = (value > 0.0).then(|| Duration::from_secs_f64(value / 1000.0));
            } else {
                limits.settings.push((limit, value));
            }
        }
        limits
    }

    /// Applies the limits that are lower than the current values, for the rest of a process that works for
    /// this role alone. `lock_timeout` and `statement_timeout` are left out: such a process may wait for
    /// locks and take its time.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    pub fn apply_to_process(&self) {
        for (limit, value) in self.settings.iter().filter(|(limit, _)| limit.name != c"lock_timeout") {
            let is_lower = limit.current().is_some_and(|current| limit.is_lower(*value, current));
            if let (true, Ok(value)) = (is_lower, CString::new(value.to_string())) {
                super::session::set(limit.name, &value);
            }
        }
    }

    /// Applies the limits that are lower than the current values, until the level is closed.
    pub fn apply(&self, level: &SettingsLevel) {
        for (limit, value) in &self.settings {
            let is_lower = limit.current().is_some_and(|current| limit.is_lower(*value, current));
            if let (true, Ok(value)) = (is_lower, CString::new(value.to_string())) {
                level.set(limit.name, &value);
            }
        }
    }
}

impl Limit {
    /// Returns whether one value is a stricter limit than another.
    fn is_lower(&self, value: f64, other: f64) -> bool {
        let height = |value: f64| if self.unlimited == Some(value) { f64::INFINITY } else { value };
        height(value) < height(other)
    }

    /// Parses a value as Postgres does, with its unit. Returns `None` if it is invalid.
    fn parse(&self, value: &str) -> Option<f64> {
        let value = CString::new(value).ok()?;
        let mut number = 0.0;
        // SAFETY: a C string and a place for the number; no hint is asked for.
        let read = unsafe {
            pg_sys::parse_real(value.as_ptr(), &mut number, self.unit as i32, std::ptr::null_mut())
        };
        read.then_some(number)
    }

    /// Returns the current value in the setting's own unit; `None` if it can't be read.
    fn current(&self) -> Option<f64> {
        // SAFETY: the setting is there; its text is read before anything can change it.
        unsafe {
            let value = pg_sys::GetConfigOption(self.name.as_ptr(), true, false);
            if value.is_null() {
                return None;
            }
            CStr::from_ptr(value).to_str().ok()?.parse().ok()
        }
    }
}
