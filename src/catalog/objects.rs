//! The objects that a vectorizer has beside its destination: queue tables, triggers, grants.
//!
//! Definitions follow pgai's, so that its clients and its users' queries go on working.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Destination, Loading};

use super::key::Key;
use super::own_columns::OwnColumns;
use super::relation::Relation;
use super::{failed_name, inbox_name, origin_name, trigger_name, work_name};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::{self, execute, ident, qualified};

/// Where a vectorizer's queue tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTables {
    /// What the trigger appends to.
    pub inbox: String,
    /// One row per source key that waits or is worked on.
    pub work: String,
    /// Keys that were set aside.
    pub failed: String,
    /// What the vectors of each key were made of, where that is not in the store; see [`Remembered`].
    pub origin: String,
}

impl QueueTables {
    /// The tables of a vectorizer, by its id and its inbox's schema and name.
    pub fn new(id: i32, schema: &str, inbox: Option<&str>) -> Self {
        QueueTables {
            inbox: qualified(schema, inbox.unwrap_or(&inbox_name(id))),
            work: qualified(schema, &work_name(id)),
            failed: qualified(schema, &failed_name(id)),
            origin: qualified(schema, &origin_name(id)),
        }
    }

    /// Those that a vectorizer has.
    pub fn all(&self, remembered: Remembered) -> Vec<&str> {
        let mut tables = vec![self.inbox.as_str(), &self.work, &self.failed];
        if remembered != Remembered::Nothing {
            tables.push(&self.origin);
        }
        tables
    }
}

/// What is remembered of each row, beside its chunks, so that nothing is read or embedded twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// Nothing: the store has it all.
    Nothing,
    /// The version of the object that the chunks were made of.
    Object,
    /// That, if there is one, and the digest of the text whose vector the source's column has.
    Input,
}

impl Remembered {
    /// What a vectorizer remembers.
    pub fn of(destination: &Destination, loading: &Loading) -> Self {
        match (destination, loading) {
            (Destination::Column { .. }, _) => Remembered::Input,
            (Destination::Table { .. }, Loading::Uri { .. }) => Remembered::Object,
            (Destination::Table { .. }, Loading::Column { .. }) => Remembered::Nothing,
        }
    }

    /// The columns for it.
    fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Remembered::Nothing => &[],
            Remembered::Object => &[("etag", "text NOT NULL"), ("fingerprint", "bytea NOT NULL")],
            Remembered::Input => &[("etag", "text"), ("fingerprint", "bytea"), ("digest", "bytea NOT NULL")],
        }
    }
}

/// pgai's, which its clients know.
const INBOX: [(&str, &str); 3] = [
    ("queued_at", "timestamptz NOT NULL DEFAULT now()"),
    ("loading_retries", "int4 NOT NULL DEFAULT 0"),
    ("loading_retry_after", "timestamptz"),
];

const WORK: [(&str, &str); 6] = [
    ("generation", "int8 NOT NULL DEFAULT 1"),
    ("attempts", "int4 NOT NULL DEFAULT 0"),
    ("queued_at", "timestamptz NOT NULL DEFAULT now()"),
    ("available_at", "timestamptz NOT NULL DEFAULT now()"),
    ("lease", "int8"),
    ("leased_by", "int4"),
];

/// The first two are pgai's.
const FAILED: [(&str, &str); 6] = [
    ("created_at", "timestamptz NOT NULL DEFAULT now()"),
    ("failure_step", "text NOT NULL DEFAULT ''"),
    ("failure_code", "text"),
    ("failure_message", "text"),
    ("failure_hint", "text"),
    ("attempts", "int4"),
];

/// Creates the queue's tables and gives them to the vectorizer's owner.
///
/// The schema `ai` belongs to the extension: nobody needs CREATE on it to have a vectorizer.
pub fn create_queue(
    tables: &QueueTables,
    key: &Key,
    owner: &str,
    remembered: Remembered,
) -> Result<(), PgError> {
    let (columns, names, own) = (key.definitions(), key.names(None), OwnColumns::beside(key));
    // Autovacuum by count, not by share: these tables churn and are meant to be empty.
    let churn = "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
                       autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000)";
    let with_own = |more: &[(&str, &str)]| {
        let own = more.iter().map(|(name, kind)| format!(", {} {kind}", own.name(name)));
        columns.clone() + &own.collect::<String>()
    };
    let mut statements = vec![
        format!("CREATE TABLE {} ({}) {churn}", tables.inbox, with_own(&INBOX)),
        format!("CREATE TABLE {} ({}, PRIMARY KEY ({names})) {churn}", tables.work, with_own(&WORK)),
        format!("CREATE INDEX ON {} ({})", tables.work, own.name("available_at")),
        format!("CREATE TABLE {} ({})", tables.failed, with_own(&FAILED)),
        format!("CREATE INDEX ON {} ({names})", tables.failed),
    ];
    if remembered != Remembered::Nothing {
        let columns = with_own(remembered.columns());
        statements.push(format!("CREATE TABLE {} ({columns}, PRIMARY KEY ({names}))", tables.origin));
    }
    let all = tables.all(remembered).into_iter();
    statements.extend(all.map(|table| format!("ALTER TABLE {table} OWNER TO {owner}")));
    as_superuser(|| {
        statements.iter().try_for_each(|statement| execute(statement, &[]).map(drop))?;
        tables.all(remembered).into_iter().try_for_each(go_with_extension)
    })
}

/// Makes a table be dropped with the extension, as what is of no use without it. A dump does not carry that
/// along: it only knows what an extension is made of.
fn go_with_extension(table: &str) -> Result<(), PgError> {
    let oid = sql::query_row("SELECT $1::pg_catalog.regclass::pg_catalog.oid", &[table.into()], |row| {
        row.get::<pg_sys::Oid>(1)
    })?;
    let address = |class: pg_sys::Oid, object: pg_sys::Oid| pg_sys::ObjectAddress {
        classId: class,
        objectId: object,
        objectSubId: 0,
    };
    let table = address(pg_sys::RelationRelationId, oid.unwrap_or(pg_sys::InvalidOid));
    // SAFETY: the name is a C string; both objects are there, and their addresses are copied.
    unsafe {
        let extension = pg_sys::get_extension_oid(c"pgai_rs".as_ptr(), false);
        let extension = address(pg_sys::ExtensionRelationId, extension);
        pg_sys::recordDependencyOn(&table, &extension, pg_sys::DependencyType::DEPENDENCY_AUTO);
    }
    Ok(())
}

/// The names of a vectorizer's triggers.
pub fn trigger_names(id: i32) -> [String; 4] {
    let stem = trigger_name(id);
    [stem.clone(), format!("{stem}_update"), format!("{stem}_delete"), format!("{stem}_truncate")]
}

/// Creates the triggers that enqueue.
///
/// On an ordinary table one per statement and event, with transition tables: a bulk load costs one
/// append. Where rows may come by way of another table (partitions, inheritance) one per row, for a
/// statement trigger fires on the table that the statement names only.
pub fn create_triggers(id: i32, source: &Relation) -> Result<(), PgError> {
    let [main, update, delete, truncate] = trigger_names(id);
    let call = format!("EXECUTE FUNCTION ai._vectorizer_source_changed('{id}')");
    let table = source.qualified();
    // Before the partitions' own, which then find nothing left to remove row by row.
    let when = if source.kind == 'p' { "BEFORE" } else { "AFTER" };
    let mut statements =
        vec![format!("CREATE TRIGGER {truncate} {when} TRUNCATE ON {table} FOR EACH STATEMENT {call}")];
    if source.in_hierarchy {
        statements.push(format!(
            "CREATE TRIGGER {main} AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW {call}"
        ));
    } else {
        statements.push(format!(
            "CREATE TRIGGER {main} AFTER INSERT ON {table}
             REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT {call}"
        ));
        statements.push(format!(
            "CREATE TRIGGER {update} AFTER UPDATE ON {table}
             REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT {call}"
        ));
        statements.push(format!(
            "CREATE TRIGGER {delete} AFTER DELETE ON {table}
             REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT {call}"
        ));
    }
    as_superuser(|| {
        for statement in &statements {
            execute(statement, &[])?;
        }
        Ok::<_, PgError>(())
    })?;
    match source.kind {
        'p' => create_partition_triggers(id, source.oid),
        _ => Ok(()),
    }
}

/// Drops a vectorizer's triggers, found by their argument, for they and the source may have been renamed
/// since.
pub fn drop_triggers(id: i32) -> Result<(), PgError> {
    drop_triggers_on(id, None)
}

/// Drops those that a table and its partitions have for being partitions of the source.
pub fn drop_partition_triggers(id: i32, partition: pg_sys::Oid) -> Result<(), PgError> {
    drop_triggers_on(id, Some(partition))
}

fn drop_triggers_on(id: i32, partition: Option<pg_sys::Oid>) -> Result<(), PgError> {
    let triggers = sql::query(
        "WITH arguments AS (SELECT pg_catalog.convert_to($1::text, 'UTF8') || '\\x00'::bytea AS source,
                                   pg_catalog.convert_to('partition', 'UTF8') || '\\x00'::bytea AS partition,
                                   pg_catalog.convert_to('replica', 'UTF8') || '\\x00'::bytea AS replica)
         SELECT pg_catalog.format('%I ON %I.%I', t.tgname, n.nspname, c.relname)
         FROM arguments a
         CROSS JOIN pg_catalog.pg_trigger t
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgparentid = 0 AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure
           AND (t.tgargs = a.source || a.partition OR t.tgargs IN (a.source, a.source || a.replica) AND $2 IS NULL)
           AND ($2 IS NULL OR t.tgrelid = $2
                OR t.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree($2) p))",
        &[id.to_string().into(), partition.into()],
        |row| row.get::<String>(1),
    )?;
    as_superuser(|| {
        for trigger in &triggers {
            execute(&format!("DROP TRIGGER {trigger}"), &[])?;
        }
        Ok(())
    })
}

/// Removes a vectorizer without triggers from the catalog, and its queue. The store stays.
pub fn forget(id: i32, tables: &QueueTables) -> Result<(), PgError> {
    as_superuser(|| {
        execute("DELETE FROM ai.vectorizer WHERE id = $1", &[id.into()])?;
        let all = tables.all(Remembered::Input).join(", ");
        execute(&format!("DROP TABLE IF EXISTS {all}"), &[]).map(drop)
    })
}

/// Creates the triggers that see the TRUNCATE of a single partition: statement triggers are not passed
/// on to partitions. Before and not after, while the keys can still be read.
pub fn create_partition_triggers(id: i32, root: pg_sys::Oid) -> Result<(), PgError> {
    let [.., truncate] = trigger_names(id);
    let leaves = sql::query(
        "SELECT n.nspname::text, c.relname::text
         FROM pg_catalog.pg_partition_tree($1) p
         JOIN pg_catalog.pg_class c ON c.oid = p.relid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE p.isleaf AND c.relkind = 'r'",
        &[root.into()],
        |row| Ok(sql::qualified(&row.get::<String>(1)?, &row.get::<String>(2)?)),
    )?;
    as_superuser(|| {
        for leaf in &leaves {
            execute(
                &format!(
                    "CREATE OR REPLACE TRIGGER {truncate} BEFORE TRUNCATE ON {leaf}
                     FOR EACH STATEMENT EXECUTE FUNCTION ai._vectorizer_source_changed('{id}', 'partition')"
                ),
                &[],
            )?;
        }
        Ok(())
    })
}

/// Enqueues every row that the source has.
pub fn enqueue_existing(tables: &QueueTables, source: &Relation, key: &Key) -> Result<u64, PgError> {
    let names = key.names(None);
    as_user(source.owner, || {
        execute(
            &format!("INSERT INTO {} ({names}) SELECT {names} FROM {}", tables.inbox, source.qualified()),
            &[],
        )
    })
}

/// Lets a role search, and look after the queue.
pub fn grant(
    role: &str,
    tables: &[&str],
    destination: &Destination,
    source: &Relation,
    queue_schema: &str,
) -> Result<(), PgError> {
    let mut schemas = vec![source.schema.as_str()];
    as_user(source.owner, || {
        execute(&format!("GRANT SELECT ON {} TO {role}", source.qualified()), &[])?;
        if let Destination::Table { target_schema, target_table, view_schema, view_name } = destination {
            let (store, view) = (qualified(target_schema, target_table), qualified(view_schema, view_name));
            execute(&format!("GRANT SELECT ON {view} TO {role}"), &[])?;
            execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {store} TO {role}"), &[])?;
            schemas.extend([target_schema.as_str(), view_schema]);
        }
        for table in tables {
            execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}"), &[])?;
        }
        // A schema that the owner may not share stays as it is; Postgres warns.
        if queue_schema != "ai" {
            schemas.push(queue_schema);
        }
        schemas.dedup();
        for schema in schemas {
            execute(&format!("GRANT USAGE ON SCHEMA {} TO {role}", ident(schema)), &[])?;
        }
        Ok::<_, PgError>(())
    })?;
    // With the caller's own right to share it, not with ours: who may use `ai` may spend the
    // server's keys.
    execute(&format!("GRANT USAGE ON SCHEMA ai TO {role}"), &[]).map(drop)
}
