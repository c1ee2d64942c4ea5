//! The provenance of each row, stored so that nothing is read or embedded twice.

use pgrx::datum::DatumWithOid;

use pgai_rs_pipeline::document::{Digest, Provenance};

use super::definition::Definition;
use super::sql::provenance;
use super::work::{Claimed, index};
use crate::catalog::queue_tables::Remembered;
use crate::pg::error::PgError;
use crate::pg::sql::{execute, query};

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
pub fn read(v: &Definition, keys: &[DatumWithOid<'_>]) -> Result<Vec<(usize, Provenance)>, PgError> {
    if v.remembered == Remembered::Nothing {
        return Ok(Vec::new());
    }
    let rows = query(&provenance::read(v), keys, |row| {
        // What is no digest, for somebody has written there, is as good as forgotten.
        let fingerprint = row.get::<Vec<u8>>(3)?.try_into().ok();
        Ok((index(row)?, row.get(2)?, fingerprint))
    })?;
    let known = |(index, etag, fingerprint): (_, _, Option<_>)| {
        Some((index, Provenance { etag, fingerprint: fingerprint? }))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Stores the provenance of rows that have one, and deletes that of the others.
pub fn remember<'a>(
    v: &Definition,
    rows: impl Iterator<Item = (&'a Claimed, Option<Memory>)>,
) -> Result<(), PgError> {
    if v.remembered == Remembered::Nothing {
        return Ok(());
    }
    let (known, unknown): (Vec<_>, Vec<_>) = rows.partition(|(_, memory)| memory.is_some());
    forget(v, unknown.into_iter().map(|(claim, _)| claim))?;
    let (claims, memories): (Vec<_>, Vec<_>) =
        known.into_iter().filter_map(|(claim, memory)| Some((claim, memory?))).unzip();
    if claims.is_empty() {
        return Ok(());
    }
    let mut args = v.keys(claims.iter().map(|claim| &claim.key));
    args.push(memories.iter().map(|memory| memory.etag.clone()).collect::<Vec<_>>().into());
    args.push(memories.iter().map(|memory| memory.fingerprint.clone()).collect::<Vec<_>>().into());
    if v.remembered == Remembered::Input {
        args.push(memories.into_iter().map(|memory| memory.digest).collect::<Vec<_>>().into());
    }
    execute(&provenance::remember(v), &args).map(drop)
}

/// Deletes the provenance of rows.
pub fn forget<'a>(v: &Definition, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    if v.remembered == Remembered::Nothing {
        return Ok(());
    }
    let mut keys = claims.map(|claim| &claim.key).peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    execute(&provenance::forget(v), &v.keys(keys)).map(drop)
}
