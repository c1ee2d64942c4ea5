//! `jsonb` from users.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::nullable::Nullable;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{FromDatum, JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use super::error::PgError;

/// The largest number of bytes of a config, as text, and of any other value that a user passes as `jsonb`. Read, it
/// takes up to a hundred times as much.
pub const MAX_BYTES: usize = 256 << 10;

/// The largest number of bytes of a config that is read from the catalog, as text. Postgres writes more spaces and
/// digits than were counted when it was declared.
pub const MAX_STORED_BYTES: usize = 4 * MAX_BYTES;

/// The reason why a config can't be read that is larger.
pub const TOO_LARGE: &str = "it is too large";

/// Bytes of a `jsonb` itself beyond which its text is not made: a number takes more there than it does as text.
const MAX_BINARY_BYTES: usize = 8 * MAX_BYTES;

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
            // A copy of it would be made, if it is compressed.
            if pg_sys::toast_raw_datum_size(datum) > MAX_BINARY_BYTES {
                too_large("JSON too large").throw();
            }
            let jsonb = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
            let text: Option<&std::ffi::CStr> =
                pgrx::direct_function_call(pg_sys::jsonb_out, &[Some(jsonb.into())]);
            text?.to_string_lossy()
        };
        if text.len() > MAX_BYTES {
            too_large("JSON too large").throw();
        }
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
    error.throw()
}

fn too_large(message: impl Into<String>) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, message)
        .with_detail(format!("The maximum is {} KB as text.", MAX_BYTES >> 10))
        .with_hint("Shorten the texts in it, or specify fewer options.")
}

/// Errors if the config of a vectorizer or an S3 source, which `kind` says, is larger than any may be.
pub fn require_bounded(kind: &str, config: &Value) -> Result<(), PgError> {
    if config.to_string().len() <= MAX_BYTES {
        return Ok(());
    }
    Err(too_large(format!("{kind} config too large")))
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

/// Returns the SQL of a config's text, which is NULL if it is larger than any that was declared here: it may come
/// from another version, or from a dump.
pub fn bounded(config: &str) -> String {
    format!(
        "(SELECT CASE WHEN pg_catalog.octet_length(c.whole) OPERATOR(pg_catalog.<=) {MAX_STORED_BYTES} THEN c.whole END
          FROM (SELECT {config}::pg_catalog.text AS whole OFFSET 0) c)"
    )
}
