//! Reaction to renamed types of keys, and to renamed values of such types.
//!
//! Stored values do not change, but the worker's statements name types, and keys are passed as text.

use pgrx::pg_sys;

use super::node::text;
use super::values::{release_leases, remember_key};
use super::warned_of;
use crate::catalog::key;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::pg::transaction::see_own_changes;
use crate::trigger::wake;

/// Returns a row if the key of `$1` depends on the object `$3` of the catalog `$2`: it is one of the types
/// that the key's columns consist of, one of their collations or operators, or the schema or the extension of
/// one of these. The schema and the extension of pgvector count as well.
const DEPENDS: &str = "
    WITH RECURSIVE of_key AS (
        SELECT a.atttypid, a.attcollation, i.indclass[k.position - 1] AS opclass
        FROM pg_catalog.pg_index i
        CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE i.indrelid = $1 AND i.indisprimary AND k.position <= i.indnkeyatts),
    below (oid) AS (
        SELECT k.atttypid FROM of_key k
        UNION
        SELECT p.oid
        FROM below b
        JOIN pg_catalog.pg_type t ON t.oid = b.oid
        CROSS JOIN LATERAL (
            SELECT t.typelem
            UNION ALL
            SELECT t.typbasetype
            UNION ALL
            SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
            UNION ALL
            SELECT a.atttypid FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS p (oid)
        WHERE p.oid <> 0),
    objects (classid, objid, schema) AS (
        SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typnamespace
        FROM below b JOIN pg_catalog.pg_type t ON t.oid = b.oid
        UNION ALL
        SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, c.oid, c.collnamespace
        FROM of_key k JOIN pg_catalog.pg_collation c ON c.oid = k.attcollation
        UNION ALL
        SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, o.oprnamespace
        FROM of_key k
        JOIN pg_catalog.pg_opclass oc ON oc.oid = k.opclass
        JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily
        JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr)
    SELECT 1 FROM objects o
    WHERE o.classid = $2 AND o.objid = $3
       OR $2 = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND o.schema = $3
       OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = o.classid AND d.objid = o.objid AND d.refclassid = $2 AND d.refobjid = $3 AND d.deptype = 'e')
    UNION ALL
    SELECT 1 FROM pg_catalog.pg_extension e
    WHERE e.extname = 'vector' AND ($2 = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.oid = $3
                                    OR $2 = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND e.extnamespace = $3)";

/// Has all processes reread the definitions of the vectorizers that depend on an object. If `values` of a
/// type were renamed, keys that are claimed are processed again. Users who rename a type of their own affect
/// no other vectorizers.
pub fn follow(object: pg_sys::ObjectAddress, values: bool) -> Result<(), PgError> {
    see_own_changes();
    for entry in vectorizer::all()? {
        if !lies_in(&entry, object) && !depends(&entry, object)? {
            continue;
        }
        warned_of(&entry, "a renamed type", || follow_in(&entry, values));
        // SAFETY: the source has a row in pg_class.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid(entry.source()) };
        wake::worker_at_commit();
    }
    Ok(())
}

fn depends(entry: &Entry, object: pg_sys::ObjectAddress) -> Result<bool, PgError> {
    let args = [entry.source().into(), object.classId.into(), object.objectId.into()];
    let found = as_superuser(|| sql::query(DEPENDS, &args, |_| Ok(())))?;
    Ok(!found.is_empty())
}

/// Returns whether the object is the schema of one of a vectorizer's relations, which statements name.
fn lies_in(entry: &Entry, object: pg_sys::ObjectAddress) -> bool {
    if object.classId != pg_sys::NamespaceRelationId {
        return false;
    }
    // SAFETY: looks up a catalog on the main thread; the name is null or a C string, and copied.
    let schema = unsafe { text(pg_sys::get_namespace_name(object.objectId)) };
    let mut relations = entry.relations.tables().chain(&entry.relations.view);
    relations.any(|relation| Some(&relation.schema) == schema.as_ref())
}

fn follow_in(entry: &Entry, values: bool) -> Result<(), PgError> {
    let Some(key) = as_superuser(|| key::of(entry.source()))? else { return Ok(()) };
    remember_key(entry, &key, values)?;
    if values {
        release_leases(&as_superuser(|| entry.resolve())?)?;
    }
    Ok(())
}
