//! The provenance of each row, stored so that nothing is read or embedded twice.

use pgai_rs_pipeline::document::{Digest, Provenance};

use crate::definition::Definition;
use crate::key::GivenKeys;
use crate::session::{Connection, Param};
use crate::sql::provenance;
use crate::tables::Remembered;
use crate::work::{Claimed, index};

/// The provenance to be stored for a row.
#[derive(Debug, Default)]
pub struct Memory {
    etag: Option<String>,
    fingerprint: Option<Digest>,
    digest: Option<Digest>,
}

impl Memory {
    /// Returns the object from which the chunks in a store were made, or `None` if they were not made from
    /// one.
    pub fn of_object(provenance: Option<&Provenance>) -> Option<Memory> {
        provenance.map(|provenance| Memory {
            etag: Some(provenance.etag.clone()),
            fingerprint: Some(provenance.fingerprint),
            digest: None,
        })
    }

    /// Returns the text whose vector is in a column, with its object if there is one; `None` if there is no
    /// text.
    pub fn of_input(provenance: Option<&Provenance>, digest: Option<Digest>) -> Option<Memory> {
        let digest = Some(digest?);
        Some(Memory { digest, ..Memory::of_object(provenance).unwrap_or_default() })
    }
}

/// Returns the objects from which the chunks of keys were made, by the key's index.
pub fn read<C: Connection>(
    connection: &mut C,
    v: &Definition,
    keys: &GivenKeys<'_>,
) -> Result<Vec<(usize, Provenance)>, C::Error> {
    if v.remembered == Remembered::Nothing {
        return Ok(Vec::new());
    }
    let rows = connection.query(&provenance::read(v), &keys.params(), |row| {
        // What is no digest, for somebody has written there, is as good as forgotten.
        let fingerprint = row.get::<Vec<u8>>(3)?.try_into().ok();
        Ok((index(row)?, row.get(2)?, fingerprint))
    })?;

    let mut known = Vec::with_capacity(rows.len());
    for (index, etag, fingerprint) in rows {
        if let Some(fingerprint) = fingerprint {
            known.push((index, Provenance { etag, fingerprint }));
        }
    }
    Ok(known)
}

/// Stores the provenance of rows that have one, and deletes that of the others.
pub fn remember<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: impl Iterator<Item = (&'a Claimed, Option<Memory>)>,
) -> Result<(), C::Error> {
    if v.remembered == Remembered::Nothing {
        return Ok(());
    }
    let (mut claims, mut memories, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (claim, memory) in rows {
        match memory {
            Some(memory) => {
                claims.push(claim);
                memories.push(memory);
            }
            None => unknown.push(claim),
        }
    }
    forget(connection, v, unknown.into_iter())?;
    if claims.is_empty() {
        return Ok(());
    }

    let keys = v.keys(claims.iter().map(|claim| &claim.key));
    let etags: Vec<Option<&str>> = memories.iter().map(|memory| memory.etag.as_deref()).collect();
    let fingerprints: Vec<Option<&[u8]>> =
        memories.iter().map(|memory| memory.fingerprint.as_ref().map(|f| f.as_slice())).collect();
    let digests: Vec<Option<&[u8]>> =
        memories.iter().map(|memory| memory.digest.as_ref().map(|d| d.as_slice())).collect();
    let mut args = keys.params();
    args.extend([Param::OptionalTexts(&etags), Param::OptionalBytes(&fingerprints)]);
    if v.remembered == Remembered::Input {
        args.push(Param::OptionalBytes(&digests));
    }
    connection.execute(&provenance::remember(v), &args).map(drop)
}

/// Deletes the provenance of rows.
pub fn forget<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), C::Error> {
    let mut keys = claims.map(|claim| &claim.key).peekable();
    if v.remembered == Remembered::Nothing || keys.peek().is_none() {
        return Ok(());
    }
    connection.execute(&provenance::forget(v), &v.keys(keys).params()).map(drop)
}
