//! pgai's catalog: `ai.vectorizer` as `pgai install` makes it, under the schema's new name.

use pgrx::{pg_sys, JsonB, PgSqlErrorCode};
use serde_json::Value;

use crate::pg::error::PgError;
use crate::pg::sql::{self, qualified};

/// A vectorizer of pgai's.
pub struct Entry {
    /// Its id, which it keeps.
    pub id: i32,
    /// Its name, which it keeps.
    pub name: String,
    /// What it embeds; none if that table is gone.
    pub source: Option<pg_sys::Oid>,
    /// What it embeds, as pgai wrote it down.
    pub source_name: String,
    /// The columns of the source's primary key when it was made.
    pub key: Vec<String>,
    /// The name of its trigger.
    pub trigger: String,
    /// The keys that wait; none if it has lost that table.
    pub queue: Option<String>,
    /// The keys that were set aside; older versions had no such table.
    pub failed: Option<String>,
    /// Its config, as pgai wrote it.
    pub config: Value,
    /// Whether it was paused.
    pub disabled: bool,
}

/// All of them, in the order of their ids.
pub fn read(schema: &str) -> Result<Vec<Entry>, PgError> {
    let table = require_table(schema)?;
    // pgai speaks of its own schema by its old name.
    let own = "CASE v.queue_schema WHEN 'ai' THEN $1 ELSE v.queue_schema::text END";
    // A plain table only: a view in its place would run its owner's functions as whoever calls this.
    let plain = |name: &str| {
        format!(
            "(SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname::text = {own} AND c.relname = {name} AND c.relkind = 'r')"
        )
    };
    sql::query(
        &format!(
            "SELECT v.id, v.name::text,
                    (SELECT c.oid FROM pg_catalog.pg_class c
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = v.source_schema AND c.relname = v.source_table),
                    pg_catalog.format('%I.%I', v.source_schema, v.source_table),
                    ARRAY(SELECT k ->> 'attname' FROM pg_catalog.jsonb_array_elements(v.source_pk) AS k),
                    v.trigger_name::text, {}, {}, v.config, v.disabled
             FROM {table} v ORDER BY v.id",
            plain("v.queue_table"),
            plain("v.queue_failed_table"),
        ),
        &[schema.to_owned().into()],
        |row| {
            Ok(Entry {
                id: row.get(1)?,
                name: row.get(2)?,
                source: row.get_opt(3)?,
                source_name: row.get(4)?,
                key: row.get(5)?,
                trigger: row.get(6)?,
                queue: row.get_opt(7)?,
                failed: row.get_opt(8)?,
                config: row.get::<JsonB>(9)?.0,
                disabled: row.get(10)?,
            })
        },
    )
}

/// Columns of which the first versions had not all; the others are as old as pgai.
const LATEST_COLUMNS: [&str; 3] = ["name", "disabled", "queue_failed_table"];

fn require_table(schema: &str) -> Result<String, PgError> {
    let table = qualified(schema, "vectorizer");
    let found = sql::query_row(
        "SELECT count(a.attname)
         FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_catalog.pg_attribute a
           ON a.attrelid = c.oid AND NOT a.attisdropped AND a.attname::text = ANY ($2)
         WHERE n.nspname::text = $1 AND c.relname = 'vectorizer' AND c.relkind = 'r'
         GROUP BY c.oid",
        &[schema.to_owned().into(), LATEST_COLUMNS.map(str::to_owned).to_vec().into()],
        |row| row.get::<i64>(1),
    )?;
    let missing = |message: String| PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, message);
    match found {
        Some(columns) if columns == LATEST_COLUMNS.len() as i64 => Ok(table),
        Some(_) => Err(missing(format!("{table} is of a version of pgai that is too old"))
            .with_hint("Rename the schema back to ai, run `pgai install` of version 0.12.1, and try again.")),
        None => Err(missing(format!("there is no table {table}")).with_hint(
            "Rename pgai's schema before CREATE EXTENSION: ALTER SCHEMA ai RENAME TO pgai; or give the \
             name that it has now.",
        )),
    }
}
