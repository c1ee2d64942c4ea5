//! What ALTER TABLE did to the values of columns, to triggers, row security and inheritance, read from its parse tree.

use std::ffi::CStr;

use pgrx::pg_sys::{self, AlterTableType, NodeTag};

use super::statement::oid;

/// A table that was altered.
#[derive(Debug)]
pub struct Altered {
    /// The table.
    pub relation: pg_sys::Oid,
    /// Columns whose values may be others now.
    pub columns: Vec<Rewritten>,
    /// Tables that it inherits from now, or no longer does.
    pub parents: Vec<pg_sys::Oid>,
    /// How triggers were switched, if any were.
    pub switched: Option<Switched>,
    /// Whether it got row security.
    pub secured: bool,
}

/// A column whose values may be others now.
#[derive(Debug)]
pub struct Rewritten {
    /// Its name.
    pub name: String,
    /// The types through which its values were cast, one after the other, qualified; none if they were made
    /// in another way.
    pub casts: Option<Vec<String>>,
}

/// Triggers that were enabled or disabled.
#[derive(Debug)]
pub enum Switched {
    /// The one of this name was enabled, in the sessions that this letter of `pg_trigger.tgenabled` says.
    Enabled(String, char),
    /// Others were, or some were disabled.
    Otherwise,
}

impl Altered {
    /// Reads the commands of an ALTER TABLE of this table.
    ///
    /// # Safety
    /// The statement is a live parse tree, of which the names still mean what they meant to it.
    pub unsafe fn of(relation: pg_sys::Oid, statement: &pg_sys::AlterTableStmt) -> Altered {
        let mut altered =
            Altered { relation, columns: Vec::new(), parents: Vec::new(), switched: None, secured: false };
        // SAFETY: by the caller: a list of AlterTableCmd.
        for command in unsafe { pointers::<pg_sys::AlterTableCmd>(statement.cmds) } {
            // SAFETY: as above.
            unsafe { altered.add(&*command) };
        }
        altered
    }

    unsafe fn add(&mut self, command: &pg_sys::AlterTableCmd) {
        // SAFETY: by the caller: null or a C string.
        let name = || unsafe { text(command.name) };
        match command.subtype {
            AlterTableType::AT_AlterColumnType => {
                // SAFETY: by the caller: of this command, a ColumnDef.
                let casts = unsafe { casts(name().as_deref(), &*command.def.cast::<pg_sys::ColumnDef>()) };
                self.columns.extend(name().map(|name| Rewritten { name, casts }));
            }
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            AlterTableType::AT_SetExpression => {
                self.columns.extend(name().map(|name| Rewritten { name, casts: None }));
            }
            AlterTableType::AT_EnableRowSecurity => self.secured = true,
            // SAFETY: by the caller: of these commands, a RangeVar.
            AlterTableType::AT_AddInherit | AlterTableType::AT_DropInherit => unsafe {
                self.parents.extend(oid(command.def.cast()));
            },
            AlterTableType::AT_EnableTrig => self.enabled(name(), 'O'),
            AlterTableType::AT_EnableAlwaysTrig => self.enabled(name(), 'A'),
            AlterTableType::AT_EnableReplicaTrig => self.enabled(name(), 'R'),
            AlterTableType::AT_EnableTrigAll
            | AlterTableType::AT_EnableTrigUser
            | AlterTableType::AT_DisableTrig
            | AlterTableType::AT_DisableTrigAll
            | AlterTableType::AT_DisableTrigUser => self.switched = Some(Switched::Otherwise),
            _ => {}
        }
    }

    fn enabled(&mut self, name: Option<String>, state: char) {
        self.switched = name.map(|name| Switched::Enabled(name, state));
    }
}

/// The casts by which a column got a new type: that to the type, if there is no USING, or those that USING
/// makes of the column alone.
unsafe fn casts(column: Option<&str>, definition: &pg_sys::ColumnDef) -> Option<Vec<String>> {
    let mut types = Vec::new();
    let mut node = definition.raw_default;
    if node.is_null() {
        return Some(types);
    }
    // SAFETY: by the caller; a node's tag tells its type.
    unsafe {
        while (*node).type_ == NodeTag::T_TypeCast {
            let cast = &*node.cast::<pg_sys::TypeCast>();
            types.insert(0, type_name(cast.typeName));
            node = cast.arg;
        }
        if (*node).type_ != NodeTag::T_ColumnRef {
            return None;
        }
        let last = *pointers::<pg_sys::Node>((*node.cast::<pg_sys::ColumnRef>()).fields).last()?;
        let named = match (*last).type_ {
            NodeTag::T_String => text((*last.cast::<pg_sys::String>()).sval),
            _ => None,
        };
        (named.as_deref() == column).then_some(types)
    }
}

/// Qualified, whatever is in the search path.
unsafe fn type_name(name: *mut pg_sys::TypeName) -> String {
    let (mut kind, mut modifier) = (pg_sys::InvalidOid, -1);
    let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: by the caller; the statement has found the type.
    unsafe {
        pg_sys::typenameTypeIdAndMod(std::ptr::null_mut(), name, &mut kind, &mut modifier);
        let text = pg_sys::format_type_extended(kind, modifier, flags as u16);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// The pointers that a list holds.
pub(super) unsafe fn pointers<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: by the caller: a list of such pointers, which has as many elements as it says.
    unsafe {
        let length = usize::try_from((*list).length).unwrap_or_default();
        std::slice::from_raw_parts((*list).elements, length)
            .iter()
            .map(|cell| cell.ptr_value.cast())
            .collect()
    }
}

unsafe fn text(string: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: by the caller: null or a C string.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}
