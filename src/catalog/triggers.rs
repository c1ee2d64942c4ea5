//! The triggers of a vectorizer: on its source, its partitions and the tables that inherit from it.
//!
//! The arguments of a trigger name its vectorizer: by its id, and by its UUID, which a dump of the table
//! contains. Triggers are created and dropped by OID, with the extension's own rights: a partition may belong
//! to another role, and a name may mean another table by the time the lock is granted.

use std::ffi::CString;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::hierarchy::DESCENDANTS;
use super::relation::Relation;
use super::table::address;
use super::trigger_name;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// Last argument of the trigger for the TRUNCATE of a single partition.
const PARTITION: &str = "partition";

/// Last argument of the trigger for replicated rows; see [`super::trigger_states`].
const REPLICA: &str = "replica";

/// A vectorizer as its triggers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id. In another database the same id may belong to another vectorizer.
    pub id: i32,
    /// Its UUID; `None` if the extension's objects are older than UUIDs.
    pub uuid: Option<String>,
}

impl Identity {
    fn arguments<'a>(&'a self, id: &'a str) -> Vec<&'a str> {
        [id].into_iter().chain(self.uuid.as_deref()).collect()
    }

    /// Returns whether a trigger with these arguments (`pg_trigger.tgargs`, each terminated by a zero byte)
    /// belongs to this vectorizer. Triggers that were created before there were UUIDs have the id alone.
    pub fn is_named_by(&self, arguments: &[u8]) -> bool {
        let id = self.id.to_string();
        let given: Vec<&[u8]> = arguments.split(|byte| *byte == 0).filter(|part| !part.is_empty()).collect();
        let marked = [PARTITION, REPLICA].iter().any(|mark| given.last() == Some(&mark.as_bytes()));
        let given = &given[..given.len() - usize::from(marked)];
        let own: Vec<&[u8]> = self.arguments(&id).into_iter().map(str::as_bytes).collect();
        given == own || given == [id.as_bytes()]
    }
}

/// Returns the names of a vectorizer's triggers.
fn names(id: i32) -> [String; 4] {
    let stem = trigger_name(id);
    [stem.clone(), format!("{stem}_update"), format!("{stem}_delete"), format!("{stem}_truncate")]
}

/// Creates the triggers that enqueue changes. The source must be locked at least as CREATE TRIGGER does.
///
/// On an ordinary table there is one statement trigger per event, with transition tables: a bulk load costs
/// one append. If rows may be written through another table (partitions, inheritance), there is a row trigger
/// instead, because a statement trigger fires only on the table that the statement names.
pub fn create(vectorizer: &Identity, source: &Relation) -> Result<(), PgError> {
    let [main, update, delete, truncate] = names(vectorizer.id);
    // It fires before the partitions' own triggers, which then find nothing left to remove row by row.
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

/// Creates the triggers on the tables that contain rows of the source, from `root` downwards.
///
/// Partitions inherit row triggers from their parent. Tables that inherit do not, so they get their own: a
/// statement that names such a table, or a parent of it, fires the row triggers of the table that contains
/// the row. Statement triggers are never inherited.
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

/// Returns whether a vectorizer's triggers on its source are row triggers.
pub fn are_for_rows(vectorizer: &Identity, source: pg_sys::Oid) -> Result<bool, PgError> {
    let own = |trigger: &FoundTrigger| trigger.is_for_rows && vectorizer.is_named_by(&trigger.arguments);
    Ok(on(source)?
        .iter()
        .any(|trigger| trigger.table == source && own(trigger) && !is_for_replica(&trigger.arguments)))
}

/// Creates or replaces the trigger for replicated rows. It is enabled as any new trigger is.
pub fn create_for_replica(vectorizer: &Identity, source: pg_sys::Oid, name: &str) -> Result<(), PgError> {
    let statement = format!(
        "CREATE OR REPLACE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW",
        ident(name)
    );
    create_one(source, &statement, vectorizer, Some(REPLICA))
}

/// Returns whether a trigger with these arguments is the one for replicated rows.
pub fn is_for_replica(arguments: &[u8]) -> bool {
    arguments.split(|byte| *byte == 0).rfind(|part| !part.is_empty()) == Some(REPLICA.as_bytes())
}

/// Creates a trigger on a table that is given by its OID; the table's and the function's names in the
/// statement are ignored.
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
    let statement =
        CString::new(statement).map_err(|_| PgError::internal("unexpected zero byte in a name"))?;
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

/// Sets in which sessions a trigger fires, as a letter of `pg_trigger.tgenabled`. Its table is given by its
/// OID.
pub fn enable(table: pg_sys::Oid, name: &str, sessions: char) -> Result<(), PgError> {
    let name = CString::new(name).map_err(|_| PgError::internal("unexpected zero byte in a name"))?;
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

/// Returns the function that all triggers call.
fn function() -> Result<pg_sys::Oid, PgError> {
    let look = "SELECT 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure::pg_catalog.oid";
    as_superuser(|| sql::read(look, &[], |row| row.get(1)))?
        .into_iter()
        .next()
        .ok_or_else(|| PgError::raised("function ai._vectorizer_source_changed() does not exist"))
}

/// A trigger of the extension on some table.
pub(super) struct FoundTrigger {
    /// Its OID.
    pub(super) oid: pg_sys::Oid,
    /// Its table.
    pub(super) table: pg_sys::Oid,
    is_for_rows: bool,
    /// Trigger and table in the form of DROP TRIGGER: `name ON schema.table`.
    pub(super) name: String,
    /// Its arguments, each terminated by a zero byte.
    pub(super) arguments: Vec<u8>,
}

impl FoundTrigger {
    /// Returns the vectorizer that its arguments name; `None` if they name none.
    pub(super) fn identity(&self) -> Option<Identity> {
        let arguments = self.arguments.split(|byte| *byte == 0).filter(|argument| !argument.is_empty());
        let arguments: Vec<&str> = arguments.map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
        parse(&arguments)
    }
}

/// Returns the extension's triggers on a table, its partitions and the tables that inherit from it, except
/// those that belong to a trigger of a partitioned table.
pub(super) fn on(root: pg_sys::Oid) -> Result<Vec<FoundTrigger>, PgError> {
    let statement = format!(
        "SELECT t.oid, t.tgrelid, t.tgtype & 1 = 1, t.tgargs,
                pg_catalog.format('%I ON %I.%I', t.tgname, n.nspname, c.relname)
         FROM pg_catalog.pg_trigger t
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgparentid = 0 AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure
           AND t.tgrelid IN ({DESCENDANTS})"
    );
    // As superuser, with the pinned search path: the operators are Postgres's own.
    as_superuser(|| sql::query(&statement, &[root.into()], found))
}

fn found(row: &sql::Row<'_>) -> Result<FoundTrigger, PgError> {
    Ok(FoundTrigger {
        oid: row.get(1)?,
        table: row.get(2)?,
        is_for_rows: row.get(3)?,
        arguments: row.get(4)?,
        name: row.get(5)?,
    })
}

/// Returns the tables that have a vectorizer's triggers but no longer contain rows of its source.
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

/// Returns whether all of a vectorizer's triggers on a table and the tables below it have its UUID.
pub fn have_uuid(vectorizer: &Identity, root: pg_sys::Oid) -> Result<bool, PgError> {
    let own = |trigger: &FoundTrigger| vectorizer.is_named_by(&trigger.arguments);
    let uuid = vectorizer.uuid.as_deref().unwrap_or_default().as_bytes();
    let named = |trigger: &FoundTrigger| trigger.arguments.split(|byte| *byte == 0).nth(1) == Some(uuid);
    Ok(on(root)?.iter().filter(|trigger| own(trigger)).all(named))
}

/// Drops a vectorizer's triggers on a table and the tables below it.
pub fn drop_on(vectorizer: &Identity, root: pg_sys::Oid) -> Result<(), PgError> {
    let own = on(root)?.into_iter().filter(|trigger| vectorizer.is_named_by(&trigger.arguments));
    own.for_each(|trigger| drop_one(trigger.oid));
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

/// Parses the arguments of a trigger: the vectorizer's id, and its UUID if given. Returns `None` if the first
/// argument is not an id.
pub fn parse(arguments: &[&str]) -> Option<Identity> {
    let uuid = arguments.get(1).filter(|argument| ![PARTITION, REPLICA].contains(argument));
    Some(Identity { id: arguments.first()?.parse().ok()?, uuid: uuid.map(|uuid| (*uuid).to_owned()) })
}

/// Returns the error for a vectorizer that has lost its queue or its triggers.
pub fn lost(name: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("vectorizer \"{}\" lacks its queue or its triggers", ident(name)),
    )
    .with_hint("Drop the vectorizer and create it again.")
}
