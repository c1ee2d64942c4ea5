//! The changes by a statement that may concern a vectorizer.

use pgrx::pg_sys::{self, CollectedCommandType, NodeTag, ObjectAddress, ObjectType};

use super::altered::{Altered, is_followed};
use super::granted::TableGrant;
use super::node::{object_of, pointers, text};
use crate::catalog::rights::Right;
use crate::pg::named::oids;

/// A change of a definition that may concern a vectorizer.
#[derive(Debug)]
pub enum StatementChange {
    /// A table was created that inherits or is a partition.
    Created(pg_sys::Oid),
    /// A table was altered.
    Altered(Altered),
    /// A type, or something that contains types, was renamed or moved to another schema.
    Type {
        /// The type, the collation or the extension.
        object: ObjectAddress,
        /// True if a value of the enum type was renamed.
        values: bool,
    },
    /// A table or a view was renamed or moved to another schema.
    Renamed,
    /// A schema was renamed.
    Schema(ObjectAddress),
    /// A column was renamed.
    Column {
        /// The table.
        relation: pg_sys::Oid,
        /// Its old name.
        from: String,
        /// Its new one.
        to: String,
    },
    /// EXECUTE on one of the extension's functions, or on a function of the same name, was granted or
    /// revoked.
    Granted,
    /// SELECT on tables was granted or revoked.
    GrantedTables(TableGrant),
}

/// Returns whether a statement may have made such a change, judging by its kind alone.
///
/// # Safety
///
/// The node is a live parse tree of a utility statement.
pub unsafe fn may_concern(node: *mut pg_sys::Node) -> bool {
    // SAFETY: by the caller; a node's tag tells its type.
    unsafe {
        match (*node).type_ {
            NodeTag::T_AlterTableStmt => is_alter_table(node, true),
            NodeTag::T_CreateStmt => !(*node.cast::<pg_sys::CreateStmt>()).inhRelations.is_null(),
            NodeTag::T_CreateSchemaStmt => !(*node.cast::<pg_sys::CreateSchemaStmt>()).schemaElts.is_null(),
            NodeTag::T_RenameStmt => {
                let statement = &*node.cast::<pg_sys::RenameStmt>();
                is_column(statement)
                    || has_name_of_ours(statement.renameType)
                    || is_type(statement.renameType)
            }
            NodeTag::T_AlterObjectSchemaStmt => {
                let kind = (*node.cast::<pg_sys::AlterObjectSchemaStmt>()).objectType;
                has_name_of_ours(kind) || is_type(kind)
            }
            NodeTag::T_AlterEnumStmt => renames_value(node),
            // Rights that the roles have, and those that others have by them.
            NodeTag::T_DropOwnedStmt => true,
            NodeTag::T_GrantStmt => is_grant(&*node.cast::<pg_sys::GrantStmt>()),
            _ => false,
        }
    }
}

impl StatementChange {
    /// Reads a command; returns `None` if it can't concern a vectorizer.
    ///
    /// # Safety
    ///
    /// Postgres has executed the command in the current statement.
    pub unsafe fn of(command: &pg_sys::CollectedCommand) -> Option<StatementChange> {
        let node = command.parsetree;
        // SAFETY: by the caller: null or a parse tree, whose tag tells its type; the command's type tells which of the union it is.
        unsafe {
            if command.type_ == CollectedCommandType::SCT_AlterTable {
                if !is_alter_table(node, false) {
                    return None;
                }
                let table = command.d.alterTable;
                let altered = Altered::of(table.objectId, table.subcmds);
                return (!altered.is_empty()).then_some(StatementChange::Altered(altered));
            }

            if command.type_ == CollectedCommandType::SCT_Grant {
                return granted(&*command.d.grant.istmt);
            }
            let object = object_of(command)?;
            if node.is_null() {
                return None;
            }
            match (*node).type_ {
                NodeTag::T_CreateStmt => (!(*node.cast::<pg_sys::CreateStmt>()).inhRelations.is_null())
                    .then_some(StatementChange::Created(object.objectId)),
                NodeTag::T_RenameStmt => {
                    let statement = &*node.cast::<pg_sys::RenameStmt>();
                    column(statement, object).or_else(|| renamed(statement.renameType, object))
                }
                NodeTag::T_AlterObjectSchemaStmt => {
                    renamed((*node.cast::<pg_sys::AlterObjectSchemaStmt>()).objectType, object)
                }
                NodeTag::T_AlterEnumStmt => {
                    renames_value(node).then_some(StatementChange::Type { object, values: true })
                }
                _ => None,
            }
        }
    }
}

/// Returns whether this is ALTER TABLE of a table and, if `followed` is set, contains a subcommand that the
/// extension reacts to.
unsafe fn is_alter_table(node: *mut pg_sys::Node, followed: bool) -> bool {
    // SAFETY: by the caller: a parse tree, whose tag tells its type; a list of AlterTableCmd.
    unsafe {
        if node.is_null() || (*node).type_ != NodeTag::T_AlterTableStmt {
            return false;
        }
        let statement = &*node.cast::<pg_sys::AlterTableStmt>();
        let commands = || pointers::<pg_sys::AlterTableCmd>(statement.cmds);
        statement.objtype == ObjectType::OBJECT_TABLE
            && (!followed || commands().into_iter().any(|command| is_followed((*command).subtype)))
    }
}

/// Returns whether this ALTER TYPE of an enum is ALTER TYPE … RENAME VALUE.
unsafe fn renames_value(node: *mut pg_sys::Node) -> bool {
    // SAFETY: by the caller: such a statement.
    unsafe { !(*node.cast::<pg_sys::AlterEnumStmt>()).oldVal.is_null() }
}

/// Returns whether this is ALTER TABLE … RENAME COLUMN, which may call the table a view or a foreign table.
fn is_column(statement: &pg_sys::RenameStmt) -> bool {
    statement.renameType == ObjectType::OBJECT_COLUMN
}

unsafe fn column(statement: &pg_sys::RenameStmt, column: ObjectAddress) -> Option<StatementChange> {
    if !is_column(statement) {
        return None;
    }
    // SAFETY: by the caller: C strings.
    unsafe {
        let from = text(statement.subname)?;
        let to = text(statement.newname)?;
        Some(StatementChange::Column { relation: column.objectId, from, to })
    }
}

fn renamed(kind: ObjectType::Type, object: ObjectAddress) -> Option<StatementChange> {
    match kind {
        ObjectType::OBJECT_SCHEMA => Some(StatementChange::Schema(object)),
        _ if has_name_of_ours(kind) => Some(StatementChange::Renamed),
        _ => is_type(kind).then_some(StatementChange::Type { object, values: false }),
    }
}

fn has_name_of_ours(kind: ObjectType::Type) -> bool {
    // ALTER INDEX renames whatever relation it names.
    matches!(
        kind,
        ObjectType::OBJECT_SCHEMA
            | ObjectType::OBJECT_TABLE
            | ObjectType::OBJECT_VIEW
            | ObjectType::OBJECT_INDEX
    )
}

/// Reads a GRANT or REVOKE that was executed; returns `None` for one that gives or takes no right to read a table.
unsafe fn granted(grant: &pg_sys::InternalGrant) -> Option<StatementChange> {
    if grant.objtype != ObjectType::OBJECT_TABLE {
        return Some(StatementChange::Granted);
    }
    if !grant.all_privs && grant.privileges & pg_sys::AclMode::from(pg_sys::ACL_SELECT) == 0 {
        return None;
    }
    // SAFETY: by the caller: lists of OIDs.
    let (tables, grantees) = unsafe { (oids(grant.objects), oids(grant.grantees)) };
    Some(StatementChange::GrantedTables(TableGrant { tables, grantees: grant.is_grant.then_some(grantees) }))
}

/// Returns whether this is GRANT or REVOKE on tables, on functions whose names are those of rights, or on all functions of a
/// schema. The only reaction to functions is to wake the worker, so it does not matter which functions they are.
unsafe fn is_grant(statement: &pg_sys::GrantStmt) -> bool {
    if statement.objtype == ObjectType::OBJECT_TABLE {
        return true;
    }
    let is_of_functions = matches!(
        statement.objtype,
        ObjectType::OBJECT_FUNCTION | ObjectType::OBJECT_ROUTINE | ObjectType::OBJECT_PROCEDURE
    );
    if !is_of_functions || statement.targtype != pg_sys::GrantTargetType::ACL_TARGET_OBJECT {
        return is_of_functions && statement.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA;
    }

    // SAFETY: by the caller: a list of ObjectWithArgs, whose name is a list of strings.
    unsafe {
        pointers::<pg_sys::ObjectWithArgs>(statement.objects).into_iter().any(|object| {
            let parts = pointers::<pg_sys::String>((*object).objname);
            let name = parts.last().and_then(|part| text((**part).sval));
            name.is_some_and(|name| Right::ALL.iter().any(|right| right.function() == name))
        })
    }
}

/// Returns whether objects of this kind are types or parts of their definitions, or may contain them.
fn is_type(kind: ObjectType::Type) -> bool {
    matches!(
        kind,
        ObjectType::OBJECT_TYPE
            | ObjectType::OBJECT_DOMAIN
            | ObjectType::OBJECT_COLLATION
            | ObjectType::OBJECT_EXTENSION
    )
}
