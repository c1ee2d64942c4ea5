//! Checks of intervals that a user gives for something that is done repeatedly.

use pgrx::PgSqlErrorCode;

use super::error::PgError;
use super::sql;

/// Checks that an interval is finite and at most a century (first column), and that it is positive and none
/// of its parts is negative (second column): months, days and hours have no fixed length, so an interval with
/// `-1 month` in it may lead back in time.
fn is_bounded() -> String {
    format!(
        "SELECT CASE WHEN isfinite(i) THEN i <= interval '100 years' END, i > interval '0' AND {HAS_NO_NEGATIVE_PART}
         FROM (SELECT $1::interval AS i) given"
    )
}

/// The condition that no part of the interval `i` is negative. Compared as a whole, four million months are as much as so many times
/// thirty days, and added to a time they come first: one may go out of the range of times before the other leads back.
pub const HAS_NO_NEGATIVE_PART: &str = "
    least(extract(year FROM i), extract(month FROM i), extract(day FROM i),
          extract(hour FROM i), extract(minute FROM i), extract(second FROM i)) >= 0";

/// Errors unless the interval is positive, finite and at most 100 years, so that the next time can be
/// computed from any time. Must be called within a transaction.
pub fn require_bounded(name: &str, interval: &str) -> Result<(), PgError> {
    let looked = sql::read(&is_bounded(), &[interval.to_owned().into()], |row| {
        Ok((row.get_opt(1)?, row.get_opt(2)?))
    })?;
    let message = match looked.first() {
        Some((Some(true), Some(true))) => return Ok(()),
        Some((Some(true), _)) => format!("{name} and each part of it must be positive"),
        _ => format!("{name} must be finite and at most 100 years"),
    };
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message))
}
