//! The rows of the source: their documents, and locks on them.

use std::collections::BTreeSet;

use crate::definition::{Definition, Field, Sampled, Target};
use crate::quote::ident;

/// Reads the source rows of keys: `ord`, the payload as text or bytes, its size in bytes, the template's
/// columns. Then `$n`: the size beyond which a payload is not read, the size of a row beyond which nothing of it is read, and
/// that of all rows together. The last two columns say whether the row was read, and have the size of the first row.
///
/// The rows are read in their order, up to the first with which there would be too many bytes: sizes in a claim are
/// estimates, for of what is compressed it is not known how large it is.
pub fn read(v: &Definition) -> String {
    let [document_limit, row_limit, limit] = [1, 2, 3].map(|n| format!("${}", v.key.len() + n));
    let is_first = "s.\"place of pgai_rs\" = 1";
    let is_read = format!("s.\"size of pgai_rs\" <= CASE WHEN {is_first} THEN {row_limit} ELSE {limit} END");
    let mut columns = vec!["s.\"ord of pgai_rs\"".to_owned()];
    let values = document(&v.loaded, v.by_address, &v.fields, &document_limit);
    columns.extend(values.iter().map(|value| format!("CASE WHEN {is_read} THEN {value} END")));
    columns.extend([is_read, format!("CASE WHEN {is_first} THEN s.\"size of pgai_rs\" END")]);

    // Sums are made once, and not for each column: a template may name more than a thousand.
    let named: BTreeSet<String> = [&v.loaded].into_iter().chain(&v.fields).map(column).collect();
    format!(
        "SELECT {columns}
         FROM (SELECT k.ord AS \"ord of pgai_rs\", {named},
                      (sum({size}) OVER so_far)::int8 AS \"size of pgai_rs\",
                      row_number() OVER so_far AS \"place of pgai_rs\"
               FROM {given} k JOIN {source} s ON {same}
               WINDOW so_far AS (ORDER BY k.ord ROWS UNBOUNDED PRECEDING)) s",
        columns = columns.join(", "),
        named = named.into_iter().collect::<Vec<_>>().join(", "),
        size = read_size(&v.loaded, &v.fields, &document_limit, &row_limit),
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
    )
}

/// Returns the columns of a document of a row `s`: the payload as text or bytes, which is not read beyond a size, its size in
/// bytes, and the template's columns.
fn document(loaded: &Field, by_address: bool, fields: &[Field], limit: &str) -> Vec<String> {
    let value = column(loaded);
    let size = stored_size(loaded);
    let payload = |kind: &str| format!("CASE WHEN {size} <= {limit} THEN {value}::{kind} END");
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
    let sizes = read_size(sampled.loaded, sampled.fields, "$2", "$4");
    let is_read = format!("sum({sizes}) OVER (ROWS UNBOUNDED PRECEDING) <= $4");
    let mut columns = vec![weight(sampled)];
    let values = document(sampled.loaded, sampled.by_address, sampled.fields, "$2");
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

/// Returns an expression for the size in bytes of the document of a row `s`, which does not read it: what is compressed counts
/// as the most that it may come to. A payload beyond the limit counts as zero, because it will not be read.
pub fn document_size(v: &Definition, limit: &str) -> String {
    let mut sizes =
        vec![format!("CASE WHEN {} <= {limit} THEN {} ELSE 0 END", stored_size(&v.loaded), most(&v.loaded))];
    sizes.extend(v.fields.iter().map(|field| format!("coalesce({}{}, 0)", most(field), written_out(field))));
    sizes.join(" + ")
}

/// Returns a column of a row `s`.
fn column(field: &Field) -> String {
    format!("s.{}", ident(&field.name))
}

/// Returns whether Postgres knows the size of a value without reading what is out of line or compressed.
fn is_sized(field: &Field) -> bool {
    matches!(field.type_name.as_str(), "text" | "varchar" | "bpchar" | "bytea")
}

/// Returns an expression for a value's size in bytes, which Postgres knows without reading what is out of
/// line or compressed. For other types than strings and `bytea` it is the stored size.
fn stored_size(field: &Field) -> String {
    let value = column(field);
    match is_sized(field) {
        true => format!("octet_length({value})::int8"),
        false => format!("pg_column_size({value})::int8"),
    }
}

/// The largest number of bytes that one is unpacked to: LZ4's format allows no more, and that of `pglz` a third.
const MOST_UNPACKED: u32 = 255;

/// Returns an expression for the most bytes that a value may come to once it is unpacked, which does not read it.
fn most(field: &Field) -> String {
    let (value, stored) = (column(field), stored_size(field));
    match is_sized(field) || is_small(field) {
        true => stored,
        false => format!(
            "{stored} * CASE WHEN pg_column_compression({value}) IS NULL THEN 1 ELSE {MOST_UNPACKED} END"
        ),
    }
}

/// Returns the factor by which a template's column may be longer as a text than its value: a byte takes up to four characters.
fn written_out(field: &Field) -> &'static str {
    if field.type_name == "bytea" { " * 4" } else { "" }
}

/// The largest number of bytes of a small value, written out.
const SMALL: u32 = 64;

/// Returns whether a value's type has none that are longer than [`SMALL`].
fn is_small(field: &Field) -> bool {
    let small = [
        "bool",
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "uuid",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "inet",
        "cidr",
    ];
    small.contains(&field.type_name.as_str())
}

/// Returns an expression for the size in bytes of what is read of a row `s`. A payload beyond the size `document` is not read.
/// For a row that is larger than `row` as it is stored, it is that size, and nothing of the row is unpacked.
fn read_size(loaded: &Field, fields: &[Field], document: &str, row: &str) -> String {
    let payload = stored_size(loaded);
    let sizes = |size: &dyn Fn(&Field) -> String| {
        let of_field = |field| format!("coalesce({}{}, 0)", size(field), written_out(field));
        let of_payload = format!("CASE WHEN {payload} <= {document} THEN {} ELSE 0 END", size(loaded));
        [of_payload].into_iter().chain(fields.iter().map(of_field)).collect::<Vec<_>>().join(" + ")
    };
    let stored = sizes(&|field| if is_small(field) { format!("{SMALL}") } else { stored_size(field) });
    let text = sizes(&text_size);
    if stored == text {
        return text;
    }
    format!("CASE WHEN {stored} > {row} THEN {stored} ELSE {text} END")
}

/// Returns an expression for a value's size in bytes as a text. What is no string is made one for the sake of the number: a
/// compressed value has up to hundreds of times the bytes that are stored, and a number's digits have thousands of times.
fn text_size(field: &Field) -> String {
    match (is_small(field), is_sized(field)) {
        (true, _) => format!("{SMALL}"),
        (_, true) => stored_size(field),
        _ => format!("octet_length({}::text)::int8", column(field)),
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
