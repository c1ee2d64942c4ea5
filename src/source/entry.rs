//! A source as it stands in the catalog.

use std::time::Duration;

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, SourceConfig};

use super::access;
use crate::catalog::{rights, schema};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
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
    /// The table of seen keys.
    pub seen: pg_sys::Oid,
    /// Its owner, and so the source's.
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

/// A source that can't be read, and why.
#[derive(Debug)]
pub struct Unreadable {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Changes with every change of the row.
    pub version: String,
    /// What is wrong with it.
    pub error: PgError,
}

/// The sources that are not disabled. One whose table of seen keys is not there (a restore has just
/// begun) is left out. What is wrong with one is that one's trouble alone.
pub fn enabled() -> Result<Vec<Result<Entry, Unreadable>>, PgError> {
    note_declarers()?;
    let for_superuser = if have_declarers() { "coalesce(s.for_superuser, false)" } else { "true" };
    let statement = format!(
        "SELECT s.id, s.name::text, s.target::oid, s.uri, s.config::text, w.relowner,
                (SELECT min(r.run) FROM ai._s3_source_run r WHERE r.id = s.id AND r.state = 'requested'),
                CASE WHEN s.schedule IS NOT NULL THEN
                    greatest(0, ceil(extract(epoch FROM least(coalesce(t.next_run, now()), now() + interval '1 year')
                                                        - now()) * 1000))::int8
                END,
                {for_superuser}, s.xmin::text || ',' || s.ctid::text, w.oid
         FROM ai.s3_source s
         JOIN pg_catalog.pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || s.id)
         LEFT JOIN ai._s3_source_state t ON t.id = s.id
         WHERE NOT s.disabled
         ORDER BY s.id"
    );
    sql::read(&statement, &[], entry)
}

/// Tells whether sources say for whom they were declared. Those of 0.1.0 and 0.2.0 don't; the column is as old as bindings.
fn have_declarers() -> bool {
    schema::has(c"_vectorizer_binding")
}

/// Notes whether the owners are superusers of sources that were just declared, or come from a version or a dump that does
/// not say whose they were.
pub fn note_declarers() -> Result<(), PgError> {
    if !have_declarers() {
        return Ok(());
    }
    as_superuser(|| {
        let unknown =
            sql::read_now("SELECT FROM ai.s3_source WHERE for_superuser IS NULL LIMIT 1", &[], |_| Ok(()))?;
        if unknown.is_empty() {
            return Ok(());
        }
        sql::execute(
            "UPDATE ai.s3_source s SET for_superuser = r.rolsuper
             FROM pg_class w JOIN pg_roles r ON r.oid = w.relowner
             WHERE w.oid = to_regclass('ai._s3_source_seen_' || s.id) AND s.for_superuser IS NULL",
            &[],
        )
        .map(drop)
    })
}

fn entry(row: &Row<'_>) -> Result<Result<Entry, Unreadable>, PgError> {
    let (id, name): (i32, String) = (row.get(1)?, row.get(2)?);
    let config: SourceConfig = match serde_json::from_str(&row.get::<String>(5)?) {
        Ok(config) => config,
        Err(error) => {
            let error = PgError::raised(format!("the config of S3 source {name} can't be read: {error}"))
                .with_hint("Drop the source and create it anew.");
            return Ok(Err(Unreadable { id, name, version: row.get(10)?, error }));
        }
    };
    let owner = row.get(6)?;
    let author = match row.get::<bool>(9)? {
        true => rights::author(owner),
        false => Author::Other,
    };
    Ok(Ok(Entry {
        id,
        name,
        declared: Declared {
            target: row.get(3)?,
            uri: row.get(4)?,
            config: access::declared_by(&config, author),
        },
        seen: row.get(11)?,
        owner,
        requested: row.get_opt(7)?,
        due_in: row.get_opt::<i64>(8)?.map(|ms| Duration::from_millis(ms.max(0) as u64)),
    }))
}
