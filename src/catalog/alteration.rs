//! Alterations in progress: a vectorizer that is built beside another to take its place, or that was kept when its place was
//! taken.

use std::ffi::CStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pgrx::datum::{DatumWithOid, Interval};

use super::schema;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};

/// A vectorizer that is being altered, and the one that has its new or its old state.
#[derive(Debug, Clone, PartialEq)]
pub struct Alteration {
    /// The id of the vectorizer that is altered.
    pub vectorizer: i32,
    /// The id of the other one.
    pub other: i32,
    /// True if the two have changed places: the other one has the old state, until it is dropped.
    pub is_switched: bool,
    /// True if they change places when the other one is complete, without being asked.
    pub switches_by_itself: bool,
    /// The time until which the other one is kept, in seconds since 1970; `None` before the two have changed places.
    pub kept_until: Option<f64>,
}

impl Alteration {
    /// Returns the time for which the other one is still kept; `None` if that is over, or the two have not changed places.
    pub fn kept_for(&self) -> Option<Duration> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::try_from_secs_f64(self.kept_until? - now.as_secs_f64()).ok()?;
        (left > Duration::ZERO).then_some(left)
    }
}

/// The table, and its columns as [`alteration`] reads them.
const TABLE: &CStr = c"_vectorizer_alteration";
const SELECT: &str = "
    SELECT a.vectorizer_id, a.other_id, a.switched_at IS NOT NULL, a.switches_by_itself,
           extract(epoch FROM a.switched_at)::float8 + extract(epoch FROM a.keep_old)::float8
    FROM ai._vectorizer_alteration a";

fn alteration(row: &Row<'_>) -> Result<Alteration, PgError> {
    Ok(Alteration {
        vectorizer: row.get(1)?,
        other: row.get(2)?,
        is_switched: row.get(3)?,
        switches_by_itself: row.get(4)?,
        kept_until: row.get_opt(5)?,
    })
}

fn read(condition: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<Alteration>, PgError> {
    schema::require_trusted()?;
    if !schema::has(TABLE) {
        return Ok(Vec::new());
    }
    let statement = format!("{SELECT} WHERE {condition} ORDER BY a.vectorizer_id");
    as_superuser(|| sql::read_now(&statement, args, alteration))
}

/// Returns all alterations of this database.
pub fn all() -> Result<Vec<Alteration>, PgError> {
    read("true", &[])
}

/// Returns the alteration that a vectorizer has a part in; `None` if there is none.
pub fn of(vectorizer: i32) -> Result<Option<Alteration>, PgError> {
    let found = read("$1 IN (a.vectorizer_id, a.other_id)", &[vectorizer.into()])?;
    Ok(found.into_iter().next())
}

/// Records that a vectorizer is altered by building another one.
pub fn begin(
    vectorizer: i32,
    other: i32,
    switches_by_itself: bool,
    keep_old: Interval,
) -> Result<(), PgError> {
    let insert =
        "INSERT INTO ai._vectorizer_alteration (vectorizer_id, other_id, switches_by_itself, keep_old)
                  VALUES ($1, $2, $3, $4)";
    let args = [vectorizer.into(), other.into(), switches_by_itself.into(), keep_old.into()];
    as_superuser(|| sql::execute(insert, &args)).map(drop)
}

/// Records that the two have changed places. Going back leaves the other one as it was before the switch, but for switching by
/// itself.
pub fn switched(alteration: &Alteration) -> Result<(), PgError> {
    let update = "
        UPDATE ai._vectorizer_alteration
        SET switched_at = CASE WHEN switched_at IS NULL THEN pg_catalog.clock_timestamp() END,
            switches_by_itself = false, problem = NULL
        WHERE vectorizer_id = $1";
    as_superuser(|| sql::execute(update, &[alteration.vectorizer.into()])).map(drop)
}

/// Records why the two can't change places, or the other one can't be dropped; `None` if nothing is in the way.
pub fn set_problem(alteration: &Alteration, problem: Option<&str>) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_alteration SET problem = $2
                  WHERE vectorizer_id = $1 AND problem IS DISTINCT FROM $2";
    let args = [alteration.vectorizer.into(), problem.map(str::to_owned).into()];
    as_superuser(|| sql::execute(update, &args)).map(drop)
}
