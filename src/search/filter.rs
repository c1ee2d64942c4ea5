//! A condition of the caller's over the rows of a source, as part of a statement.
//!
//! The condition is the caller's own SQL and is run as the caller, so it may say whatever the caller may run. But it
//! must be one condition: Postgres's own parser reads it alone, as it would read an expression of PL/pgSQL, and whatever
//! is more than one expression is refused. So it can't end the parentheses into which it is put.
//!
//! Values come in beside it, and stand where it says `$1`, `$2` and so on: as literals without a type, which Postgres
//! gives them as it does to the parameters of a statement. Where they stand is told by the parser, too.

use std::ffi::{CString, c_void};
use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::NodeTag;
use pgrx::{PgSqlErrorCode, PgTryBuilder, pg_guard, pg_sys};

use pgai_rs_queue::quote::literal;

use crate::pg::error::PgError;
use crate::pg::settings::read_as_written;

/// A condition that can be put in parentheses; see the head of this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

/// The largest length in bytes of a condition with its values. A value stands in each place that names it.
const LONGEST: usize = 16 << 20;

/// The place of a parameter in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The byte at which its `$` stands.
    start: usize,
    number: usize,
}

impl Filter {
    /// Reads a condition, and puts the values where it names them.
    ///
    /// # Errors
    ///
    /// 42601 if it is not one expression, 42P02 if it names a value that is not there, 54000 if it is too long with its values.
    pub fn read(condition: &str, values: &[Option<String>]) -> Result<Filter, PgError> {
        if condition.len() > LONGEST {
            return Err(too_long());
        }
        let places = parse(condition)?;
        if places.is_empty() {
            return Ok(Filter(condition.to_owned()));
        }

        let filled = fill(condition, places, values)?;
        match parse(&filled)?.is_empty() {
            true => Ok(Filter(filled)),
            false => Err(PgError::internal("a value of a filter was read as a parameter")),
        }
    }

    /// Returns the condition in parentheses. A comment at its end does not swallow the last one.
    pub fn in_parentheses(&self) -> String {
        format!("({}\n)", self.0)
    }
}

/// Puts values in the places of parameters.
fn fill(condition: &str, mut places: Vec<Place>, values: &[Option<String>]) -> Result<String, PgError> {
    places.sort_by_key(|place| place.start);
    let mut filled = String::with_capacity(condition.len());
    let mut rest = 0;
    for Place { start, number } in places {
        let value = number.checked_sub(1).and_then(|index| values.get(index)).ok_or_else(|| {
            PgError::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_PARAMETER,
                format!("there is no value for ${number}"),
            )
            .with_detail(format!("The filter has {} values.", values.len()))
            .with_hint("Pass the values in their order, as in filter_args => ARRAY['news', '2026-01-01'].")
        })?;
        let before = condition.get(rest..start).ok_or_else(out_of_place)?;
        let parameter =
            condition.get(start..).and_then(|text| text.strip_prefix('$')).ok_or_else(out_of_place)?;
        let digits = parameter.bytes().take_while(u8::is_ascii_digit).count();

        let value =
            value.as_ref().map_or_else(|| "(NULL)".to_owned(), |value| format!("({})", literal(value)));
        if filled.len() + before.len() + value.len() > LONGEST {
            return Err(too_long());
        }
        filled.push_str(before);
        filled.push_str(&value);
        rest = start + 1 + digits;
    }

    let after = condition.get(rest..).ok_or_else(out_of_place)?;
    if filled.len() + after.len() > LONGEST {
        return Err(too_long());
    }
    filled.push_str(after);
    Ok(filled)
}

fn too_long() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the filter is too long with its values")
        .with_detail(format!(
            "It may have {} MB. A value counts as often as the filter names it.",
            LONGEST >> 20
        ))
        .with_hint("Have it name a table or a function that has the values.")
}

fn out_of_place() -> PgError {
    PgError::internal("a parameter is not where the parser saw it")
}

/// Reads a condition and returns its parameters. Errors if it is not exactly one expression.
fn parse(condition: &str) -> Result<Vec<Place>, PgError> {
    let text = CString::new(condition).map_err(|_| PgError::internal("unexpected zero byte in a filter"))?;
    let read = AssertUnwindSafe(|| -> Result<Vec<Place>, PgError> {
        // SAFETY: a C string that outlives the call; the parser touches nothing but memory.
        unsafe {
            let expression = read_as_written(|| expression(&text))?;
            Ok(if condition.contains('$') { parameters(expression) } else { Vec::new() })
        }
    });
    PgTryBuilder::new(read)
        .catch_others(|caught| Err(in_filter(PgError::from(caught))))
        .catch_rust_panic(|caught| Err(PgError::from(caught)))
        .execute()
}

/// Says of an error of the parser where what it tells of stands.
fn in_filter(error: PgError) -> PgError {
    match error.code {
        PgSqlErrorCode::ERRCODE_SYNTAX_ERROR => error.with_detail("It is in the filter."),
        _ => error,
    }
}

/// Returns the tree of a text that is one expression. Errors (42601) for any other.
///
/// # Safety
///
/// On the main thread, in a transaction.
unsafe fn expression(text: &CString) -> Result<*mut pg_sys::Node, PgError> {
    // SAFETY: the parser returns a list of statements, which of this mode are SELECTs.
    unsafe {
        let statements = pg_sys::raw_parser(text.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_PLPGSQL_EXPR);
        let statement = only(statements).cast::<pg_sys::RawStmt>();
        let select = statement.as_ref().map_or(std::ptr::null_mut(), |statement| statement.stmt);
        let select =
            select.cast::<pg_sys::SelectStmt>().as_ref().filter(|s| s.type_ == NodeTag::T_SelectStmt);

        let target = select.filter(|select| is_bare(select)).map(|select| only(select.targetList));
        let target = target.and_then(|target| target.cast::<pg_sys::ResTarget>().as_ref());
        match target {
            Some(target)
                if target.name.is_null() && target.indirection.is_null() && !target.val.is_null() =>
            {
                Ok(target.val)
            }
            _ => Err(not_one()),
        }
    }
}

/// Returns the element of a list of one pointer; null for any other list.
///
/// # Safety
///
/// Null, or a list of pointers.
unsafe fn only(list: *mut pg_sys::List) -> *mut c_void {
    // SAFETY: by the caller.
    unsafe {
        match list.as_ref() {
            Some(list) if list.length == 1 => (*list.elements).ptr_value,
            _ => std::ptr::null_mut(),
        }
    }
}

/// Returns whether a SELECT has nothing but what it selects.
fn is_bare(select: &pg_sys::SelectStmt) -> bool {
    let lists = [
        select.distinctClause,
        select.fromClause,
        select.groupClause,
        select.windowClause,
        select.valuesLists,
        select.sortClause,
        select.lockingClause,
    ];
    let nodes = [select.whereClause, select.havingClause, select.limitOffset, select.limitCount];
    lists.iter().all(|list| list.is_null())
        && nodes.iter().all(|node| node.is_null())
        && select.intoClause.is_null()
        && select.withClause.is_null()
        && select.op == pg_sys::SetOperation::SETOP_NONE
}

fn not_one() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_SYNTAX_ERROR, "a filter must be one condition")
        .with_hint("Write it as after WHERE, without WHERE, as in 'published > now() - interval ''1 year'''.")
}

/// Returns the parameters in a tree.
///
/// # Safety
///
/// A tree of the parser.
unsafe fn parameters(tree: *mut pg_sys::Node) -> Vec<Place> {
    let mut places = Vec::new();
    // SAFETY: by the caller; the list outlives the walk.
    unsafe { note(tree, (&raw mut places).cast()) };
    places
}

/// Notes the parameters in a tree; called by Postgres for each node.
#[pg_guard]
unsafe extern "C-unwind" fn note(node: *mut pg_sys::Node, places: *mut c_void) -> bool {
    // SAFETY: a node of the tree, or null; and the list of `parameters`.
    unsafe {
        let Some(found) = node.as_ref() else { return false };
        if found.type_ == NodeTag::T_ParamRef {
            let parameter = &*node.cast::<pg_sys::ParamRef>();
            let place = Place {
                start: usize::try_from(parameter.location).unwrap_or(usize::MAX),
                number: usize::try_from(parameter.number).unwrap_or(0),
            };
            (*places.cast::<Vec<Place>>()).push(place);
            return false;
        }
        pg_sys::raw_expression_tree_walker(node, Some(note), places)
    }
}
