//! The provenance of each row, stored so that nothing is read or embedded twice.

use pgai_rs_pipeline::document::{Completed, Digest, Provenance, TextToKeep};

use crate::definition::Definition;
use crate::key::GivenKeys;
use crate::session::{Connection, Param};
use crate::sql::provenance;
use crate::tables::{Remembered, Texts};
use crate::text;
use crate::work::{Claimed, index};

/// The provenance to be stored for a row.
#[derive(Debug)]
pub struct Memory<'a> {
    object: Option<&'a Provenance>,
    digest: Option<Digest>,
    text: &'a TextToKeep,
}

impl<'a> Memory<'a> {
    /// Returns the object from which the chunks in a store were made, if they were made from one, and the text.
    pub fn of_object(done: &'a Completed) -> Memory<'a> {
        Memory { object: done.provenance.as_ref(), digest: None, text: &done.text }
    }

    /// Returns the text whose vector is in a column, if there is one, with its object.
    pub fn of_input(done: &'a Completed, digest: Option<Digest>) -> Memory<'a> {
        Memory { digest, ..Memory::of_object(done) }
    }

    /// Returns the text as far as the vectorizer keeps texts.
    fn text(&self, v: &Definition) -> &'a TextToKeep {
        match v.texts {
            Texts::Kept => self.text,
            Texts::Absent | Texts::Removed => &TextToKeep::Nothing,
        }
    }

    /// Returns whether there is nothing to remember. An object without a vector in its column is not worth it.
    fn is_empty(&self, v: &Definition) -> bool {
        let is_known = match v.remembered {
            Remembered::Nothing | Remembered::Text => false,
            Remembered::Object => self.object.is_some(),
            Remembered::Input => self.digest.is_some(),
        };
        !is_known && *self.text(v) == TextToKeep::Nothing
    }
}

/// Returns the objects from which the chunks of keys were made, by the key's index.
pub fn read<C: Connection>(
    connection: &mut C,
    v: &Definition,
    keys: &GivenKeys<'_>,
) -> Result<Vec<(usize, Provenance)>, C::Error> {
    if matches!(v.remembered, Remembered::Nothing | Remembered::Text) {
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

/// Stores the provenance of rows that have one, with their texts, and deletes that of the others.
pub fn remember<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: impl Iterator<Item = (&'a Claimed, Memory<'a>)>,
) -> Result<(), C::Error> {
    if v.remembered == Remembered::Nothing {
        return Ok(());
    }
    let (unknown, known): (Vec<_>, Vec<_>) = rows.partition(|(_, memory)| memory.is_empty(v));
    forget(connection, v, unknown.into_iter().map(|(claim, _)| claim))?;
    if known.is_empty() {
        return Ok(());
    }

    let keys = v.keys(known.iter().map(|(claim, _)| &claim.key));
    let objects = || known.iter().map(|(_, memory)| memory.object);
    let etags: Vec<Option<&str>> =
        objects().map(|object| object.map(|object| object.etag.as_str())).collect();
    let fingerprints: Vec<Option<&[u8]>> =
        objects().map(|object| object.map(|object| object.fingerprint.as_slice())).collect();
    let digests: Vec<Option<&[u8]>> =
        known.iter().map(|(_, memory)| memory.digest.as_ref().map(|digest| digest.as_slice())).collect();
    let mut args = keys.params();
    let provenance =
        [Param::OptionalTexts(&etags), Param::OptionalBytes(&fingerprints), Param::OptionalBytes(&digests)];
    args.extend(provenance.into_iter().take(v.remembered.provenance().len()));
    connection.execute(&provenance::remember(v), &args)?;

    text::write(connection, v, known.iter().map(|(claim, memory)| (*claim, memory.text(v))))
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
