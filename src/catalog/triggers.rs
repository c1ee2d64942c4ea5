//! The triggers of a vectorizer: on its source, and on the partitions of that and what inherits from it.
//!
//! A trigger says in its arguments whose it is: by the vectorizer's id, and by its UUID, which a dump of the
//! table takes along. Made and dropped are they by OID, with the extension's own rights: a partition may be
//! another's, and a name may mean another table by the time that there is a lock on it.

use std::ffi::CString;

use pgrx::{pg_sys, PgSqlErrorCode};

use super::relation::{Relation, DESCENDANTS};
use super::table::address;
use super::trigger_name;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// Marks the trigger that sees the TRUNCATE of a single partition.
const PARTITION: &str = "partition";

/// Marks the trigger for rows that a publisher sends; see [`super::trigger_states`].
const REPLICA: &str = "replica";

/// A vectorizer, as its triggers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id, which another database may have given to another vectorizer.
    pub id: i32,
    /// Its UUID; none where the extension's objects are older than UUIDs.
    pub uuid: Option<String>,
}

impl Identity {
    fn arguments<'a>(&'a self, id: &'a str) -> Vec<&'a str> {
        [id].into_iter().chain(self.uuid.as_deref()).collect()
    }

    /// Returns whether a trigger with these arguments (`pg_trigger.tgargs`, each ended by a zero byte) is one
    /// of this vectorizer. Triggers that were made before there were UUIDs have the id alone.
    pub fn is_named_by(&self, arguments: &[u8]) -> bool {
        let id = self.id.to_string();
        let given: Vec<&[u8]> = arguments.split(|byte| *byte == 0).filter(|part| !part.is_empty()).collect();
        let marked = [PARTITION, REPLICA].iter().any(|mark| given.last() == Some(&mark.as_bytes()));
        let given = &given[..given.len() - usize::from(marked)];
        let own: Vec<&[u8]> = self.arguments(&id).into_iter().map(str::as_bytes).collect();
        given == own || given == [id.as_bytes()]
    }
}

/// The names of a vectorizer's triggers.
fn names(id: i32) -> [String; 4] {
    let stem = trigger_name(id);
    [stem.clone(), format!("{stem}_update"), format!("{stem}_delete"), format!("{stem}_truncate")]
}

/// Creates the triggers that enqueue. The source must be locked, at least as CREATE TRIGGER does.
///
/// On an ordinary table there is one for each event and statement, with transition tables: a bulk load costs one
/// append. Where rows may come by way of another table (partitions, inheritance) there is one for each row, for a
/// statement trigger fires on the table that the statement names only.
pub fn create(vectorizer: &Identity, source: &Relation) -> Result<(), PgError> {
    let [main, update, delete, truncate] = names(vectorizer.id);
    // Before the partitions' own, which then find nothing left to remove row by row.
    let when = if source.kind == 'p' { "BEFORE" } else { "AFTER" };
    let mut definitions = vec![(truncate, format!("{when} TRUNCATE ON t FOR EACH STATEMENT"))];
    if source.in_hierarchy {
        definitions.push((main, "AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW".to_owned()));
    } else {
        let statement =
            |event: &str, tables: &str| format!("AFTER {event} ON t REFERENCING {tables} FOR EACH STATEMENT");
        definitions.push((main, statement("INSERT", "NEW TABLE AS new_rows")));
        definitions.push((update, statement("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows")));
        definitions.push((delete, statement("DELETE", "OLD TABLE AS old_rows")));
    }

    for (name, definition) in definitions {
        create_one(source.oid, &format!("CREATE TRIGGER {name} {definition}"), vectorizer, None)?;
    }
    create_below(vectorizer, source, source.oid)
}

/// Creates the triggers on the tables that have rows of the source, from `root` downwards.
///
/// Partitions have those for rows from their parent. What inherits has none: who names it, or a parent of
/// it, fires those on the table where the row is. Statement triggers are passed on to neither.
pub fn create_below(vectorizer: &Identity, source: &Relation, root: pg_sys::Oid) -> Result<(), PgError> {
    let [main, .., truncate] = names(vectorizer.id);
    let statement = format!(
        "SELECT c.oid FROM pg_catalog.pg_class c
         WHERE c.relkind = 'r' AND c.oid <> $2 AND c.oid IN ({DESCENDANTS})"
    );
    let args = [root.into(), source.oid.into()];
    let tables = as_superuser(|| sql::query(&statement, &args, |row| row.get::<pg_sys::Oid>(1)))?;

    for table in tables {
        // Before and not after, while the keys can still be read.
        let of_truncate =
            format!("CREATE OR REPLACE TRIGGER {truncate} BEFORE TRUNCATE ON t FOR EACH STATEMENT");
        create_one(table, &of_truncate, vectorizer, Some(PARTITION))?;
        if source.kind == 'r' {
            let of_rows = format!(
                "CREATE OR REPLACE TRIGGER {main} AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW"
            );
            create_one(table, &of_rows, vectorizer, None)?;
        }
    }
    Ok(())
}

/// Returns whether a vectorizer's triggers on its source are for each row.
pub fn are_for_rows(vectorizer: &Identity, source: pg_sys::Oid) -> Result<bool, PgError> {
    let own = |trigger: &Found| trigger.is_for_rows && vectorizer.is_named_by(&trigger.arguments);
    Ok(on(source)?
        .iter()
        .any(|trigger| trigger.table == source && own(trigger) && !is_for_replica(&trigger.arguments)))
}

/// Creates the trigger for rows that a publisher sends, or replaces it. It is enabled as any trigger is.
pub fn create_for_replica(vectorizer: &Identity, source: pg_sys::Oid, name: &str) -> Result<(), PgError> {
    let statement = format!(
        "CREATE OR REPLACE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW",
        ident(name)
    );
    create_one(source, &statement, vectorizer, Some(REPLICA))
}

/// Returns whether a trigger with these arguments is there for rows that a publisher sends.
pub fn is_for_replica(arguments: &[u8]) -> bool {
    arguments.split(|byte| *byte == 0).rfind(|part| !part.is_empty()) == Some(REPLICA.as_bytes())
}

/// Creates a trigger on a table that is given by its OID; the name in the statement means nothing.
fn create_one(
    table: pg_sys::Oid,
    statement: &str,
    vectorizer: &Identity,
    mark: Option<&str>,
) -> Result<(), PgError> {
    let id = vectorizer.id.to_string();
    let arguments: Vec<String> =
        vectorizer.arguments(&id).into_iter().chain(mark).map(|argument| format!("'{argument}'")).collect();
    let statement = format!("{statement} EXECUTE FUNCTION f({})", arguments.join(", "));
    let statement = CString::new(statement).map_err(|_| PgError::raised("a name has a zero byte"))?;
    let function = function()?;

    as_superuser(|| {
        // SAFETY: on the main thread, in a transaction; the statement is ours, and parses to one CREATE
        // TRIGGER, which names its table and its function by the OIDs given beside it.
        unsafe {
            let parsed = pg_sys::raw_parser(statement.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = (*(*parsed).elements).ptr_value.cast::<pg_sys::RawStmt>();
            pg_sys::CreateTrigger(
                (*raw).stmt.cast(),
                statement.as_ptr(),
                table,
                pg_sys::InvalidOid,
                pg_sys::InvalidOid,
                pg_sys::InvalidOid,
                function,
                pg_sys::InvalidOid,
                std::ptr::null_mut(),
                false,
                false,
            );
            pg_sys::CommandCounterIncrement();
        }
    });
    Ok(())
}

/// Enables a trigger in the sessions that this letter of `pg_trigger.tgenabled` says. Its table is given by its OID.
pub fn enable(table: pg_sys::Oid, name: &str, sessions: char) -> Result<(), PgError> {
    let name = CString::new(name).map_err(|_| PgError::raised("a name has a zero byte"))?;
    let mode = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
    let sessions = sessions as std::ffi::c_char;
    as_superuser(|| {
        // SAFETY: on the main thread, in a transaction, on a relation that is open and locked as ALTER TABLE does it; raises where one
        // of them is gone.
        unsafe {
            let relation = pg_sys::table_open(table, mode);
            #[cfg(feature = "pg15")]
            pg_sys::EnableDisableTrigger(relation, name.as_ptr(), sessions, false, mode);
            #[cfg(not(feature = "pg15"))]
            pg_sys::EnableDisableTrigger(
                relation,
                name.as_ptr(),
                pg_sys::InvalidOid,
                sessions,
                false,
                false,
                mode,
            );
            pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
            pg_sys::CommandCounterIncrement();
        }
    });
    Ok(())
}

/// The function of all triggers.
fn function() -> Result<pg_sys::Oid, PgError> {
    let look = "SELECT 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure::pg_catalog.oid";
    as_superuser(|| sql::read(look, &[], |row| row.get(1)))?
        .into_iter()
        .next()
        .ok_or_else(|| PgError::raised("the function ai._vectorizer_source_changed is gone"))
}

/// A trigger of the extension's on some table.
struct Found {
    oid: pg_sys::Oid,
    table: pg_sys::Oid,
    is_for_rows: bool,
    /// As DROP TRIGGER names it.
    name: String,
    arguments: Vec<u8>,
}

/// The triggers of the extension's on a table and its partitions, but for those that come with a trigger of their
/// partitioned table.
fn on(root: pg_sys::Oid) -> Result<Vec<Found>, PgError> {
    let statement = format!(
        "SELECT t.oid, t.tgrelid, t.tgtype & 1 = 1, t.tgargs,
                pg_catalog.format('%I ON %I.%I', t.tgname, n.nspname, c.relname)
         FROM pg_catalog.pg_trigger t
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgparentid = 0 AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure
           AND t.tgrelid IN ({DESCENDANTS})"
    );
    let found = |row: &sql::Row<'_>| {
        Ok(Found {
            oid: row.get(1)?,
            table: row.get(2)?,
            is_for_rows: row.get(3)?,
            arguments: row.get(4)?,
            name: row.get(5)?,
        })
    };
    // Its operators are Postgres's own, whatever the session has in its path.
    as_superuser(|| sql::query(&statement, &[root.into()], found))
}

/// Returns the tables that have a vectorizer's triggers without having rows of its source any more.
pub fn elsewhere(vectorizer: &Identity, source: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, PgError> {
    let statement = format!(
        "SELECT t.tgrelid, t.tgargs FROM pg_catalog.pg_trigger t
         WHERE t.tgparentid = 0 AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure
           AND t.tgrelid NOT IN ({DESCENDANTS})
         ORDER BY t.tgrelid"
    );
    let read = |row: &sql::Row<'_>| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<Vec<u8>>(2)?));
    let found = as_superuser(|| sql::read_now(&statement, &[source.into()], read))?;
    let own = found.into_iter().filter(|(_, arguments)| vectorizer.is_named_by(arguments));
    let mut tables: Vec<pg_sys::Oid> = own.map(|(table, _)| table).collect();
    tables.dedup();
    Ok(tables)
}

/// Returns whether all of a vectorizer's triggers on a table and its partitions have its UUID.
pub fn have_uuid(vectorizer: &Identity, root: pg_sys::Oid) -> Result<bool, PgError> {
    let own = |trigger: &Found| vectorizer.is_named_by(&trigger.arguments);
    let uuid = vectorizer.uuid.as_deref().unwrap_or_default().as_bytes();
    let named = |trigger: &Found| trigger.arguments.split(|byte| *byte == 0).nth(1) == Some(uuid);
    Ok(on(root)?.iter().filter(|trigger| own(trigger)).all(named))
}

/// Drops a vectorizer's triggers on a table and its partitions.
pub fn drop_on(vectorizer: &Identity, root: pg_sys::Oid) -> Result<(), PgError> {
    let own = on(root)?.into_iter().filter(|trigger| vectorizer.is_named_by(&trigger.arguments));
    own.for_each(|trigger| drop_one(trigger.oid));
    Ok(())
}

/// Drops triggers that belong to none of the vectorizers that are given: a dump of the table has brought them
/// along, or their vectorizer was dropped where they could not be seen.
pub fn drop_leftovers(vectorizers: &[Identity], root: pg_sys::Oid) -> Result<(), PgError> {
    let belongs = |trigger: &Found| vectorizers.iter().any(|v| v.is_named_by(&trigger.arguments));
    for trigger in on(root)?.into_iter().filter(|trigger| !belongs(trigger)) {
        pgrx::notice!("dropping trigger {} of a vectorizer that does not exist here", trigger.name);
        drop_one(trigger.oid);
    }
    Ok(())
}

/// Drops a trigger.
pub fn drop_one(trigger: pg_sys::Oid) {
    let trigger = address(pg_sys::TriggerRelationId, trigger);
    // SAFETY: on the main thread, in a transaction; the address is copied.
    unsafe {
        pg_sys::performDeletion(&trigger, pg_sys::DropBehavior::DROP_RESTRICT, 0);
        pg_sys::CommandCounterIncrement();
    }
}

/// Reads the arguments of a trigger: the vectorizer's id, and its UUID if it has one. None if they are not ours.
pub fn parse(arguments: &[&str]) -> Option<Identity> {
    let uuid = arguments.get(1).filter(|argument| ![PARTITION, REPLICA].contains(argument));
    Some(Identity { id: arguments.first()?.parse().ok()?, uuid: uuid.map(|uuid| (*uuid).to_owned()) })
}

/// Errors for a source that has lost its triggers.
pub fn lost(name: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("vectorizer {} has lost its queue or its triggers", ident(name)),
    )
    .with_hint("Drop the vectorizer and create it anew.")
}
