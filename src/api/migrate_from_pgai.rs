//! `ai.migrate_from_pgai`, and the reverse.

use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::catalog::relation::Relation;
use crate::migrate::{adopt, catalog, release, requirements, trust};
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::trigger::wake;

/// HINT for a user who has pgai's objects in `ai`.
const MAKE_ROOM: &str = "To take its vectorizers over, in one transaction: ALTER SCHEMA ai RENAME TO pgai; \
                         CREATE EXTENSION pgai_rs; SELECT * FROM ai.migrate_from_pgai();";

/// Errors if the schema `ai` contains pgai's objects. Called when the extension is created, before its first
/// table.
#[pg_extern(sql = false)]
fn require_no_pgai() -> Result<(), pg_sys::panic::ErrorReport> {
    let found = sql::query(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'ai' AND c.relname IN ('vectorizer', 'pgai_lib_version')",
        &[],
        |_| Ok(()),
    )?;
    if found.is_empty() {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, "the schema ai contains pgai's objects")
        .with_detail("The objects of pgai_rs have the same names.")
        .with_hint(MAKE_ROOM)
        .into())
}

fn required(schema: Option<&str>) -> Result<&str, PgError> {
    schema.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "pgai_schema must not be null")
            .with_hint("Specify the present name of pgai's schema.")
    })
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn migrate_from_pgai(
    pgai_schema: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (name!(vectorizer_id, i32), name!(name, String), name!(pending, i64), name!(failed, i64)),
    >,
    pg_sys::panic::ErrorReport,
> {
    let schema = required(pgai_schema)?;
    let candidates = requirements::all(catalog::read(schema)?)?;
    adopt::share_schema(schema)?;
    let writers = trust::writers(schema)?;
    let adopt = |candidate| adopt::adopt(candidate, !writers.is_empty());
    let adopted = candidates.iter().map(adopt).collect::<Result<Vec<_>, _>>()?;
    adopt::keep_ids_apart()?;
    adopt::tell_granted(&candidates)?;
    trust::tell_bound(&candidates, &writers)?;
    wake::worker_at_commit();
    let rows = adopted.into_iter().map(|a| (a.id, a.name, count(a.pending), count(a.failed)));
    Ok(TableIterator::new(rows))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn give_back_to_pgai(
    pgai_schema: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(vectorizer_id, i32), name!(name, String), name!(pending, i64))>,
    pg_sys::panic::ErrorReport,
> {
    let mut rows = Vec::new();
    for entry in catalog::read(required(pgai_schema)?)? {
        let source = entry.source.map(Relation::load).transpose()?.flatten();
        let pending = source.map(|source| release::release(&entry, &source)).transpose()?.flatten();
        let Some(pending) = pending else {
            pgrx::warning!("skipping vectorizer \"{}\": it or its source has been dropped", entry.name);
            continue;
        };
        rows.push((entry.id, entry.name, count(pending)));
    }
    Ok(TableIterator::new(rows))
}

fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
