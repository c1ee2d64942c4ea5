//! A source as it stands in the catalog.

use std::time::Duration;

use pgrx::{pg_sys, JsonB};

use pgai_rs_pipeline::config::SourceConfig;

use super::access;
use crate::pg::error::PgError;
use crate::pg::sql::{self, Row};

/// A row of `ai.s3_source`, and when it is due.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// What was declared.
    pub declared: Declared,
    /// The owner of the table of seen keys, and so of the source.
    pub owner: pg_sys::Oid,
    /// The oldest run that was asked for and not begun.
    pub requested: Option<i64>,
    /// In how long it is due by its schedule; none without one.
    pub due_in: Option<Duration>,
}

/// What decides the work; if it changes, the work begins anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// The table.
    pub target: pg_sys::Oid,
    /// The part of a bucket.
    pub uri: String,
    /// The rest, and whether a superuser declared it.
    pub config: SourceConfig,
}

/// The sources that are not disabled. One whose table of seen keys is not there (a restore has just
/// begun) is left out.
pub fn enabled() -> Result<Vec<Entry>, PgError> {
    sql::read(
        "SELECT s.id, s.name::text, s.target::oid, s.uri, s.config, w.relowner,
                (SELECT min(r.run) FROM ai._s3_source_run r WHERE r.id = s.id AND r.state = 'requested'),
                CASE WHEN s.schedule IS NOT NULL THEN
                    greatest(0, ceil(extract(epoch FROM coalesce(t.next_run, now()) - now()) * 1000))::int8
                END
         FROM ai.s3_source s
         JOIN pg_catalog.pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || s.id)
         LEFT JOIN ai._s3_source_state t ON t.id = s.id
         WHERE NOT s.disabled
         ORDER BY s.id",
        &[],
        entry,
    )
}

fn entry(row: &Row<'_>) -> Result<Entry, PgError> {
    let name: String = row.get(2)?;
    let config: SourceConfig = serde_json::from_value(row.get::<JsonB>(5)?.0)
        .map_err(|error| PgError::raised(format!("the config of S3 source {name} can't be read: {error}")))?;
    let owner = row.get(6)?;
    Ok(Entry {
        id: row.get(1)?,
        name,
        declared: Declared {
            target: row.get(3)?,
            uri: row.get(4)?,
            config: access::declared_by(&config, owner),
        },
        owner,
        requested: row.get_opt(7)?,
        due_in: row.get_opt::<i64>(8)?.map(|ms| Duration::from_millis(ms.max(0) as u64)),
    })
}
