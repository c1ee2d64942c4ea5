//! The rows of the source: their documents, and locks on them.

use crate::definition::{Definition, Field, Sampled, Target};
use crate::quote::ident;

/// Reads the source rows of keys: `ord`, the payload as text or bytes, its size in bytes, the template's
/// columns. Then `$n`: the size beyond which a payload is not read.
pub fn read(v: &Definition) -> String {
    let mut columns = vec!["k.ord".to_owned()];
    columns.extend(document(&v.loaded, v.by_address, &v.fields, v.key.len() + 1));

    format!(
        "SELECT {columns} FROM {given} k JOIN {source} s ON {same}",
        columns = columns.join(", "),
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
    )
}

/// Returns the columns of a document of a row `s`: the payload as text or bytes, which is not read beyond the size of parameter
/// `limit`, its size in bytes, and the template's columns.
fn document(loaded: &Field, by_address: bool, fields: &[Field], limit: usize) -> Vec<String> {
    let value = column(loaded);
    let size = stored_size(loaded);
    let payload = |kind: &str| format!("CASE WHEN {size} <= ${limit} THEN {value}::{kind} END");
    let (text, bytes) = match (by_address, loaded.type_name.as_str()) {
        (false, "bytea") => ("NULL::text".to_owned(), payload("bytea")),
        _ => (payload("text"), "NULL::bytea".to_owned()),
    };
    [text, bytes, size].into_iter().chain(fields.iter().map(as_python)).collect()
}

/// Returns the number of a source's rows that have a document, the weight of all of them together, and the root of the sum of
/// the squares of their weights. With a `part` that is less than 1, of so large a part of the source's pages.
pub fn weigh(sampled: &Sampled<'_>, part: f64) -> String {
    format!(
        "SELECT count(*), coalesce(sum(f.weight), 0)::int8, coalesce(sqrt(sum(f.weight::float8 * f.weight::float8)), 0)::int8
         FROM (SELECT {weight} AS weight FROM {source} s{part} WHERE {loaded} IS NOT NULL) f",
        weight = weight(sampled),
        source = sampled.source,
        part = tablesample(part),
        loaded = column(sampled.loaded),
    )
}

/// Chooses rows of a source by chance, each with the probability `$1` for each byte of its weight, and at most `$3`: its weight,
/// and its document as [`read`] does, whose payload is not read beyond the size `$2`. Of the same `part` of the source's pages as
/// [`weigh`] looks at. The last column says whether the row was read: not after the first ones have `$4` bytes together.
pub fn sample(sampled: &Sampled<'_>, part: f64) -> String {
    let payload = stored_size(sampled.loaded);
    let mut sizes = vec![format!("CASE WHEN {payload} <= $2 THEN {} ELSE 0 END", read_size(sampled.loaded))];
    sizes.extend(sampled.fields.iter().map(|field| format!("coalesce({}, 0)", read_size(field))));
    let sizes = sizes.join(" + ");
    let is_read = format!("sum({sizes}) OVER (ROWS UNBOUNDED PRECEDING) <= $4");
    let mut columns = vec![weight(sampled)];
    let values = document(sampled.loaded, sampled.by_address, sampled.fields, 2);
    columns.extend(values.iter().map(|value| format!("CASE WHEN {is_read} THEN {value} END")));
    columns.push(is_read);
    format!(
        "SELECT {columns} FROM {source} s{part} WHERE {loaded} IS NOT NULL AND random() < $1 * {weight} LIMIT $3",
        columns = columns.join(", "),
        weight = weight(sampled),
        source = sampled.source,
        part = tablesample(part),
        loaded = column(sampled.loaded),
    )
}

/// Returns an expression for the weight of a row `s`: the size of its document where it is known, and some bytes for each row.
fn weight(sampled: &Sampled<'_>) -> String {
    let size = match (sampled.by_address, sampled.size) {
        (true, Some(size)) => format!("greatest({}::int8, 0)", column(size)),
        (true, None) => "0".to_owned(),
        (false, _) => stored_size(sampled.loaded),
    };
    format!("(coalesce({size}, 0) + {PER_ROW})")
}

/// The weight of a row beside its document, so that small ones are chosen as well.
pub const PER_ROW: u32 = 256;

/// The seed by which two statements look at the same pages.
const SEED: u32 = 1;

fn tablesample(part: f64) -> String {
    match part < 1.0 {
        true => format!(" TABLESAMPLE SYSTEM ({:.6}) REPEATABLE ({SEED})", part * 100.0),
        false => String::new(),
    }
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

/// Returns an expression for a value's size in bytes as it is read. A compressed value of another type than a string has up to
/// hundreds of times the bytes that are stored, and is read for their number.
fn read_size(field: &Field) -> String {
    let (value, stored) = (column(field), stored_size(field));
    match field.type_name.as_str() {
        "text" | "varchar" | "bpchar" | "bytea" => stored,
        _ => format!(
            "CASE WHEN pg_column_compression({value}) IS NULL THEN {stored} ELSE octet_length({value}::text)::int8 END"
        ),
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
