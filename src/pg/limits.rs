//! The limits that an administrator has set on a role: `ALTER ROLE … SET work_mem …`.
//!
//! A session of the role's has them from its beginning. Where the worker runs the role's SQL, they hold as well, as
//! far as they are lower than its own: no other setting of a role's changes what the worker does.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::pg_sys;

use super::role_settings::{last_of, set_for_role};
use super::settings::Level;

/// A setting that is a limit.
#[derive(Debug)]
struct Limit {
    name: &'static CStr,
    /// The unit of a number without one, as a flag of `guc.h`.
    unit: u32,
    /// The value that stands for no limit.
    unlimited: Option<f64>,
}

const fn limit(name: &'static CStr, unit: u32, unlimited: Option<f64>) -> Limit {
    Limit { name, unit, unlimited }
}

/// All of them. `statement_timeout` counts for the whole of the role's turn; see [`super::turn`].
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

/// The setting that is no property of a statement here, but of the turn.
const STATEMENT_TIMEOUT: &CStr = c"statement_timeout";

/// What a role's turn is limited to, beyond what limits the worker itself.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    settings: Vec<(&'static Limit, f64)>,
    /// Longest time, if there is a limit of the role's.
    pub time: Option<Duration>,
}

impl Limits {
    /// Returns a role's limits, as they are now. To be called within a transaction.
    pub fn of(role: pg_sys::Oid) -> Limits {
        Limits::among(&set_for_role(role))
    }

    /// Those among settings of which the last counts, as `name=value`.
    fn among(set: &[String]) -> Limits {
        let mut limits = Limits::default();
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

    /// Puts those in force for the rest of a process that is the role's and nobody else's. Locks it may wait for, and time
    /// it may take.
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    pub fn apply_to_process(&self) {
        for (limit, value) in self.settings.iter().filter(|(limit, _)| limit.name != c"lock_timeout") {
            let is_lower = limit.current().is_some_and(|current| limit.is_lower(*value, current));
            if let (true, Ok(value)) = (is_lower, CString::new(value.to_string())) {
                super::session::set(limit.name, &value);
            }
        }
    }

    /// Puts those in force that are lower than what holds now.
    pub fn apply(&self, level: &Level) {
        for (limit, value) in &self.settings {
            let is_lower = limit.current().is_some_and(|current| limit.is_lower(*value, current));
            if let (true, Ok(value)) = (is_lower, CString::new(value.to_string())) {
                level.set(limit.name, &value);
            }
        }
    }
}

impl Limit {
    /// Whether one value limits more than another.
    fn is_lower(&self, value: f64, other: f64) -> bool {
        let height = |value: f64| if self.unlimited == Some(value) { f64::INFINITY } else { value };
        height(value) < height(other)
    }

    /// Reads a value as Postgres does, with its unit.
    fn parse(&self, value: &str) -> Option<f64> {
        let value = CString::new(value).ok()?;
        let mut number = 0.0;
        // SAFETY: a C string and a place for the number; no hint is asked for.
        let read = unsafe {
            pg_sys::parse_real(value.as_ptr(), &mut number, self.unit as i32, std::ptr::null_mut())
        };
        read.then_some(number)
    }

    /// What holds now, in the setting's own unit.
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
