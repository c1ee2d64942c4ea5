//! The user's table that a bucket is mirrored to: its requirements, and its creation.

use pgrx::PgSqlErrorCode;

use crate::catalog::relation::Relation;
use crate::catalog::{schema, vectorizer};
use crate::pg::error::PgError;
use crate::pg::lock;
use crate::pg::settings::SettingsLevel;
use crate::pg::sql;

/// A required column: its name, the type that it is created with, and other types that are accepted.
struct Needed {
    name: &'static str,
    type_name: &'static str,
    also: &'static [&'static str],
}

const NEEDED: [Needed; 5] = [
    Needed { name: "uri", type_name: "text", also: &["varchar"] },
    Needed { name: "etag", type_name: "text", also: &["varchar"] },
    Needed { name: "size", type_name: "int8", also: &["numeric"] },
    Needed { name: "last_modified", type_name: "timestamptz", also: &[] },
    Needed { name: "content_type", type_name: "text", also: &["varchar"] },
];

/// The columns that are required as well if metadata is read. The second says what it was read from.
const NEEDED_FOR_METADATA: [Needed; 2] = [
    Needed { name: "metadata", type_name: "jsonb", also: &[] },
    Needed { name: "metadata_version", type_name: "text", also: &["varchar"] },
];

/// Creates a table for a bucket. `name` is quoted, and is looked up with the caller's search path.
///
/// Addresses are in byte order, as S3 lists them, so that a listing walks through the index in order.
pub fn create(name: &str, with_metadata: bool) -> Result<(), PgError> {
    let level = SettingsLevel::open();
    level.pin();
    let metadata = match with_metadata {
        true => ", metadata pg_catalog.jsonb, metadata_version pg_catalog.text",
        false => "",
    };
    let statement = format!(
        "CREATE TABLE {name} (
             uri pg_catalog.text COLLATE pg_catalog.\"C\" PRIMARY KEY,
             etag pg_catalog.text,
             size pg_catalog.int8,
             last_modified pg_catalog.timestamptz,
             content_type pg_catalog.text{metadata})"
    );
    lock::waiting_briefly(|| sql::execute(&statement, &[])).map(drop)
}

/// Errors unless the relation is an ordinary or a partitioned table that is not temporary.
pub fn require_table(relation: &Relation) -> Result<(), PgError> {
    if matches!(relation.kind, 'r' | 'p') && !relation.temporary {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
        format!("cannot use {} as the target of an S3 source", relation.qualified()),
    )
    .with_detail("A target must be an ordinary or partitioned table that is not temporary.")
    .with_hint("Choose another table, or one that does not exist yet, which will be created."))
}

/// Errors unless all required columns exist, with types that can hold the values.
pub fn require_columns(relation: &Relation, with_metadata: bool) -> Result<(), PgError> {
    let columns = crate::catalog::relation::columns(relation.oid)?;
    let mut missing = Vec::new();
    for needed in NEEDED.iter().chain(NEEDED_FOR_METADATA.iter().filter(|_| with_metadata)) {
        match columns.iter().find(|column| column.name == needed.name) {
            None => missing.push(needed),
            Some(column) if column.type_name == needed.type_name => {}
            Some(column) if needed.also.contains(&column.type_name.as_str()) => {}
            Some(column) => return Err(wrong_type(relation, needed, &column.type_name)),
        }
    }

    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|needed| needed.name).collect();
    let add = missing.iter().map(|needed| format!("ADD COLUMN {} {}", needed.name, needed.type_name));
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("{} lacks columns that an S3 source needs: {}", relation.qualified(), names.join(", ")),
    )
    .with_hint(format!("ALTER TABLE {} {};", relation.qualified(), add.collect::<Vec<_>>().join(", "))))
}

fn wrong_type(relation: &Relation, needed: &Needed, found: &str) -> PgError {
    let table = relation.qualified();
    let name = needed.name;
    let type_name = needed.type_name;
    PgError::new(
        PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
        format!("column {name} of {table} has type {found}, but an S3 source writes {type_name}"),
    )
    .with_hint(format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {type_name} USING {name}::{type_name};"))
}

/// Errors unless there is a unique index on the address alone, which upserts need. In a dump it follows the
/// rows, so that no source writes to a table that is being restored.
pub fn require_unique(relation: &Relation) -> Result<(), PgError> {
    let found = sql::read(
        "SELECT FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         JOIN pg_catalog.pg_collation c ON c.oid = i.indcollation[0]
         WHERE i.indrelid = $1 AND a.attname = 'uri' AND i.indnkeyatts = 1 AND c.collisdeterministic
           AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL",
        &[relation.oid.into()],
        |_| Ok(()),
    )?;
    if !found.is_empty() {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_COLUMN_REFERENCE,
        format!("{} has no unique index on uri alone", relation.qualified()),
    )
    .with_detail("Objects are upserted by their address. The index must be neither partial nor deferrable.")
    .with_hint(format!("ALTER TABLE {} ADD UNIQUE (uri);", relation.qualified())))
}

/// Errors if a vectorizer on this table has no triggers, as in the middle of a restore: it would miss what a
/// source writes.
pub fn require_vectorizers_ready(relation: &Relation) -> Result<(), PgError> {
    let named = sql::read(
        &named_on(),
        &[relation.schema.clone().into(), relation.name.clone().into(), relation.oid.into()],
        |row| Ok((row.get::<i32>(1)?, row.get::<String>(2)?)),
    )?;

    let ready = vectorizer::by_source(relation.oid)?;
    let waiting = named.into_iter().find(|(id, _)| !ready.iter().any(|entry| entry.id == *id));
    let Some((_, name)) = waiting else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("vectorizer \"{name}\" of {} lacks triggers and would miss new rows", relation.qualified()),
    )
    .with_detail("During a restore this is temporary.")
    .with_hint(format!("Otherwise drop it with SELECT ai.drop_vectorizer('{name}'); and create it again.")))
}

/// Returns the statement for the vectorizers on the table of a name (`$1`, `$2`), but for those that are bound to another one than `$3`:
/// the name in the catalog may be an old one of that.
fn named_on() -> String {
    let is_others = match schema::has(c"_vectorizer_binding") {
        true => {
            "EXISTS (SELECT FROM ai._vectorizer_binding b WHERE b.vectorizer_id = v.id AND b.source <> $3)"
        }
        false => "$3 IS NULL",
    };
    format!(
        "SELECT v.id, v.name::text FROM ai.vectorizer v
         WHERE v.source_schema::text = $1 AND v.source_table::text = $2 AND NOT {is_others}"
    )
}
