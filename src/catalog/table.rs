//! A relation of a vectorizer, identified by OID and checked under a lock.
//!
//! A name can come to mean another table during the wait for a lock. An OID can't, but by then the relation
//! may have another owner or name, or be gone. So before relying on what was read of a table, lock it by its
//! OID and compare again. Operations with the extension's own rights also use the OID.

use std::ffi::{CStr, CString};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::hierarchy::DESCENDANTS;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// A relation as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its OID.
    pub oid: pg_sys::Oid,
    /// Its owner.
    pub owner: pg_sys::Oid,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `v` view …
    pub kind: char,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl Table {
    /// Returns a relation as it is now, whatever the transaction's snapshot is; `None` if it is gone.
    pub fn look(oid: pg_sys::Oid) -> Option<Table> {
        // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released below,
        // and what is kept of it is copied.
        unsafe {
            let found =
                pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::RELOID as _, pg_sys::Datum::from(oid));
            if found.is_null() {
                return None;
            }

            let class = &*pg_sys::GETSTRUCT(found).cast::<pg_sys::FormData_pg_class>();
            let schema = pg_sys::get_namespace_name(class.relnamespace);
            let table = (!schema.is_null()).then(|| Table {
                oid,
                owner: class.relowner,
                kind: char::from(class.relkind as u8),
                schema: CStr::from_ptr(schema).to_string_lossy().into_owned(),
                name: CStr::from_ptr(class.relname.data.as_ptr()).to_string_lossy().into_owned(),
            });
            pg_sys::ReleaseSysCache(found);
            table
        }
    }

    /// Returns the relation that this transaction has created under a name. Errors unless it has one of these
    /// owners.
    ///
    /// Errors (40001) if the name means another relation by now, because a schema was renamed meanwhile.
    pub fn made(schema: &str, name: &str, owners: &[pg_sys::Oid]) -> Result<Table, PgError> {
        let made = named(schema, name)?.filter(|oid| is_created_here(*oid)).and_then(Table::look);
        match made {
            Some(table) if owners.contains(&table.owner) => Ok(table),
            // Nobody else can see the table yet, so an event trigger has given it away.
            Some(table) => Err(given_away(&table)),
            None => Err(PgError::new(
                PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                format!(
                    "{} was renamed or replaced while it was being created",
                    sql::qualified(schema, name)
                ),
            )
            .with_hint("Repeat the statement.")),
        }
    }

    /// Locks the relation until the transaction ends. Errors (40001) if it has changed since it was read: it
    /// has another owner, kind or name, or is gone.
    pub fn hold(&self, mode: u32) -> Result<(), PgError> {
        self.lock(mode);
        self.require_unchanged()
    }

    /// Locks the relation until the transaction ends. Whoever gets a lock has heard of all changes that were made
    /// under stronger ones.
    pub fn lock(&self, mode: u32) {
        // SAFETY: on the main thread, in a transaction. A lock can be taken on what is gone as well.
        unsafe { pg_sys::LockRelationOid(self.oid, mode as pg_sys::LOCKMODE) };
    }

    /// Errors (40001) if the relation has changed since it was read. It must be locked.
    pub fn require_unchanged(&self) -> Result<(), PgError> {
        if Table::look(self.oid).as_ref() == Some(self) {
            return Ok(());
        }

        Err(self.changed())
    }

    fn changed(&self) -> PgError {
        PgError::new(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!("the definition of {} was changed concurrently", self.qualified()),
        )
        .with_hint("Repeat the statement.")
    }

    /// Changes the owner of the table and its indexes with the extension's rights. This transaction must have
    /// created the table.
    pub fn give_to(&self, owner: pg_sys::Oid) -> Result<Table, PgError> {
        as_superuser(|| self.change_owner(owner))
    }

    /// Changes the owner of the relation and its indexes with the current user's rights.
    pub fn change_owner(&self, owner: pg_sys::Oid) -> Result<Table, PgError> {
        let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        self.hold(pg_sys::AccessExclusiveLock)?;
        // SAFETY: on the main thread, in a transaction, on a relation that is locked.
        unsafe {
            pg_sys::ATExecChangeOwner(self.oid, owner, false, mode);
            pg_sys::CommandCounterIncrement();
        }
        Ok(Table { owner, ..self.clone() })
    }

    /// Alters the table, and those that inherit from it, with the current user's rights. `commands` follow the
    /// table's name in ALTER TABLE; names in them are looked up in the search path. Errors if one of the tables
    /// belongs to another role, whose CHECK constraints would be evaluated.
    ///
    /// The table is given by its OID: its name can come to mean another one during the wait for the lock. No
    /// event trigger fires for it.
    pub fn alter(&self, commands: &str) -> Result<(), PgError> {
        self.hold(pg_sys::AccessExclusiveLock)?;
        let only = if self.hold_heirs()? { "" } else { "ONLY " };
        let text = CString::new(format!("ALTER TABLE {only}{} {commands}", self.qualified()))
            .map_err(|_| PgError::internal("unexpected zero byte in a name"))?;

        // SAFETY: on the main thread, in a transaction, on a relation that is locked; the text parses to one
        // ALTER TABLE, whose table is the one of the context. What the context points to outlives the call.
        unsafe {
            let parsed = pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
            let raw = (*(*parsed).elements).ptr_value.cast::<pg_sys::RawStmt>();
            let statement = (*raw).stmt;
            let mut wrapper = pg_sys::PlannedStmt {
                type_: pg_sys::NodeTag::T_PlannedStmt,
                commandType: pg_sys::CmdType::CMD_UTILITY,
                utilityStmt: statement,
                ..Default::default()
            };
            let mut context = pg_sys::AlterTableUtilityContext {
                pstmt: &mut wrapper,
                queryString: text.as_ptr(),
                relid: self.oid,
                ..Default::default()
            };

            // As `ProcessUtilitySlow` does it. If an event trigger is running, Postgres collects the subcommands
            // for those that come after it, and relies on a command to collect them in. One that an error
            // leaves open is dropped with the statement that fired the event trigger.
            pg_sys::EventTriggerAlterTableStart(statement);
            pg_sys::EventTriggerAlterTableRelid(self.oid);
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
            pg_sys::AlterTable(statement.cast(), mode, &mut context);
            pg_sys::PopActiveSnapshot();
            pg_sys::EventTriggerAlterTableEnd();
            pg_sys::CommandCounterIncrement();
        }
        Ok(())
    }

    /// Locks the tables that inherit from the table, which must be locked. Returns whether there are any. Errors if
    /// one of them belongs to another role.
    fn hold_heirs(&self) -> Result<bool, PgError> {
        let heirs = self.heirs()?;
        for heir in &heirs {
            // SAFETY: on the main thread, in a transaction. A lock can be taken on what is gone as well.
            unsafe { pg_sys::LockRelationOid(*heir, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE) };
        }
        // Nothing can be put below a table that is locked.
        if self.heirs()? != heirs {
            return Err(self.changed());
        }

        let found = heirs.iter().filter_map(|heir| Table::look(*heir));
        let Some(heir) = found.into_iter().find(|heir| heir.owner != self.owner) else {
            return Ok(!heirs.is_empty());
        };
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!(
                "{}, which inherits from {}, belongs to another role",
                heir.qualified(),
                self.qualified()
            ),
        ))
    }

    /// Returns the tables that inherit from the table, by their OIDs.
    fn heirs(&self) -> Result<Vec<pg_sys::Oid>, PgError> {
        let mut heirs = sql::read_now(DESCENDANTS, &[self.oid.into()], |row| row.get::<pg_sys::Oid>(1))?;
        heirs.retain(|heir| *heir != self.oid);
        heirs.sort_by_key(|heir| heir.to_u32());
        Ok(heirs)
    }

    /// Gives the relation, which must be held for changing it, another name with the extension's rights, and returns it. Postgres
    /// errors if the name is taken.
    pub fn rename(&self, name: &str) -> Result<Table, PgError> {
        self.give_name(name, false)
    }

    /// Does the same for an index.
    pub fn rename_index(&self, name: &str) -> Result<Table, PgError> {
        self.give_name(name, true)
    }

    fn give_name(&self, name: &str, is_index: bool) -> Result<Table, PgError> {
        self.require_unchanged()?;
        let text = CString::new(name).map_err(|_| PgError::internal("unexpected zero byte in a name"))?;
        if name == self.name {
            return Ok(self.clone());
        }
        // SAFETY: on the main thread, in a transaction; the name is copied.
        unsafe {
            pg_sys::RenameRelationInternal(self.oid, text.as_ptr(), false, is_index);
            pg_sys::CommandCounterIncrement();
        }
        Ok(Table { name: name.to_owned(), ..self.clone() })
    }

    /// Drops the table if it has not changed since it was read. Postgres errors if other objects depend on
    /// it.
    pub fn drop(&self) -> Result<(), PgError> {
        self.delete(pg_sys::DropBehavior::DROP_RESTRICT)
    }

    /// Drops the table, if it has not changed since it was read, with all that depends on it.
    pub fn drop_with_dependents(&self) -> Result<(), PgError> {
        self.delete(pg_sys::DropBehavior::DROP_CASCADE)
    }

    fn delete(&self, behavior: pg_sys::DropBehavior::Type) -> Result<(), PgError> {
        self.hold(pg_sys::AccessExclusiveLock)?;
        let table = address(pg_sys::RelationRelationId, self.oid);
        // SAFETY: on the main thread, in a transaction; the address is copied.
        unsafe {
            pg_sys::performDeletion(&table, behavior, 0);
            pg_sys::CommandCounterIncrement();
        }
        Ok(())
    }

    /// Makes the table depend on the extension, so that it is dropped with it: it is useless without. A dump
    /// does not contain this dependency: it only contains an extension's members.
    pub fn go_with_extension(&self) {
        let table = address(pg_sys::RelationRelationId, self.oid);
        // SAFETY: the name is a C string; both objects are there, and their addresses are copied.
        unsafe {
            let extension = pg_sys::get_extension_oid(c"pgai_rs".as_ptr(), false);
            let extension = address(pg_sys::ExtensionRelationId, extension);
            pg_sys::recordDependencyOn(&table, &extension, pg_sys::DependencyType::DEPENDENCY_AUTO);
        }
    }

    /// Returns `schema.name`, quoted if necessary.
    pub fn qualified(&self) -> String {
        sql::qualified(&self.schema, &self.name)
    }
}

/// Returns the relation of this name, whatever the transaction's snapshot and the search path are; `None` if there is
/// none.
fn named(schema: &str, name: &str) -> Result<Option<pg_sys::Oid>, PgError> {
    let c_string =
        |text: &str| CString::new(text).map_err(|_| PgError::internal("unexpected zero byte in a name"));
    let (schema, name) = (c_string(schema)?, c_string(name)?);
    // SAFETY: looks up the catalogs on the main thread, in a transaction; C strings.
    let found = unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    Ok((found != pg_sys::InvalidOid).then_some(found))
}

/// `InvalidSubTransactionId` (`c.h`).
const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;

/// Returns whether this transaction has created a relation. That it has written the relation's row in the catalog says
/// nothing: a GRANT by somebody who has nothing to grant does so, too.
fn is_created_here(relation: pg_sys::Oid) -> bool {
    // SAFETY: on the main thread, in a transaction; the entry is released again.
    unsafe {
        let entry = pg_sys::RelationIdGetRelation(relation);
        if entry.is_null() {
            return false;
        }
        let created = (*entry).rd_createSubid;
        pg_sys::RelationClose(entry);
        created != NO_SUBTRANSACTION
    }
}

/// Returns the error for a table whose owner was changed while it was being created.
fn given_away(table: &Table) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("{} was given to another owner while it was being created", table.qualified()),
    )
    .with_detail("The tables of a vectorizer must belong to the owner of its source.")
    .with_hint(
        "Let the event trigger that changes the owner of new tables leave this table out, or change the owner of \
         the source as well.",
    )
}

/// Returns the address of an object in the catalog `class`.
pub fn address(class: pg_sys::Oid, object: pg_sys::Oid) -> pg_sys::ObjectAddress {
    pg_sys::ObjectAddress { classId: class, objectId: object, objectSubId: 0 }
}
