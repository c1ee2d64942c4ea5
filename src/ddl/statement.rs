//! What a statement did, read from its parse tree.

use std::ffi::CStr;

use pgrx::pg_sys::{self, AlterTableType, NodeTag, ObjectType};

use super::altered::{pointers, Altered};
use crate::catalog::rights::Right;

/// A change of a definition that may concern a vectorizer.
#[derive(Debug)]
pub enum Change {
    /// A table became a partition or inherits, or no longer does.
    Partition {
        /// Of these tables.
        parents: Vec<pg_sys::Oid>,
        /// The table.
        partition: pg_sys::Oid,
    },
    /// A table was altered.
    Altered(Altered),
    /// A type may have another name now, or be in another schema.
    Type {
        /// Whether its values have.
        values: bool,
    },
    /// A schema, a table or a view has another name now, or is in another schema.
    Renamed {
        /// Whether it was a schema.
        schema: bool,
    },
    /// A column of this table has.
    Column {
        /// The table.
        relation: pg_sys::Oid,
        /// Its old name.
        from: String,
        /// Its new one.
        to: String,
    },
    /// A right to one of the extension's functions was granted or taken back, or to one of the same name.
    Granted,
}

impl Change {
    /// None of a statement that concerns no vectorizer whatever it names.
    ///
    /// # Safety
    /// The node is a live parse tree of a utility statement.
    pub unsafe fn of(node: *mut pg_sys::Node) -> Option<Change> {
        // SAFETY: by the caller; a node's tag tells its type.
        unsafe {
            match (*node).type_ {
                NodeTag::T_AlterTableStmt => altered(&*node.cast::<pg_sys::AlterTableStmt>()),
                NodeTag::T_CreateStmt => created(&*node.cast::<pg_sys::CreateStmt>()),
                NodeTag::T_RenameStmt => {
                    let statement = &*node.cast::<pg_sys::RenameStmt>();
                    column(statement)
                        .or_else(|| renamed(statement.renameType))
                        .or_else(|| of_type(statement.renameType))
                }
                NodeTag::T_AlterObjectSchemaStmt => {
                    let kind = (*node.cast::<pg_sys::AlterObjectSchemaStmt>()).objectType;
                    renamed(kind).or_else(|| of_type(kind))
                }
                NodeTag::T_AlterEnumStmt => {
                    let renamed = !(*node.cast::<pg_sys::AlterEnumStmt>()).oldVal.is_null();
                    renamed.then_some(Change::Type { values: true })
                }
                NodeTag::T_GrantStmt => {
                    granted(&*node.cast::<pg_sys::GrantStmt>()).then_some(Change::Granted)
                }
                _ => None,
            }
        }
    }
}

/// GRANT and REVOKE on functions by names that rights have, or on all functions of a schema.
unsafe fn granted(statement: &pg_sys::GrantStmt) -> bool {
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

/// What goes by the name of a type: types, and what they may lie in the schema of.
fn of_type(kind: ObjectType::Type) -> Option<Change> {
    matches!(
        kind,
        ObjectType::OBJECT_TYPE
            | ObjectType::OBJECT_DOMAIN
            | ObjectType::OBJECT_COLLATION
            | ObjectType::OBJECT_EXTENSION
    )
    .then_some(Change::Type { values: false })
}

/// ALTER TABLE; ATTACH and DETACH PARTITION are statements with no other command beside.
unsafe fn altered(statement: &pg_sys::AlterTableStmt) -> Option<Change> {
    // SAFETY: by the caller: a list of AlterTableCmd, whose type tells its definition's.
    unsafe {
        let command = first::<pg_sys::AlterTableCmd>(statement.cmds)?;
        if !matches!(
            (*command).subtype,
            AlterTableType::AT_AttachPartition
                | AlterTableType::AT_DetachPartition
                | AlterTableType::AT_DetachPartitionFinalize
        ) {
            let table = statement.objtype == ObjectType::OBJECT_TABLE;
            let relation = if table { oid(statement.relation) } else { None };
            return relation.map(|relation| Change::Altered(Altered::of(relation, statement)));
        }
        let definition = (*command).def.cast::<pg_sys::PartitionCmd>();
        Some(Change::Partition {
            parents: vec![oid(statement.relation)?],
            partition: oid((*definition).name)?,
        })
    }
}

/// CREATE TABLE … PARTITION OF, and … INHERITS.
unsafe fn created(statement: &pg_sys::CreateStmt) -> Option<Change> {
    // SAFETY: by the caller: a list of RangeVar.
    unsafe {
        let parents: Vec<_> = pointers::<pg_sys::RangeVar>(statement.inhRelations)
            .into_iter()
            .filter_map(|name| oid(name))
            .collect();
        if parents.is_empty() {
            return None;
        }
        Some(Change::Partition { parents, partition: oid(statement.relation)? })
    }
}

/// ALTER TABLE … RENAME COLUMN.
unsafe fn column(statement: &pg_sys::RenameStmt) -> Option<Change> {
    if (statement.renameType, statement.relationType) != (ObjectType::OBJECT_COLUMN, ObjectType::OBJECT_TABLE)
    {
        return None;
    }
    // SAFETY: by the caller: C strings.
    unsafe {
        let (from, to) = (text(statement.subname)?, text(statement.newname)?);
        Some(Change::Column { relation: oid(statement.relation)?, from, to })
    }
}

fn renamed(kind: ObjectType::Type) -> Option<Change> {
    let has_a_name_of_ours =
        matches!(kind, ObjectType::OBJECT_SCHEMA | ObjectType::OBJECT_TABLE | ObjectType::OBJECT_VIEW);
    has_a_name_of_ours.then_some(Change::Renamed { schema: kind == ObjectType::OBJECT_SCHEMA })
}

/// The relation that a statement's name means, which the statement has locked.
pub(super) unsafe fn oid(name: *mut pg_sys::RangeVar) -> Option<pg_sys::Oid> {
    if name.is_null() {
        return None;
    }
    // SAFETY: by the caller; does not raise where there is none.
    let found = unsafe {
        pg_sys::RangeVarGetRelidExtended(
            name,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// The first of a list of pointers.
unsafe fn first<T>(list: *mut pg_sys::List) -> Option<*mut T> {
    if list.is_null() {
        return None;
    }
    // SAFETY: by the caller; a list that is not null is not empty.
    Some(unsafe { (*(*list).elements).ptr_value.cast() })
}

unsafe fn text(string: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: by the caller: null or a C string.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}
