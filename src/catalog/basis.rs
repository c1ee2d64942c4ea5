//! The objects that the definitions of relations, and the rights of their owners, depend on.
//!
//! Statements name relations, types and operators with their schemas. So a schema that is created, or renamed, changes the
//! meaning of none of these names unless another one loses its name first, and that one is among the objects here.

use std::collections::HashSet;

use pgrx::pg_sys;
use pgrx::pg_sys::SysCacheIdentifier;

use super::schema;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};

/// The catalogs of [`Object::Row`], by their syscaches.
pub const CACHES: [SysCacheIdentifier::Type; 5] = [
    SysCacheIdentifier::NAMESPACEOID,
    SysCacheIdentifier::AUTHOID,
    SysCacheIdentifier::AUTHMEMROLEMEM,
    SysCacheIdentifier::TSCONFIGOID,
    // The owner of the database is a member of `pg_database_owner`.
    SysCacheIdentifier::DATABASEOID,
];

/// An object of whose changes Postgres tells every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    /// A relation.
    Relation(pg_sys::Oid),
    /// A row of a catalog.
    Row {
        /// The syscache of the catalog.
        cache: i32,
        /// The hash value of its key in there. Another row may have the same.
        hash: u32,
    },
}

impl Object {
    /// Returns the row of a catalog with this key. Must be called within a transaction.
    fn row<const N: usize>(cache: SysCacheIdentifier::Type, key: [pg_sys::Oid; N]) -> Object {
        Object::Row { cache: cache as i32, hash: hash_of(cache, key) }
    }
}

/// Returns the hash value, as Postgres tells it, of a row with this key, which is made of OIDs. Must be called within a
/// transaction.
pub fn hash_of<const N: usize>(cache: SysCacheIdentifier::Type, key: [pg_sys::Oid; N]) -> u32 {
    let part = |place: usize| pg_sys::Datum::from(key.get(place).copied().unwrap_or(pg_sys::InvalidOid));
    // SAFETY: hashes numbers, on the main thread.
    unsafe { pg_sys::GetSysCacheHashValue(cache as i32, part(0), part(1), part(2), part(3)) }
}

/// Returns the objects that the names and the owners of relations are read from, and that tell whether the extension's schema
/// can be trusted. Must be called within a transaction.
pub fn of_names(relations: impl IntoIterator<Item = pg_sys::Oid>) -> HashSet<Object> {
    let mut objects = HashSet::new();
    for relation in relations {
        // SAFETY: looks up the catalogs on the main thread.
        let schema = unsafe { pg_sys::get_rel_namespace(relation) };
        objects.insert(Object::Relation(relation));
        objects.insert(Object::row(SysCacheIdentifier::NAMESPACEOID, [schema]));
    }
    if let Some((schema, owner)) = schema::with_owner() {
        objects.insert(Object::row(SysCacheIdentifier::NAMESPACEOID, [schema]));
        objects.insert(Object::row(SysCacheIdentifier::AUTHOID, [owner]));
    }
    objects
}

/// Returns the objects that the name of a text search configuration, and the rights of its owner, are read from. Must be
/// called within a transaction.
pub fn of_configuration(configuration: pg_sys::Oid, schema: pg_sys::Oid, owner: pg_sys::Oid) -> [Object; 3] {
    [
        Object::row(SysCacheIdentifier::TSCONFIGOID, [configuration]),
        Object::row(SysCacheIdentifier::NAMESPACEOID, [schema]),
        Object::row(SysCacheIdentifier::AUTHOID, [owner]),
    ]
}

/// Returns a row for each object that relations (`$1`) depend on: its kind, and its OID or, for a membership, those of its
/// key. `$2` is this database. The schemas are those of the types of columns, of the types below their domains, of their
/// collations, of the operators that compare primary keys, and of the types of vectors. The roles are the owners, those
/// whose rights they have, and the owner of the database.
///
/// A membership that an owner gets only adds rights. Whoever lacks one is looked at again each time.
const DEPENDENCES: &str = "
    WITH RECURSIVE columns AS (
        SELECT a.atttypid, a.attcollation
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped),
    types (oid) AS (
        SELECT c.atttypid FROM columns c
        UNION
        SELECT t.typbasetype FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid WHERE t.typtype = 'd'),
    keys (opclass) AS (
        SELECT pg_catalog.unnest(i.indclass::oid[])
        FROM pg_catalog.pg_index i WHERE i.indrelid = ANY ($1) AND i.indisprimary),
    families AS (
        SELECT oc.opcfamily FROM pg_catalog.pg_opclass oc
        WHERE oc.oid IN (SELECT k.opclass FROM keys k)
           OR oc.opcdefault AND oc.opcintype IN (SELECT y.oid FROM types y WHERE y.oid >= 16384)),
    roles (oid) AS (
        SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)
        UNION
        SELECT m.roleid FROM roles r JOIN pg_catalog.pg_auth_members m ON m.member = r.oid)
    SELECT 'schema', t.typnamespace, 0::oid, 0::oid FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid
    UNION SELECT 'schema', l.collnamespace, 0, 0 FROM columns c JOIN pg_catalog.pg_collation l ON l.oid = c.attcollation
    UNION SELECT 'schema', o.oprnamespace, 0, 0
          FROM families f
          JOIN pg_catalog.pg_amop ao ON ao.amopfamily = f.opcfamily AND ao.amopstrategy = 3
          JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
    UNION SELECT 'schema', e.extnamespace, 0, 0 FROM pg_catalog.pg_extension e WHERE e.extname = 'vector'
    UNION SELECT 'role', r.oid, 0, 0 FROM roles r
    UNION SELECT 'membership', m.roleid, m.member, m.grantor
          FROM roles r JOIN pg_catalog.pg_auth_members m ON m.member = r.oid
    UNION SELECT 'role', d.datdba, 0, 0 FROM pg_catalog.pg_database d WHERE d.oid = $2
    UNION SELECT 'database', $2, 0, 0";

/// Returns the relations, with the objects that their definitions and the rights of their owners depend on. Must be called
/// within a transaction.
pub fn of(relations: Vec<pg_sys::Oid>) -> Result<HashSet<Object>, PgError> {
    let mut objects = of_names(relations.iter().copied());
    let found =
        as_superuser(|| sql::read_now(DEPENDENCES, &[relations.into(), this_database().into()], dependence))?;
    objects.extend(found);
    Ok(objects)
}

/// Reads an object from a row of [`DEPENDENCES`].
fn dependence(row: &Row<'_>) -> Result<Object, PgError> {
    let oid: pg_sys::Oid = row.get(2)?;
    match row.get::<String>(1)?.as_str() {
        "schema" => Ok(Object::row(SysCacheIdentifier::NAMESPACEOID, [oid])),
        "role" => Ok(Object::row(SysCacheIdentifier::AUTHOID, [oid])),
        "database" => Ok(Object::row(SysCacheIdentifier::DATABASEOID, [oid])),
        // Before Postgres 16 the grantor is not part of the key.
        "membership" => Ok(Object::row(SysCacheIdentifier::AUTHMEMROLEMEM, [oid, row.get(3)?, row.get(4)?])),
        _ => Err(PgError::internal("unexpected kind of an object that relations depend on")),
    }
}
