//! The catalog rows of sources.

use std::time::Duration;

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, SourceConfig};
use pgai_rs_pipeline::quota::Owner;

use crate::access::source as access;
use crate::catalog::{rights, schema};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::{TOO_LARGE, bounded};
use crate::pg::sql::{self, Row};

/// A row of `ai.s3_source`, and the time of its next run.
#[derive(Debug, Clone)]
pub struct S3Source {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The declaration.
    pub declared: SourceDeclaration,
    /// The table of seen keys, `ai._s3_source_seen_<id>`.
    pub seen: pg_sys::Oid,
    /// The owner of the table of seen keys, and with it of the source.
    pub owner: pg_sys::Oid,
    /// The number of the oldest run that was requested and has not begun.
    pub requested: Option<i64>,
    /// The time until the next scheduled run; `None` if the source has no schedule.
    pub due_in: Option<Duration>,
}

impl S3Source {
    /// Returns the owner in whose part of the network it is served: all superusers have one together.
    pub fn network_owner(&self) -> Owner {
        match self.declared.config.s3.author {
            Author::Superuser => Owner::default(),
            Author::Other => Owner::of(self.owner.to_u32()),
        }
    }
}

/// The part of a declaration that determines the work; if it changes, the run is started over.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceDeclaration {
    /// The table that objects are written to.
    pub target: pg_sys::Oid,
    /// The part of the bucket, an `s3://` address.
    pub uri: String,
    /// The other options, and whether a superuser declared them.
    pub config: SourceConfig,
}

/// A source whose row can't be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// A text that changes with every change of the row.
    pub version: String,
    /// The error that reading it gave.
    pub error: PgError,
}

/// The sources that are not disabled.
pub struct Enabled {
    /// Those whose table of seen keys exists. A row that can't be read does not affect the others.
    pub found: Vec<Result<S3Source, Unreadable>>,
    /// True if there are others, as early in a restore.
    pub has_others: bool,
    /// True if it is known of all of them whether a superuser declared them.
    all_known: bool,
}

/// Returns the sources that are not disabled.
pub fn enabled() -> Result<Enabled, PgError> {
    let enabled = read_enabled()?;
    if enabled.all_known {
        return Ok(enabled);
    }
    note_declarers()?;
    read_enabled()
}

fn read_enabled() -> Result<Enabled, PgError> {
    let for_superuser = if have_declarers() { "s.for_superuser" } else { "true" };
    let (mut all_known, mut has_others) = (true, false);
    let config = bounded("s.config");
    let statement = format!(
        "SELECT s.id, s.name::text, s.target::oid, s.uri, {config}, w.relowner,
                (SELECT min(r.run) FROM ai._s3_source_run r WHERE r.id = s.id AND r.state = 'requested'),
                CASE WHEN s.schedule IS NOT NULL THEN
                    greatest(0, ceil(extract(epoch FROM least(coalesce(t.next_run, now()), now() + interval '1 year')
                                                        - now()) * 1000))::int8
                END,
                {for_superuser}, s.xmin::text || ',' || s.ctid::text, w.oid
         FROM ai.s3_source s
         LEFT JOIN pg_catalog.pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || s.id)
         LEFT JOIN ai._s3_source_state t ON t.id = s.id
         WHERE NOT s.disabled
         ORDER BY s.id"
    );
    let found = sql::read(&statement, &[], |row| {
        if row.get_opt::<pg_sys::Oid>(11)?.is_none() {
            has_others = true;
            return Ok(None);
        }
        all_known &= row.get_opt::<bool>(9)?.is_some();
        entry(row).map(Some)
    })?;
    Ok(Enabled { found: found.into_iter().flatten().collect(), has_others, all_known })
}

/// Returns whether sources have the column for their declarers. Objects of 0.1.0 and 0.2.0 don't; it came
/// together with the table that is looked for.
fn have_declarers() -> bool {
    schema::has(c"_vectorizer_binding")
}

/// Fills in whether the owner is a superuser, for sources that were just declared, or that come from a
/// version or a dump without that column. Those that somebody is about to drop or to change are left: until then the
/// administrator's lists bind them.
pub fn note_declarers() -> Result<(), PgError> {
    if !have_declarers() {
        return Ok(());
    }
    as_superuser(|| {
        sql::execute(
            "WITH known AS MATERIALIZED (
                 SELECT o.id, r.rolsuper
                 FROM ai.s3_source o
                 JOIN pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || o.id)
                 JOIN pg_roles r ON r.oid = w.relowner
                 WHERE o.for_superuser IS NULL
                 FOR NO KEY UPDATE OF o SKIP LOCKED)
             UPDATE ai.s3_source s SET for_superuser = k.rolsuper FROM known k WHERE k.id = s.id",
            &[],
        )
        .map(drop)
    })
}

fn entry(row: &Row<'_>) -> Result<Result<S3Source, Unreadable>, PgError> {
    let id: i32 = row.get(1)?;
    let name: String = row.get(2)?;
    let read = match row.get_opt::<String>(5)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        None => Err(TOO_LARGE.to_owned()),
    };
    let config: SourceConfig = match read {
        Ok(config) => config,
        Err(why) => {
            let error = PgError::raised(format!("could not read the config of S3 source \"{name}\": {why}"))
                .with_hint("Drop the source and create it again.");
            return Ok(Err(Unreadable { id, name, version: row.get(10)?, error }));
        }
    };

    let owner = row.get(6)?;
    let author = match row.get_opt::<bool>(9)? {
        Some(true) => rights::author(owner),
        Some(false) | None => Author::Other,
    };
    Ok(Ok(S3Source {
        id,
        name,
        declared: SourceDeclaration {
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
