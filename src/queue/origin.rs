//! The provenance of each row, stored so that nothing is read or embedded twice.

use pgrx::datum::DatumWithOid;

use pgai_rs_pipeline::document::{Digest, Provenance};

use super::claim::{Claimed, place};
use super::served::Served;
use crate::catalog::queue_tables::Remembered;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql::{execute, query};

/// The statements for provenance. They take keys as parameters; "then" names the parameters after them.
#[derive(Debug)]
pub struct OriginStatements {
    /// Returns the provenance of keys: `ord` (the key's position, from 1), etag, fingerprint.
    read: String,
    /// Stores the provenance of keys. Then `etag text`, `fingerprint bytea`, and for a column `digest bytea`.
    remember: String,
    /// Deletes the provenance of keys.
    forget: String,
}

impl OriginStatements {
    /// Writes the statements, or returns `None` for a vectorizer that stores no provenance.
    pub fn new(v: &Vectorizer) -> Option<Self> {
        let more = match v.remembered {
            Remembered::Nothing => return None,
            Remembered::Object => [("etag", "text"), ("fingerprint", "bytea")].to_vec(),
            Remembered::Input => [("etag", "text"), ("fingerprint", "bytea"), ("digest", "bytea")].to_vec(),
        };
        let (key, origin) = (&v.key, &v.queue.origin);
        let (names, given, same) = (key.names(None), key.given(&[]), key.same_given("o"));
        let given_own = more.iter().map(|(name, _)| format!("k.{name}")).collect::<Vec<_>>().join(", ");
        let own = |alias: &str| {
            let names = more.iter().map(|(name, _)| format!("{alias}{}", v.own.name(name)));
            names.collect::<Vec<_>>().join(", ")
        };
        let [etag, fingerprint] = ["etag", "fingerprint"].map(|name| v.own.name(name));
        Some(OriginStatements {
            read: format!(
                "SELECT k.ord, o.{etag}, o.{fingerprint} FROM {given} k JOIN {origin} o ON {same}
                 WHERE o.{etag} IS NOT NULL AND o.{fingerprint} IS NOT NULL"
            ),
            remember: format!(
                "INSERT INTO {origin} AS o ({names}, {own})
                 SELECT {given_names}, {given_own} FROM {given} k
                 ON CONFLICT ({names}) DO UPDATE SET ({own}) = ROW({excluded})
                 WHERE ({old}) IS DISTINCT FROM ({excluded})",
                own = own(""),
                given_names = key.given_names(),
                given = key.given(&more),
                excluded = own("excluded."),
                old = own("o."),
            ),
            forget: format!("DELETE FROM {origin} o USING {given} k WHERE {same}"),
        })
    }
}

/// The provenance to be stored for a row.
#[derive(Debug, Default)]
pub struct Memory {
    etag: Option<String>,
    fingerprint: Option<Vec<u8>>,
    digest: Option<Vec<u8>>,
}

impl Memory {
    /// Returns the object from which the chunks in a store were made, or `None` if they were not made from
    /// one.
    pub fn of_object(provenance: Option<&Provenance>) -> Option<Memory> {
        provenance.map(|provenance| Memory {
            etag: Some(provenance.etag.clone()),
            fingerprint: Some(provenance.fingerprint.to_vec()),
            digest: None,
        })
    }

    /// Returns the text whose vector is in a column, with its object if there is one; `None` if there is no
    /// text.
    pub fn of_input(provenance: Option<&Provenance>, digest: Option<Digest>) -> Option<Memory> {
        let digest = Some(digest?.to_vec());
        Some(Memory { digest, ..Memory::of_object(provenance).unwrap_or_default() })
    }
}

/// Returns the objects from which the chunks of keys were made, by the key's index.
pub fn read(served: &Served, keys: &[DatumWithOid<'_>]) -> Result<Vec<(usize, Provenance)>, PgError> {
    let Some(statements) = &served.statements.origin else { return Ok(Vec::new()) };
    let rows = query(&statements.read, keys, |row| {
        // What is no digest, for somebody has written there, is as good as forgotten.
        let fingerprint = row.get::<Vec<u8>>(3)?.try_into().ok();
        Ok((place(row)?, row.get(2)?, fingerprint))
    })?;
    let known = |(place, etag, fingerprint): (_, _, Option<_>)| {
        Some((place, Provenance { etag, fingerprint: fingerprint? }))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Stores the provenance of rows that have one, and deletes that of the others.
pub fn remember<'a>(
    served: &Served,
    rows: impl Iterator<Item = (&'a Claimed, Option<Memory>)>,
) -> Result<(), PgError> {
    let Some(statements) = &served.statements.origin else { return Ok(()) };
    let (known, unknown): (Vec<_>, Vec<_>) = rows.partition(|(_, memory)| memory.is_some());
    forget(served, unknown.into_iter().map(|(claim, _)| claim))?;
    let (claims, memories): (Vec<_>, Vec<_>) =
        known.into_iter().filter_map(|(claim, memory)| Some((claim, memory?))).unzip();
    if claims.is_empty() {
        return Ok(());
    }
    let mut args = served.keys(claims.iter().map(|claim| &claim.key));
    args.push(memories.iter().map(|memory| memory.etag.clone()).collect::<Vec<_>>().into());
    args.push(memories.iter().map(|memory| memory.fingerprint.clone()).collect::<Vec<_>>().into());
    if served.vectorizer.remembered == Remembered::Input {
        args.push(memories.into_iter().map(|memory| memory.digest).collect::<Vec<_>>().into());
    }
    execute(&statements.remember, &args).map(drop)
}

/// Deletes the provenance of rows.
pub fn forget<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let Some(statements) = &served.statements.origin else { return Ok(()) };
    let mut keys = claims.map(|claim| &claim.key).peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    execute(&statements.forget, &served.keys(keys)).map(drop)
}
