//! The rows of the source: their documents, and locks on them.

use crate::definition::{Definition, Field, Target};
use crate::quote::ident;

/// Reads the source rows of keys: `ord`, the payload as text or bytes, its size in bytes, the template's
/// columns. Then `$n`: the size beyond which a payload is not read.
pub fn read(v: &Definition) -> String {
    let loaded = column(&v.loaded);
    let size = stored_size(&v.loaded);
    let limit = v.key.len() + 1;
    let payload = match (v.by_address, v.loaded.type_name.as_str()) {
        (false, "bytea") => format!("NULL::text, CASE WHEN {size} <= ${limit} THEN {loaded}::bytea END"),
        _ => format!("CASE WHEN {size} <= ${limit} THEN {loaded}::text END, NULL::bytea"),
    };
    let mut columns = vec!["k.ord".to_owned(), payload, size];
    columns.extend(v.fields.iter().map(as_python));

    format!(
        "SELECT {columns} FROM {given} k JOIN {source} s ON {same}",
        columns = columns.join(", "),
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
    )
}

/// Locks the source rows of keys, skipping those that others have locked. Returns `ord`.
///
/// The strength is that of what is written under the lock: a column's row is updated, a store's row must only
/// stay.
pub fn lock(v: &Definition) -> String {
    format!(
        "SELECT k.ord FROM {given} k JOIN {source} s ON {same} ORDER BY {order} FOR {strength} OF s SKIP LOCKED",
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
        order = v.key.names(Some("s")),
        strength = match v.target {
            Target::Store(_) => "KEY SHARE",
            Target::Column(_) => "NO KEY UPDATE",
        },
    )
}

/// Returns `ord` of the keys whose source rows exist.
pub fn present(v: &Definition) -> String {
    format!(
        "SELECT k.ord FROM {given} k JOIN {source} s ON {same}",
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
    )
}

/// Returns an expression for the size in bytes of the document of a row `s`, which does not read it. A payload
/// beyond the limit counts as zero, because it will not be read.
pub fn document_size(v: &Definition, limit: &str) -> String {
    let payload = stored_size(&v.loaded);
    let mut sizes = vec![format!("CASE WHEN {payload} <= {limit} THEN {payload} ELSE 0 END")];
    sizes.extend(v.fields.iter().map(|field| format!("coalesce({}, 0)", stored_size(field))));
    sizes.join(" + ")
}

/// Returns a column of a row `s`.
fn column(field: &Field) -> String {
    format!("s.{}", ident(&field.name))
}

/// Returns an expression for a value's size in bytes, which Postgres knows without reading what is out of
/// line or compressed. For other types than strings and `bytea` it is the stored size.
fn stored_size(field: &Field) -> String {
    let value = column(field);
    match field.type_name.as_str() {
        "text" | "varchar" | "bpchar" | "bytea" => format!("octet_length({value})::int8"),
        _ => format!("pg_column_size({value})::int8"),
    }
}

/// Returns an expression for a value in the format of Python's `str()` on what psycopg makes of it, which
/// pgai's templates use.
///
/// Containers (`json`, arrays, composites) keep the format of Postgres.
fn as_python(field: &Field) -> String {
    let value = column(field);
    let text = match field.type_name.as_str() {
        "bool" => format!("CASE {value} WHEN true THEN 'True' WHEN false THEN 'False' END"),
        "float4" | "float8" => {
            format!(
                "CASE WHEN {value}::text ~ '^-?[0-9]+$' THEN {value}::text || '.0'
                 ELSE replace(lower({value}::text), 'infinity', 'inf') END"
            )
        }
        "timestamptz" => format!(
            "CASE WHEN isfinite({value}) THEN regexp_replace({value}::text, '([+-][0-9]{{2}})$', '\\1:00')
             ELSE {value}::text END"
        ),
        // The cast to text writes the /32 of a single address as well.
        "inet" => format!("abbrev({value})"),
        _ => format!("{value}::text"),
    };
    format!("coalesce({text}, 'None')")
}
