//! The provenance of rows.

use crate::definition::Definition;
use crate::tables::Remembered;

/// Returns the provenance of keys: `ord`, etag, fingerprint.
pub fn read(v: &Definition) -> String {
    format!(
        "SELECT k.ord, o.{etag}, o.{fingerprint} FROM {given} k JOIN {origin} o ON {same}
         WHERE o.{etag} IS NOT NULL AND o.{fingerprint} IS NOT NULL",
        etag = v.own.name("etag"),
        fingerprint = v.own.name("fingerprint"),
        given = v.key.given(&[]),
        origin = v.tables.origin,
        same = v.key.same_given("o"),
    )
}

/// Stores the provenance of keys. Then `etag text`, `fingerprint bytea`, and for a column `digest bytea`.
pub fn remember(v: &Definition) -> String {
    let mut more = vec![("etag", "text"), ("fingerprint", "bytea")];
    if v.remembered == Remembered::Input {
        more.push(("digest", "bytea"));
    }
    let of_given = more.iter().map(|(name, _)| format!("k.{name}")).collect::<Vec<_>>().join(", ");
    let own = |alias: &str| {
        let names = more.iter().map(|(name, _)| format!("{alias}{}", v.own.name(name)));
        names.collect::<Vec<_>>().join(", ")
    };

    format!(
        "INSERT INTO {origin} AS o ({names}, {own})
         SELECT {given_names}, {of_given} FROM {given} k
         ON CONFLICT ({names}) DO UPDATE SET ({own}) = ROW({excluded})
         WHERE ({old}) IS DISTINCT FROM ({excluded})",
        origin = v.tables.origin,
        names = v.key.names(None),
        own = own(""),
        given_names = v.key.given_names(),
        given = v.key.given(&more),
        excluded = own("excluded."),
        old = own("o."),
    )
}

/// Deletes the provenance of keys.
pub fn forget(v: &Definition) -> String {
    format!(
        "DELETE FROM {origin} o USING {given} k WHERE {same}",
        origin = v.tables.origin,
        given = v.key.given(&[]),
        same = v.key.same_given("o"),
    )
}
