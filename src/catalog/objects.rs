//! The objects of a vectorizer other than its destination and its triggers: queue tables, grants.
//!
//! Definitions follow pgai's, so that its clients and users' queries continue to work.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::Destination;
use pgai_rs_queue::tables::{definitions, whole_rows};

use super::binding::{QueueRelations, Relations};
use super::key::Key;
use super::queue_tables::{self, Remembered};
use super::relation::Relation;
use super::table::Table;
use super::{failed_name, origin_name, work_name};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, as_user_on, superuser};
use crate::pg::lock;
use crate::pg::sql::{self, execute, ident, qualified};

/// Creates the queue's tables, which belong to the vectorizer's owner.
///
/// The schema `ai` belongs to the extension, and only superusers can create tables there: nobody needs CREATE
/// on it to have a vectorizer. In any other schema the owner creates them.
pub fn create_queue(
    id: i32,
    schema: &str,
    inbox: &str,
    key: &Key,
    owner: pg_sys::Oid,
    remembered: Remembered,
) -> Result<QueueRelations, PgError> {
    let tables = queue_tables::to_be_created(id, schema, Some(inbox));
    let statements = definitions(&tables, key, remembered);
    let create = || statements.iter().try_for_each(|statement| execute(statement, &[]).map(drop));
    let made = |name: &str| -> Result<Table, PgError> {
        let table = match schema {
            // An event trigger may already have given it to the right role.
            "ai" => Table::made(schema, name, &[superuser(), owner])?.give_to(owner)?,
            _ => Table::made(schema, name, &[owner])?,
        };
        table.go_with_extension();
        Ok(table)
    };

    match schema {
        "ai" => as_superuser(create)?,
        _ => lock::waiting_briefly(|| as_user(owner, create))?,
    }
    Ok(QueueRelations {
        inbox: made(inbox)?,
        work: made(&work_name(id))?,
        failed: made(&failed_name(id))?,
        origin: match remembered {
            Remembered::Nothing => None,
            Remembered::Text | Remembered::Object | Remembered::Input => Some(made(&origin_name(id))?),
        },
    })
}

/// Does the same for a table that an earlier version created.
pub fn tell_subscribers_whole_rows(table: &Table) -> Result<(), PgError> {
    let has_it = sql::read_now(
        "SELECT c.relreplident = 'f' FROM pg_catalog.pg_class c WHERE c.oid = $1",
        &[table.oid.into()],
        |row| row.get::<bool>(1),
    )?;
    match has_it.first() {
        Some(true) => Ok(()),
        _ => execute(&whole_rows(&table.qualified()), &[]).map(drop),
    }
}

/// Enqueues every row of the source, except rows without a key in tables that inherit from it. Returns the
/// number of rows.
pub fn enqueue_existing(relations: &Relations, key: &Key) -> Result<u64, PgError> {
    let Relations { source, inbox, .. } = relations;
    let statement = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {} s WHERE {}",
        inbox.qualified(),
        key.names(None),
        key.names(Some("s")),
        source.qualified(),
        key.is_whole("s")
    );
    [source, inbox].into_iter().try_for_each(|table| table.hold(pg_sys::AccessShareLock))?;
    as_user_on(source.owner, &[source.oid, inbox.oid].into(), || execute(&statement, &[]))
}

/// Grants a role the rights to search and to look after the queue.
pub fn grant(
    role: &str,
    tables: &[&str],
    destination: &Destination,
    words: Option<&Table>,
    source: &Relation,
    queue_schema: &str,
) -> Result<(), PgError> {
    let mut schemas = vec![source.schema.as_str()];
    as_user(source.owner, || {
        execute(&format!("GRANT SELECT ON {} TO {role}", source.qualified()), &[])?;
        if let Destination::Table { target_schema, target_table, view_schema, view_name, .. } = destination {
            let store = qualified(target_schema, target_table);
            let view = qualified(view_schema, view_name);
            execute(&format!("GRANT SELECT ON {view} TO {role}"), &[])?;
            execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {store} TO {role}"), &[])?;
            schemas.extend([target_schema.as_str(), view_schema]);
        }
        if let Some(words) = words {
            execute(&format!("GRANT SELECT ON {} TO {role}", words.qualified()), &[])?;
        }
        for table in tables {
            execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}"), &[])?;
        }
        // A schema that the owner may not grant USAGE on stays as it is; Postgres warns.
        if queue_schema != "ai" {
            schemas.push(queue_schema);
        }
        schemas.dedup();
        for schema in schemas {
            execute(&format!("GRANT USAGE ON SCHEMA {} TO {role}", ident(schema)), &[])?;
        }
        Ok::<_, PgError>(())
    })?;

    // This runs with the caller's own grant option, not the extension's: whoever may use `ai` may spend the
    // server's API keys.
    execute(&format!("GRANT USAGE ON SCHEMA ai TO {role}"), &[]).map(drop)
}
