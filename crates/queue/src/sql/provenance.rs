//! The provenance of rows.

use crate::definition::Definition;
use crate::tables::{TEXT, Texts};

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

/// Stores the provenance of keys. Then, as far as it is remembered, `etag text`, `fingerprint bytea`, `digest bytea`.
/// Texts that are not to be kept are removed; others stay as they are.
pub fn remember(v: &Definition) -> String {
    let given: Vec<&str> = v.remembered.provenance().iter().map(|(name, _)| *name).collect();
    let mut written = given.clone();
    if v.texts == Texts::Removed {
        written.extend(TEXT.map(|(name, _)| name));
    }

    format!(
        "INSERT INTO {origin} AS o ({names}{own})
         SELECT {given_names}{of_given} FROM {given} k
         ON CONFLICT ({names}) {update}",
        origin = v.tables.origin,
        names = v.key.names(None),
        own = given.iter().map(|name| format!(", {}", v.own.name(name))).collect::<String>(),
        given_names = v.key.given_names(),
        of_given = given.iter().map(|name| format!(", k.{name}")).collect::<String>(),
        given = v.key.given(v.remembered.provenance()),
        update = update(v, &written),
    )
}

/// Returns what becomes of a row that is there already, of which these columns are written.
fn update(v: &Definition, columns: &[&str]) -> String {
    if columns.is_empty() {
        return "DO NOTHING".to_owned();
    }
    let own = |alias: &str, columns: &mut dyn Iterator<Item = &&str>| {
        columns.map(|name| format!("{alias}{}", v.own.name(name))).collect::<Vec<_>>().join(", ")
    };
    // A text differs if what it was made of does.
    let compared = |alias: &str| {
        let is_compared =
            |name: &&&str| **name == "parsed_from" || !TEXT.iter().any(|(text, _)| text == *name);
        own(alias, &mut columns.iter().filter(is_compared))
    };
    format!(
        "DO UPDATE SET ({own}) = ROW({excluded})
         WHERE ({old}) IS DISTINCT FROM ({new})",
        own = own("", &mut columns.iter()),
        excluded = own("excluded.", &mut columns.iter()),
        old = compared("o."),
        new = compared("excluded."),
    )
}

/// Deletes the provenance of keys, with their texts.
pub fn forget(v: &Definition) -> String {
    format!(
        "DELETE FROM {origin} o USING {given} k WHERE {same}",
        origin = v.tables.origin,
        given = v.key.given(&[]),
        same = v.key.same_given("o"),
    )
}
