//! A sample of a source's rows, for those who want to know what its documents come to.

use pgai_rs_pipeline::document::Payload;

use crate::bounds::clamped;
use crate::claim::{fields, payload};
use crate::definition::Sampled;
use crate::session::{Connection, Param};
use crate::sql::source;

/// The weight of a source's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weighed {
    /// The number of rows that have a document.
    pub rows: u64,
    /// The weight of all of them together, in bytes.
    pub weight: f64,
    /// The root of the sum of the squares of their weights.
    pub norm: f64,
}

impl Weighed {
    /// Returns the bytes of the documents alone.
    pub fn documents(&self) -> f64 {
        self.weight - self.rows as f64 * f64::from(source::PER_ROW)
    }
}

/// A row that was chosen.
#[derive(Debug)]
pub struct Chosen {
    /// Its weight, in bytes.
    pub weight: f64,
    /// The value of the loading column.
    pub payload: Payload,
    /// The template's columns, by name.
    pub fields: Vec<(String, String)>,
}

/// Weighs a source's rows, or, with a `part` that is less than 1, those on so large a part of its pages.
pub fn weigh<C: Connection>(
    connection: &mut C,
    sampled: &Sampled<'_>,
    part: f64,
) -> Result<Weighed, C::Error> {
    let weighed = connection.read(&source::weigh(sampled, part), &[], |row| {
        let number = |ordinal| Ok(u64::try_from(row.get::<i64>(ordinal)?).unwrap_or_default());
        Ok(Weighed { rows: number(1)?, weight: number(2)? as f64, norm: number(3)? as f64 })
    })?;
    Ok(weighed.first().copied().unwrap_or_default())
}

/// The bounds of what is read of the rows that are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The number of rows.
    pub rows: usize,
    /// The bytes of a document; of a larger one the size alone is read.
    pub document: u64,
    /// The bytes of all documents and of the template's columns together.
    pub bytes: u64,
}

/// Chooses rows by chance, each with this probability for each byte of its weight. Returns them, and the number of those that
/// were chosen and not read, because there were enough bytes.
pub fn choose<C: Connection>(
    connection: &mut C,
    sampled: &Sampled<'_>,
    part: f64,
    probability: f64,
    bounds: Bounds,
) -> Result<(Vec<Chosen>, usize), C::Error> {
    let args = [
        Param::Float8(probability),
        Param::Int8(clamped(bounds.document)),
        Param::Limit(i64::try_from(bounds.rows).unwrap_or(i64::MAX)),
        Param::Int8(clamped(bounds.bytes)),
    ];
    // After weight, payload as text or bytes, size, and the template's columns.
    let is_read = 5 + sampled.fields.len();
    let found = connection.read(&source::sample(sampled, part), &args, |row| {
        if !row.get::<bool>(is_read)? {
            return Ok(None);
        }
        Ok(Some(Chosen {
            weight: row.get::<i64>(1)? as f64,
            payload: payload(row, bounds.document)?,
            fields: fields(sampled.fields, row)?,
        }))
    })?;

    let count = found.len();
    let chosen: Vec<Chosen> = found.into_iter().flatten().collect();
    let left_out = count - chosen.len();
    Ok((chosen, left_out))
}
