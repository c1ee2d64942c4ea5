//! Claims rows: takes leases for this worker, and reads the claimed documents.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pgrx::datum::Uuid;

use pgai_rs_pipeline::document::{self, Document, ExistingChunk, Payload, Ticket};
use pgai_rs_pipeline::run::Addresses;

use super::definition::{Definition, Target};
use super::provenance;
use super::sql::{column, source, store, work};
use super::work::{Claimed, index};
use crate::catalog::key::KeyValues;
use crate::pg::error::PgError;
use crate::pg::sql::{self, Row};

/// The rows that are wanted, and the terms on which they are held.
pub struct Request<'a> {
    /// The largest number of rows.
    pub rows: i64,
    /// The largest number of bytes of all rows together. The first row is claimed whatever its size.
    pub bytes: u64,
    /// The largest size in bytes of a document that is read.
    pub largest: u64,
    /// The addresses that the rows hold.
    pub addresses: &'a Addresses,
    /// The lease.
    pub lease: i64,
    /// The time for which the rows are held.
    pub duration: Duration,
}

/// Claims rows that are due.
pub fn claim(v: &Definition, wanted: &Request<'_>) -> Result<Vec<Claimed>, PgError> {
    let holder = std::process::id() as i32;
    let mut args = vec![
        wanted.rows.into(),
        wanted.duration.as_secs_f64().into(),
        wanted.lease.into(),
        holder.into(),
        clamped(wanted.bytes).into(),
        clamped(wanted.largest).into(),
    ];
    let prefixes = match wanted.addresses {
        Addresses::Any => None,
        Addresses::Of(prefix) => Some((vec![prefix.to_string()], true)),
        Addresses::Except(prefixes) => Some((prefixes.iter().map(|b| b.to_string()).collect(), false)),
    };
    let statement = match prefixes {
        Some((prefixes, is_one)) if v.by_address => {
            args.extend([prefixes.into(), is_one.into()]);
            work::claim_among(v)
        }
        _ => work::claim(v),
    };

    sql::query(&statement, &args, |row| {
        let key = (0..v.key.len()).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
        Ok(Claimed {
            vectorizer: v.id,
            key: KeyValues(key),
            generation: row.get(1)?,
            attempts: row.get(2)?,
            lease: wanted.lease,
        })
    })
}

/// Returns the documents of the claimed rows that the source still has, by their index in `claimed`. Each has
/// the ticket with its index. A document of more than `largest` bytes is not read.
pub fn read(
    v: &Definition,
    shared: &Arc<document::Vectorizer>,
    claimed: &[Claimed],
    tickets: &[Ticket],
    largest: u64,
) -> Result<HashMap<usize, Document>, PgError> {
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = || v.keys(claimed.iter().map(|c| &c.key));
    let mut args = keys();
    args.push(clamped(largest).into());
    let rows = sql::query(&source::read(v), &args, |row| {
        let index = index(row)?;
        let fields = v.fields.iter().enumerate().map(|(i, field)| Ok((field.name.clone(), row.get(5 + i)?)));
        let document = Document {
            ticket: *tickets
                .get(index)
                .ok_or_else(|| PgError::raised("a row was read that was not claimed"))?,
            vectorizer: shared.clone(),
            payload: payload(row, largest)?,
            fields: fields.collect::<Result<_, PgError>>()?,
            existing: Vec::new(),
            provenance: None,
        };
        Ok((index, document))
    })?;
    let mut documents: HashMap<usize, Document> = rows.into_iter().collect();

    let existing = match &v.target {
        Target::Store(store) => store::existing(v, store),
        Target::Column(column) => column::existing(v, column),
    };
    let existing = sql::query(&existing, &keys(), |row| {
        // What is no digest, for somebody has written there, is as good as no chunk.
        let digest = row.get::<Vec<u8>>(4)?.try_into().ok();
        Ok((index(row)?, *row.get::<Uuid>(2)?.as_bytes(), row.get(3)?, digest))
    })?;
    for (index, id, seq, digest) in existing {
        if let (Some(document), Some(digest)) = (documents.get_mut(&index), digest) {
            document.existing.push(ExistingChunk { id, seq, digest });
        }
    }

    for (index, provenance) in provenance::read(v, &keys())? {
        if let Some(document) = documents.get_mut(&index) {
            document.provenance = Some(provenance);
        }
    }
    Ok(documents)
}

/// Converts a number of bytes to SQL's `int8`, and caps it there.
fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn payload(row: &Row<'_>, largest: u64) -> Result<Payload, PgError> {
    let size = row.get_opt::<i64>(4)?.and_then(|size| u64::try_from(size).ok());
    if let Some(size) = size.filter(|size| *size > largest) {
        return Ok(Payload::TooLarge(size));
    }
    Ok(match (row.get_opt::<String>(2)?, row.get_opt::<Vec<u8>>(3)?) {
        (Some(text), _) => Payload::Text(text),
        (None, Some(bytes)) => Payload::Bytes(bytes),
        (None, None) => Payload::Null,
    })
}
