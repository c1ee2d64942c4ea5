//! Claims rows: takes leases for this worker, and reads the claimed documents.

use std::collections::HashMap;

use pgrx::datum::Uuid;

use pgai_rs_pipeline::document::{Document, ExistingChunk, Payload, Ticket};
use pgai_rs_pipeline::run::Addresses;

use super::origin;
use super::served::Served;
use crate::catalog::key::KeyValues;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql::{self, Row};
use crate::pg::transaction::transaction;

/// A row on which this worker holds the lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The id of its vectorizer.
    pub vectorizer: i32,
    /// Its key.
    pub key: KeyValues,
    /// The generation of the work row at the time of the claim. Folding a change raises it.
    pub generation: i64,
    /// The number of claims since the row last changed, including this one.
    pub attempts: i32,
    /// The lease: this worker holds the row as long as the work row has this value.
    pub lease: i64,
}

/// Prolongs the leases of rows by `pgai_rs.lease_duration` from now. Rows whose lease is no longer the
/// claim's are left alone.
pub fn renew(served: &Served, held: &[&Claimed]) -> Result<(), PgError> {
    if held.is_empty() {
        return Ok(());
    }
    transaction(|| {
        // Made in here, for their arrays live as long as the transaction.
        let mut args = served.keys(held.iter().map(|claimed| &claimed.key));
        args.push(held.iter().map(|claimed| claimed.lease).collect::<Vec<_>>().into());
        args.push(guc::lease_duration().as_secs_f64().into());
        served.as_owner(|| sql::execute(&served.statements.renew, &args)).map(drop)
    })
}

/// Claims rows that are due and whose address is among `addresses`: at most `limit` rows of at most `bytes`
/// bytes together. The first row is claimed whatever its size.
pub fn claim(
    served: &Served,
    limit: i64,
    bytes: u64,
    lease: i64,
    addresses: &Addresses,
) -> Result<Vec<Claimed>, PgError> {
    let seconds = guc::lease_duration().as_secs_f64();
    let pid = std::process::id() as i32;
    let columns = served.vectorizer.key.len();
    let (bytes, largest) = (clamped(bytes), clamped(guc::max_document_size()));
    let mut args = vec![limit.into(), seconds.into(), lease.into(), pid.into(), bytes.into(), largest.into()];
    let beginnings = match addresses {
        Addresses::Any => None,
        Addresses::Of(beginning) => Some((vec![beginning.to_string()], true)),
        Addresses::Except(beginnings) => Some((beginnings.iter().map(|b| b.to_string()).collect(), false)),
    };
    let statement = match (beginnings, &served.statements.claim_among) {
        (Some((beginnings, wanted)), Some(statement)) => {
            args.extend([beginnings.into(), wanted.into()]);
            statement
        }
        _ => &served.statements.claim,
    };
    sql::query(statement, &args, |row| {
        let key = (0..columns).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
        let vectorizer = served.vectorizer.id;
        Ok(Claimed { vectorizer, key: KeyValues(key), generation: row.get(1)?, attempts: row.get(2)?, lease })
    })
}

/// Returns the documents of the claimed rows that the source still has, by their index in `claimed`. Tickets
/// count from `first`.
pub fn read(served: &Served, claimed: &[Claimed], first: u64) -> Result<HashMap<usize, Document>, PgError> {
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = || served.keys(claimed.iter().map(|c| &c.key));
    let names: Vec<String> = served.vectorizer.template_columns()?.iter().map(|c| c.name.clone()).collect();
    let largest = guc::max_document_size();
    let mut args = keys();
    args.push(clamped(largest).into());
    let rows = sql::query(&served.statements.read, &args, |row| {
        let place = place(row)?;
        let fields = names.iter().enumerate().map(|(i, name)| Ok((name.clone(), row.get(5 + i)?)));
        let document = Document {
            ticket: Ticket(first + place as u64),
            vectorizer: served.shared.clone(),
            payload: payload(row, largest)?,
            fields: fields.collect::<Result<_, PgError>>()?,
            existing: Vec::new(),
            provenance: None,
        };
        Ok((place, document))
    })?;
    let mut documents: HashMap<usize, Document> = rows.into_iter().collect();
    let existing = sql::query(served.statements.written.existing(), &keys(), |row| {
        // What is no digest, for somebody has written there, is as good as no chunk.
        let digest = row.get::<Vec<u8>>(4)?.try_into().ok();
        Ok((place(row)?, *row.get::<Uuid>(2)?.as_bytes(), row.get(3)?, digest))
    })?;
    for (place, id, seq, digest) in existing {
        if let (Some(document), Some(digest)) = (documents.get_mut(&place), digest) {
            document.existing.push(ExistingChunk { id, seq, digest });
        }
    }
    for (place, provenance) in origin::read(served, &keys())? {
        if let Some(document) = documents.get_mut(&place) {
            document.provenance = Some(provenance);
        }
    }
    Ok(documents)
}

/// Returns a row's index from its first column, `ord`, which counts from 1 as WITH ORDINALITY does.
pub fn place(row: &Row<'_>) -> Result<usize, PgError> {
    Ok(usize::try_from(row.get::<i64>(1)? - 1).unwrap_or_default())
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
