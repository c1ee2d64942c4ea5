//! The texts that are kept of documents: read with the claims that want them, and written with the chunks.

use std::collections::HashMap;

use pgai_rs_pipeline::document::{Digest, Document, Kept, TextToKeep};
use pgai_rs_pipeline::parse::{KeptText, Parsed};
use pgai_rs_pipeline::run::wants_text;

use crate::bounds::{Bounds, clamped};
use crate::definition::Definition;
use crate::key::{GivenKeys, KeyValues};
use crate::session::{Connection, Param};
use crate::sql::text;
use crate::tables::Texts;
use crate::work::{Claimed, index};

/// Adds to documents what is kept of their texts, and the texts of those that may need them. `keys` are those of
/// `claimed`, and the documents are by their index in it. A text that is larger than a document may be counts as none.
pub fn read<C: Connection>(
    connection: &mut C,
    v: &Definition,
    keys: &GivenKeys<'_>,
    claimed: &[Claimed],
    documents: &mut HashMap<usize, Document>,
    bounds: Bounds,
) -> Result<(), C::Error> {
    if v.texts != Texts::Kept {
        return Ok(());
    }
    let mut args = keys.params();
    args.push(Param::Int8(clamped(bounds.document)));
    let known = connection.query(&text::known(v), &args, |row| {
        // What is no digest, for somebody has written there, is as good as nothing.
        let made_of: Option<Digest> = row.get::<Vec<u8>>(2)?.try_into().ok();
        Ok((index(row)?, made_of))
    })?;

    let mut wanted = Vec::new();
    for (index, made_of) in known {
        let Some(document) = documents.get_mut(&index) else { continue };
        document.kept = made_of.map(|made_of| Kept { made_of, parsed: None });
        if let (true, Some(claim)) = (wants_text(document), claimed.get(index)) {
            wanted.push((index, &claim.key));
        }
    }
    for (index, parsed) in read_texts(connection, v, &wanted, bounds)? {
        if let Some(kept) = documents.get_mut(&index).and_then(|document| document.kept.as_mut()) {
            kept.parsed = Some(parsed);
        }
    }
    Ok(())
}

/// The number of times the bytes of a claim that its texts may have with their outlines, of which the claim has counted the bytes
/// that are stored.
const UNPACKED: u64 = 2;

/// Returns the texts of keys, each with its number, as far as they are not too many bytes.
fn read_texts<C: Connection>(
    connection: &mut C,
    v: &Definition,
    wanted: &[(usize, &KeyValues)],
    bounds: Bounds,
) -> Result<Vec<(usize, Parsed)>, C::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let keys = v.keys(wanted.iter().map(|(_, key)| *key));
    let mut args = keys.params();
    let all = bounds.all.max(bounds.document).saturating_mul(UNPACKED);
    args.extend([bounds.document, all].map(|bytes| Param::Int8(clamped(bytes))));
    let found = connection.query(&text::read(v), &args, |row| {
        let kept = row.get_opt::<String>(2)?.zip(row.get_opt::<String>(3)?);
        Ok((index(row)?, kept.and_then(|(text, outline)| KeptText::read(text, &outline))))
    })?;
    let numbered = |(at, kept): (usize, Option<KeptText>)| Some((wanted.get(at)?.0, kept?.parsed));
    Ok(found.into_iter().filter_map(numbered).collect())
}

/// Writes the texts of rows that have another than the one that is there, or none any more.
pub fn write<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: impl Iterator<Item = (&'a Claimed, &'a TextToKeep)>,
) -> Result<(), C::Error> {
    let changed: Vec<_> = rows.filter(|(_, text)| **text != TextToKeep::Same).collect();
    if v.texts != Texts::Kept || changed.is_empty() {
        return Ok(());
    }

    let keys = v.keys(changed.iter().map(|(claim, _)| &claim.key));
    let news: Vec<_> = changed.iter().map(|(_, text)| text.as_new()).collect();
    let texts: Vec<Option<&str>> = news.iter().map(|new| new.map(|new| new.text.as_str())).collect();
    let outlines: Vec<Option<&str>> = news.iter().map(|new| new.map(|new| new.outline.as_str())).collect();
    let made_of: Vec<Option<&[u8]>> = news.iter().map(|new| new.map(|new| new.made_of.as_slice())).collect();
    let mut args = keys.params();
    args.extend([
        Param::OptionalTexts(&texts),
        Param::OptionalTexts(&outlines),
        Param::OptionalBytes(&made_of),
    ]);
    connection.execute(&text::write(v), &args).map(drop)
}
