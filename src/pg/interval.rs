//! Intervals that somebody gives to have something done over and over.

use pgrx::PgSqlErrorCode;

use super::error::PgError;
use super::sql;

/// Whether an interval is finite and no longer than a century, and none of its parts is negative: months, days and hours
/// are not of one length, so that one with `-1 month` in it may lead back.
const IS_BOUNDED: &str = "
    SELECT CASE WHEN isfinite(i) THEN i <= interval '100 years' END,
           i > interval '0' AND least(extract(year FROM i), extract(month FROM i), extract(day FROM i),
                                      extract(hour FROM i), extract(minute FROM i), extract(second FROM i)) >= 0
    FROM (SELECT $1::interval AS i) given";

/// Errors unless times can be reckoned by this interval, now and at each of them. To be called within a transaction.
pub fn require_bounded(name: &str, interval: &str) -> Result<(), PgError> {
    let looked =
        sql::read(IS_BOUNDED, &[interval.to_owned().into()], |row| Ok((row.get_opt(1)?, row.get_opt(2)?)))?;
    let message = match looked.first() {
        Some((Some(true), Some(true))) => return Ok(()),
        Some((Some(true), _)) => format!("{name} must be positive, and so each part of it"),
        _ => format!("{name} must be finite and at most 100 years"),
    };
    Err(PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message))
}
