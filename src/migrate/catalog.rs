//! pgai's catalog: `ai.vectorizer` as created by `pgai install`, under the schema's new name.

use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use super::old_table;
use crate::catalog::table::Table;
use crate::pg::error::PgError;
use crate::pg::sql::{self, qualified};

/// A vectorizer of pgai.
pub struct PgaiVectorizer {
    /// Its id, which it keeps.
    pub id: i32,
    /// Its name, which it keeps.
    pub name: String,
    /// Its source; `None` if that table is gone.
    pub source: Option<pg_sys::Oid>,
    /// The name of its source in pgai's catalog.
    pub source_name: String,
    /// The columns of the source's primary key when the vectorizer was created.
    pub key: Vec<String>,
    /// The name of its trigger.
    pub trigger: String,
    /// The name of its queue table as in pgai's trigger: schema-qualified, and quoted if necessary.
    pub queue_name: String,
    /// Its queue table; `None` if it is gone.
    pub queue: Option<Table>,
    /// Its table of failed keys; `None` if it has none, as with older versions of pgai.
    pub failed: Option<Table>,
    /// Its config as written by pgai.
    pub config: Value,
    /// True if it was disabled.
    pub disabled: bool,
}

impl PgaiVectorizer {
    /// Errors unless its table of failed keys is the one that pgai makes: others may have made the catalog name any table.
    pub fn require_failed(&self) -> Result<(), PgError> {
        let Some(failed) = &self.failed else { return Ok(()) };
        if failed.name == format!("_vectorizer_q_failed_{}", self.id) {
            return Ok(());
        }
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("its table {} is not the one that pgai makes for failed keys", failed.qualified()),
        ))
    }

    /// Returns the tables of its queue that exist.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.queue.iter().chain(&self.failed)
    }
}

/// Reads all vectorizers, ordered by id. Errors if pgai's catalog is missing or too old.
pub fn read(schema: &str) -> Result<Vec<PgaiVectorizer>, PgError> {
    let (table, catalog) = require_table(schema)?;
    // pgai's catalog still contains the old name of its own schema.
    let own = "CASE v.queue_schema WHEN 'ai' THEN $1 ELSE v.queue_schema::text END";
    // A plain table only: reading a view in its place would run functions of its owner.
    let plain = |name: &str| {
        format!(
            "(SELECT c.oid
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname::text = {own} AND c.relname = {name} AND c.relkind = 'r')"
        )
    };

    let question = format!(
        "SELECT v.id, v.name::text,
                    (SELECT c.oid FROM pg_catalog.pg_class c
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = v.source_schema AND c.relname = v.source_table),
                    pg_catalog.format('%I.%I', v.source_schema, v.source_table),
                    ARRAY(SELECT k ->> 'attname' FROM pg_catalog.jsonb_array_elements(v.source_pk) AS k),
                    v.trigger_name::text,
                    pg_catalog.format('%I.%I', v.queue_schema, v.queue_table), {}, {}, v.config, v.disabled
             FROM ONLY {table} v ORDER BY v.id",
        plain("v.queue_table"),
        plain("v.queue_failed_table"),
    );

    old_table::as_owner_of(catalog.owner, || {
        sql::query(&question, &[schema.to_owned().into()], |row| {
            Ok(PgaiVectorizer {
                id: row.get(1)?,
                name: row.get(2)?,
                source: row.get_opt(3)?,
                source_name: row.get(4)?,
                key: row.get(5)?,
                trigger: row.get(6)?,
                queue_name: row.get(7)?,
                queue: row.get_opt(8)?.and_then(Table::look),
                failed: row.get_opt(9)?.and_then(Table::look),
                config: row.get::<JsonB>(10)?.0,
                disabled: row.get(11)?,
            })
        })
    })
}

/// The columns that are read, with their types. Only Postgres's own types are allowed: others might have
/// casts by users.
const COLUMNS: &str = "
    SELECT pg_catalog.count(*) FILTER (WHERE a.attname IS NULL),
           pg_catalog.count(*) FILTER (WHERE NOT a.atttypid::pg_catalog.oid = ANY (w.types::pg_catalog.regtype[]::pg_catalog.oid[]))
    FROM (VALUES ('id', '{int4}'), ('name', '{name,text}'), ('source_schema', '{name,text}'), ('source_table', '{name,text}'),
                 ('source_pk', '{jsonb}'), ('trigger_name', '{name,text}'), ('queue_schema', '{name,text}'),
                 ('queue_table', '{name,text}'), ('queue_failed_table', '{name,text}'), ('config', '{jsonb}'),
                 ('disabled', '{bool}')) AS w (name, types)
    LEFT JOIN pg_catalog.pg_attribute a
      ON a.attrelid = $1 AND NOT a.attisdropped AND a.attname::pg_catalog.text = w.name";

/// Finds pgai's catalog, locks it and checks its columns.
fn require_table(schema: &str) -> Result<(String, Table), PgError> {
    let missing = |message: String| PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message);
    let name = qualified(schema, "vectorizer");
    let table = old_table::find(schema, "vectorizer", &['r'])?.ok_or_else(|| {
        missing(format!("table {name} does not exist")).with_hint(
            "Rename pgai's schema before CREATE EXTENSION: ALTER SCHEMA ai RENAME TO pgai; or specify its present \
             name.",
        )
    })?;
    table.hold(pg_sys::AccessShareLock)?;

    let columns =
        sql::read_now(COLUMNS, &[table.oid.into()], |row| Ok((row.get::<i64>(1)?, row.get::<i64>(2)?)))?;
    match columns.first() {
        Some((0, 0)) => Ok((name, table)),
        Some((0, _)) => Err(missing(format!("columns of {name} have other types than in pgai"))),
        _ => Err(missing(format!("the version of pgai that {name} belongs to is too old"))
            .with_hint("Rename the schema back to ai, run `pgai install` of version 0.12.1, and try again.")),
    }
}
