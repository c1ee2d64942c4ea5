//! The limits that an administrator has set on a role: `ALTER ROLE … SET work_mem …`.
//!
//! A session of the role's has them from its beginning. Where the worker runs the role's SQL, they hold as well, as
//! far as they are lower than its own: no other setting of a role's changes what the worker does.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::time::Duration;

use pgrx::pg_sys;

use super::settings::Level;

/// `pg_db_role_setting`, and its index by database and role (`catalog/pg_db_role_setting.h`).
const DB_ROLE_SETTING: u32 = 2964;
const BY_DATABASE_AND_ROLE: u32 = 2965;

/// The columns of that table, from 1.
const SET_DATABASE: i16 = 1;
const SET_ROLE: i16 = 2;
const SET_CONFIG: NonZeroUsize = NonZeroUsize::new(3).unwrap();

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
        // SAFETY: reads a variable of this process.
        let database = unsafe { pg_sys::MyDatabaseId };
        // What is set for the role in this database counts before what is set for it everywhere.
        let set = [pg_sys::InvalidOid, database].map(|database| set_for(database, role)).concat();
        Limits::among(&set)
    }

    /// Those among settings of which the last counts, as `name=value`.
    fn among(set: &[String]) -> Limits {
        let mut limits = Limits::default();
        for limit in &LIMITS {
            let name = limit.name.to_string_lossy();
            let value = set.iter().filter_map(|set| set.strip_prefix(&*name)?.strip_prefix('=')).next_back();
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

/// What is set for a role in a database, or everywhere, as `name=value`. By the catalog's index and without a statement, for
/// it is asked in each turn.
fn set_for(database: pg_sys::Oid, role: pg_sys::Oid) -> Vec<String> {
    let key = |column: i16, value: pg_sys::Oid| {
        let mut key = MaybeUninit::<pg_sys::ScanKeyData>::zeroed();
        // SAFETY: fills in the key, of a column of type oid.
        unsafe {
            let strategy = pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber;
            let equals = pg_sys::RegProcedure::from(pg_sys::F_OIDEQ);
            pg_sys::ScanKeyInit(key.as_mut_ptr(), column, strategy, equals, pg_sys::Datum::from(value));
            key.assume_init()
        }
    };
    let mut keys = [key(SET_DATABASE, database), key(SET_ROLE, role)];
    let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: in a transaction, on the main thread. Columns are read as what they are, and copied before the scan ends.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::Oid::from(DB_ROLE_SETTING), share);
        let index = pg_sys::Oid::from(BY_DATABASE_AND_ROLE);
        let scan =
            pg_sys::systable_beginscan(relation, index, true, std::ptr::null_mut(), 2, keys.as_mut_ptr());
        let tuple = pg_sys::systable_getnext(scan);
        let set = match tuple.is_null() {
            true => None,
            false => pgrx::htup::heap_getattr_raw(tuple, SET_CONFIG, (*relation).rd_att),
        };
        let set = set.map(|datum| texts(datum)).unwrap_or_default();
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, share);
        set
    }
}

/// Returns the elements of a `text[]` of a catalog of the cluster's, which can be in the encoding of any of its databases:
/// with what is no UTF-8 replaced, for the names and values of limits are ASCII.
///
/// # Safety
///
/// The datum is a `text[]`, on the main thread in a transaction.
unsafe fn texts(array: pg_sys::Datum) -> Vec<String> {
    const OF_VARYING_LENGTH: i32 = -1;
    let (mut elements, mut count) = (std::ptr::null_mut(), 0);
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
                String::from_utf8_lossy(pgrx::varlena_to_byte_slice(text)).into_owned()
            })
            .collect()
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
