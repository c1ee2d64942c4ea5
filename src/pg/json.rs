//! `jsonb` from users.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, JsonB, PgLogLevel, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use super::error::PgError;

/// An argument of type `jsonb`. The type that pgrx provides panics if the value is nested more deeply than
/// serde_json reads, which is 127 levels.
pub struct Json(pub Value);

impl FromDatum for Json {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }

        // SAFETY: by the caller, a datum of type jsonb; its text is copied at once.
        let text = unsafe {
            let jsonb = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
            let text: Option<&std::ffi::CStr> =
                pgrx::direct_function_call(pg_sys::jsonb_out, &[Some(jsonb.into())]);
            text?.to_string_lossy()
        };
        match serde_json::from_str(&text) {
            Ok(value) if is_deeper(&value, MOST_LEVELS) => refuse("recursion limit exceeded"),
            Ok(value) => Some(Json(value)),
            Err(error) => refuse(&error.to_string()),
        }
    }
}

/// Maximum nesting of a value. It is less than serde_json reads because the value is stored inside others.
const MOST_LEVELS: usize = 120;

fn is_deeper(value: &Value, levels: usize) -> bool {
    let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(values) => Box::new(values.values()),
        _ => return false,
    };
    levels == 0 || inner.any(|value| is_deeper(value, levels - 1))
}

fn refuse(why: &str) -> ! {
    let error = PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "could not read the JSON")
        .with_detail(why)
        .with_hint("At most 120 levels of nesting are supported.");
    pg_sys::panic::ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an error report does not return")
}

// SAFETY: reads the datum as its FromDatum does, as pgrx's own types do.
unsafe impl<'fcx> ArgAbi<'fcx> for Json {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: by the caller. All of ours are nullable: this one is not called.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Json(Value::Null))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: by the caller.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: it is what SQL calls jsonb.
unsafe impl SqlTranslatable for Json {
    const TYPE_IDENT: &'static str = JsonB::TYPE_IDENT;
    const TYPE_ORIGIN: TypeOrigin = JsonB::TYPE_ORIGIN;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = JsonB::ARGUMENT_SQL;
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = JsonB::RETURN_SQL;
}
