//! The casts by which ALTER TABLE changed the type of a column.

use std::ffi::CStr;

use pgrx::pg_sys::{self, CoercionForm, NodeTag};

use super::node::pointers;

/// Returns the types through which the values of a column were cast, in order, qualified. The list is empty
/// if there is no USING, else it contains the casts that USING applies to the column. Returns `None` if USING
/// does anything else.
///
/// Names need not be resolved: Postgres has left the analyzed expression in the definition.
///
/// # Safety
///
/// The definition is that of an ALTER COLUMN TYPE that Postgres has executed.
pub unsafe fn of(column: i32, definition: &pg_sys::ColumnDef) -> Option<Vec<String>> {
    let mut types = Vec::new();
    let mut node = definition.cooked_default;
    if definition.raw_default.is_null() {
        return Some(types);
    }

    // SAFETY: by the caller: an expression, whose nodes' tags tell their types.
    unsafe {
        while !node.is_null() {
            if (*node).type_ == NodeTag::T_Var {
                types.reverse();
                let number = i32::from((*node.cast::<pg_sys::Var>()).varattno);
                return (number == column).then_some(types);
            }
            types.push(type_name(node));
            node = cast(node)?;
        }
    }
    None
}

/// Returns the operand of a cast; `None` if the expression is not a cast.
unsafe fn cast(node: *mut pg_sys::Node) -> Option<*mut pg_sys::Node> {
    // SAFETY: by the caller: a node's tag tells its type.
    let argument: *mut pg_sys::Expr = unsafe {
        match (*node).type_ {
            NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg,
            NodeTag::T_CoerceViaIO => (*node.cast::<pg_sys::CoerceViaIO>()).arg,
            NodeTag::T_ArrayCoerceExpr => (*node.cast::<pg_sys::ArrayCoerceExpr>()).arg,
            NodeTag::T_ConvertRowtypeExpr => (*node.cast::<pg_sys::ConvertRowtypeExpr>()).arg,
            NodeTag::T_CoerceToDomain => (*node.cast::<pg_sys::CoerceToDomain>()).arg,
            NodeTag::T_FuncExpr => {
                let function = &*node.cast::<pg_sys::FuncExpr>();
                let casts = [CoercionForm::COERCE_EXPLICIT_CAST, CoercionForm::COERCE_IMPLICIT_CAST];
                if !casts.contains(&function.funcformat) {
                    return None;
                }
                *pointers::<pg_sys::Expr>(function.args).first()?
            }
            _ => return None,
        }
    };
    Some(argument.cast())
}

/// Returns the type of an expression, qualified regardless of the search path.
unsafe fn type_name(node: *mut pg_sys::Node) -> String {
    let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
    // SAFETY: by the caller: an expression; the text is a C string.
    unsafe {
        let kind = pg_sys::exprType(node);
        let modifier = pg_sys::exprTypmod(node);
        let text = pg_sys::format_type_extended(kind, modifier, flags as u16);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}
