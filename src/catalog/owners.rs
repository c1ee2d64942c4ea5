//! The owners of all vectorizers and S3 sources, for the limits on their numbers.
//!
//! Also of those that do no work because something of theirs is missing: each is looked at whenever all are listed.

use std::collections::HashMap;

use pgrx::pg_sys;

use super::binding::has_bindings;
use super::vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// The owners of the relations that bound vectorizers have left.
const OF_BOUND: &str = "
    SELECT DISTINCT b.vectorizer_id, c.relowner
    FROM ai._vectorizer_binding b
    CROSS JOIN LATERAL (VALUES (b.source), (b.inbox), (b.work), (b.failed), (b.origin), (b.store), (b.view), (b.words)) AS r (oid)
    JOIN pg_catalog.pg_class c ON c.oid = r.oid";

/// The owner of each source, who is that of its table of seen keys, or else of the table that it is mirrored to.
const OF_SOURCES: &str = "
    SELECT coalesce(w.relowner, c.relowner)
    FROM ai.s3_source s
    LEFT JOIN pg_catalog.pg_class w ON w.oid = to_regclass('ai._s3_source_seen_' || s.id)
    LEFT JOIN pg_catalog.pg_class c ON c.oid = s.target
    WHERE coalesce(w.relowner, c.relowner) IS NOT NULL";

/// Deletes the rows of vectorizers that have lost all their tables. What is locked is left: the transaction is a user's, who may keep it
/// open.
const FORGET_VECTORIZERS: &str = "
    WITH lost AS MATERIALIZED (
        SELECT v.id FROM ai.vectorizer v JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_class c
            WHERE c.oid IN (b.source, b.inbox, b.work, b.failed, b.origin, b.store, b.view, b.words))
        FOR UPDATE OF v SKIP LOCKED)
    DELETE FROM ai.vectorizer v USING lost l WHERE v.id = l.id";

/// A condition for an S3 source `s`: it has lost both of its tables, so that nobody is its owner any more.
pub const IS_OWNERLESS: &str = "
    to_regclass('ai._s3_source_seen_' || s.id) IS NULL
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = s.target)";

/// Deletes the rows of S3 sources that have lost both of their tables.
fn forget_sources() -> String {
    format!(
        "WITH lost AS MATERIALIZED (SELECT s.id FROM ai.s3_source s WHERE {IS_OWNERLESS} FOR UPDATE OF s SKIP LOCKED)
         DELETE FROM ai.s3_source s USING lost l WHERE s.id = l.id"
    )
}

/// Deletes vectorizers and S3 sources that have lost all their tables, so that nobody is their owner. They are deleted with
/// the last of these, unless that failed, for instance because somebody had locked the row.
pub fn forget_ownerless() -> Result<(), PgError> {
    as_superuser(|| {
        if has_bindings() {
            sql::execute(FORGET_VECTORIZERS, &[])?;
        }
        sql::execute(&forget_sources(), &[]).map(drop)
    })
}

/// Returns for each vectorizer the owners of the relations that are left of it, as they are now.
pub fn of_vectorizers() -> Result<Vec<Vec<pg_sys::Oid>>, PgError> {
    let mut owners: HashMap<i32, Vec<pg_sys::Oid>> = HashMap::new();
    if has_bindings() {
        let pair = |row: &sql::Row<'_>| Ok((row.get::<i32>(1)?, row.get::<pg_sys::Oid>(2)?));
        for (id, owner) in as_superuser(|| sql::read_now(OF_BOUND, &[], pair))? {
            owners.entry(id).or_default().push(owner);
        }
    }
    for entry in vectorizer::found()? {
        owners.entry(entry.id).or_default().push(entry.owner());
    }
    Ok(owners.into_values().collect())
}

/// Returns the owner of each S3 source, as they are now.
pub fn of_s3_sources() -> Result<Vec<pg_sys::Oid>, PgError> {
    as_superuser(|| sql::read_now(OF_SOURCES, &[], |row| row.get::<pg_sys::Oid>(1)))
}
