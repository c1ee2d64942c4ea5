//! The objects that a statement of ours names, once Postgres has looked the names up.
//!
//! Whoever owns a schema can rename it, and have other objects of the same names. So what a name means is
//! compared with what may be meant, before anything runs:
//!
//! * A relation is one of the tables that are held.
//! * An operator is one of Postgres's, or the equality of an operator family, which only a superuser can make.
//! * A function is one of Postgres's, is written in C, or is a cast of a type of a column. An aggregate is one of
//!   Postgres's: those that anybody makes are of the language of Postgres's own, too.
//! * A type to which values are converted, which evaluates the constraints of a domain, is one of Postgres's, or
//!   that of a column of a table that is held. The type of vectors is no domain: values are converted to it by a
//!   function in C, if at all.

use std::ffi::c_void;

use pgrx::pg_sys::NodeTag;
use pgrx::{pg_guard, pg_sys};

/// The languages of functions that only superusers can create (`catalog/pg_language.dat`): internal and C.
const FOR_SUPERUSERS: [u32; 2] = [12, 13];

/// An object that a statement names and may not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// A relation.
    Relation(pg_sys::Oid),
    /// A function, or that of an operator.
    Function(pg_sys::Oid),
    /// A type.
    Type(pg_sys::Oid),
}

/// Returns an object that a statement names although it may only name these tables; `None` if there is none.
///
/// # Safety
///
/// The statement has been parsed and analyzed, and its rules have not been applied. The tables are locked.
pub unsafe fn other_than(query: *mut pg_sys::Query, tables: &[pg_sys::Oid]) -> Option<Other> {
    // SAFETY: by the caller.
    let relations = unsafe { relations_of(query) };
    if let Some(other) = relations.into_iter().find(|relation| !may_be_named(*relation, tables)) {
        return Some(Other::Relation(other));
    }

    let mut search = Search { tables, types: None, found: None };
    // SAFETY: by the caller; the context outlives the walk.
    unsafe { walk(query.cast(), (&raw mut search).cast()) };
    search.found
}

/// Returns whether a relation is one of these tables, or of Postgres's own.
pub fn may_be_named(relation: pg_sys::Oid, tables: &[pg_sys::Oid]) -> bool {
    is_of_postgres(relation) || tables.contains(&relation)
}

fn is_of_postgres(object: pg_sys::Oid) -> bool {
    object.to_u32() < pg_sys::FirstNormalObjectId
}

/// Returns the relations that a statement names.
unsafe fn relations_of(query: *mut pg_sys::Query) -> Vec<pg_sys::Oid> {
    let mut relations = std::ptr::null_mut();
    let mut others = std::ptr::null_mut();
    let mut has_row_security = false;
    // SAFETY: by the caller; a list of OIDs, in the memory of the statement.
    unsafe {
        pg_sys::extract_query_dependencies(query.cast(), &mut relations, &mut others, &mut has_row_security);
        oids(relations)
    }
}

/// Returns the elements of a list.
///
/// # Safety
///
/// The list is null or a list of OIDs.
pub unsafe fn oids(list: *const pg_sys::List) -> Vec<pg_sys::Oid> {
    // SAFETY: by the caller.
    unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        (0..list.length as usize).map(|index| (*list.elements.add(index)).oid_value).collect()
    }
}

/// A search for an object that may not be named.
struct Search<'a> {
    tables: &'a [pg_sys::Oid],
    /// The types of the tables' columns, read when they are first needed.
    types: Option<Vec<pg_sys::Oid>>,
    found: Option<Other>,
}

/// Looks at a node and at those below it. Returns whether the search is over.
#[pg_guard]
unsafe extern "C-unwind" fn walk(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: called by `other_than`, or by Postgres for a node of the same statement, with the same context.
    unsafe {
        let search = &mut *context.cast::<Search<'_>>();
        search.found = search.look(node);
        if search.found.is_some() {
            return true;
        }
        match (*node).type_ {
            NodeTag::T_Query => pg_sys::query_tree_walker(node.cast(), Some(walk), context, 0),
            _ => pg_sys::expression_tree_walker(node, Some(walk), context),
        }
    }
}

impl Search<'_> {
    /// Returns what this node names and may not name.
    unsafe fn look(&mut self, node: *mut pg_sys::Node) -> Option<Other> {
        // SAFETY: each node has the type that its tag tells.
        unsafe {
            match (*node).type_ {
                NodeTag::T_OpExpr | NodeTag::T_DistinctExpr | NodeTag::T_NullIfExpr => {
                    other_operator((*node.cast::<pg_sys::OpExpr>()).opno)
                }
                NodeTag::T_ScalarArrayOpExpr => {
                    other_operator((*node.cast::<pg_sys::ScalarArrayOpExpr>()).opno)
                }
                NodeTag::T_RowCompareExpr => {
                    let operators = oids((*node.cast::<pg_sys::RowCompareExpr>()).opnos);
                    operators.into_iter().find_map(other_operator)
                }
                NodeTag::T_FuncExpr => self.other_function(node.cast()),
                NodeTag::T_Aggref => other_aggregate((*node.cast::<pg_sys::Aggref>()).aggfnoid),
                NodeTag::T_WindowFunc => other_aggregate((*node.cast::<pg_sys::WindowFunc>()).winfnoid),
                NodeTag::T_CoerceToDomain => {
                    self.other_type((*node.cast::<pg_sys::CoerceToDomain>()).resulttype)
                }
                NodeTag::T_CoerceViaIO => self.other_type((*node.cast::<pg_sys::CoerceViaIO>()).resulttype),
                _ => None,
            }
        }
    }

    /// Returns the function of a call or a cast if it may not be named. The casts of the columns' own types belong to
    /// them.
    unsafe fn other_function(&mut self, call: *const pg_sys::FuncExpr) -> Option<Other> {
        // SAFETY: by the caller; a cast has an argument.
        unsafe {
            let other = other_function((*call).funcid)?;
            let is_cast = matches!(
                (*call).funcformat,
                pg_sys::CoercionForm::COERCE_EXPLICIT_CAST | pg_sys::CoercionForm::COERCE_IMPLICIT_CAST
            );
            if is_cast && !(*call).args.is_null() {
                let from = pg_sys::exprType((*(*(*call).args).elements).ptr_value.cast());
                let to = (*call).funcresulttype;
                if is_cast_of(from, to, (*call).funcid)
                    && (self.is_of_columns(from) || self.is_of_columns(to))
                {
                    return None;
                }
            }
            Some(other)
        }
    }

    fn other_type(&mut self, named: pg_sys::Oid) -> Option<Other> {
        let may_be = is_of_postgres(named) || self.is_of_columns(named);
        (!may_be).then_some(Other::Type(named))
    }

    /// Returns whether a type is that of a column of the tables, or what such a type is made of.
    fn is_of_columns(&mut self, named: pg_sys::Oid) -> bool {
        let tables = self.tables;
        self.types.get_or_insert_with(|| types_of_columns(tables)).contains(&named)
    }
}

/// Returns an operator's function if the operator may not be named. Only superusers make an operator the equality
/// of an operator family.
fn other_operator(operator: pg_sys::Oid) -> Option<Other> {
    if is_of_postgres(operator) {
        return None;
    }
    // SAFETY: looks up the catalogs; a list of OIDs.
    unsafe {
        let families = pg_sys::get_mergejoin_opfamilies(operator);
        families.is_null().then(|| Other::Function(pg_sys::get_opcode(operator)))
    }
}

/// Returns an aggregate or a window function if it may not be named, because it is not one of Postgres's.
fn other_aggregate(function: pg_sys::Oid) -> Option<Other> {
    (!is_of_postgres(function)).then_some(Other::Function(function))
}

/// Returns a function if it may not be named: it is neither Postgres's nor written in a language that is for
/// superusers alone, such as an extension's functions in C.
fn other_function(function: pg_sys::Oid) -> Option<Other> {
    if is_of_postgres(function) {
        return None;
    }
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released again.
    let language = unsafe {
        let found =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::PROCOID as _, pg_sys::Datum::from(function));
        if found.is_null() {
            return Some(Other::Function(function));
        }
        let language = (*pg_sys::GETSTRUCT(found).cast::<pg_sys::FormData_pg_proc>()).prolang;
        pg_sys::ReleaseSysCache(found);
        language.to_u32()
    };
    (!FOR_SUPERUSERS.contains(&language)).then_some(Other::Function(function))
}

/// The beginning of a row of pg_cast (`catalog/pg_cast.h`), which the bindings lack.
#[repr(C)]
struct Cast {
    oid: pg_sys::Oid,
    source: pg_sys::Oid,
    target: pg_sys::Oid,
    function: pg_sys::Oid,
}

/// Returns whether this function casts one type to another.
fn is_cast_of(from: pg_sys::Oid, to: pg_sys::Oid, function: pg_sys::Oid) -> bool {
    // SAFETY: looks up the catalogs on the main thread, in a transaction; the entry is released again.
    unsafe {
        let found = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::CASTSOURCETARGET as _,
            pg_sys::Datum::from(from),
            pg_sys::Datum::from(to),
        );
        if found.is_null() {
            return false;
        }
        let casts = (*pg_sys::GETSTRUCT(found).cast::<Cast>()).function;
        pg_sys::ReleaseSysCache(found);
        casts == function
    }
}

/// Returns the types of the tables' columns, with those below domains and those of arrays' elements.
fn types_of_columns(tables: &[pg_sys::Oid]) -> Vec<pg_sys::Oid> {
    let mut types = Vec::new();
    for table in tables {
        // SAFETY: the table is locked; its entry is closed again, and what is kept of it is copied.
        unsafe {
            let relation = pg_sys::RelationIdGetRelation(*table);
            if relation.is_null() {
                continue;
            }
            let columns = pgrx::PgTupleDesc::from_pg_copy((*relation).rd_att);
            let there = columns.iter().filter(|column| !column.attisdropped);
            types.extend(there.map(|column| column.atttypid));
            pg_sys::RelationClose(relation);
        }
    }

    let mut next = 0;
    while let Some(named) = types.get(next).copied() {
        next += 1;
        // SAFETY: looks up the catalogs.
        let below = unsafe { [pg_sys::getBaseType(named), pg_sys::get_element_type(named)] };
        for other in below {
            if other != pg_sys::InvalidOid && !types.contains(&other) {
                types.push(other);
            }
        }
    }
    types
}
