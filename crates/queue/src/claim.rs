//! Claims rows: takes leases for this worker, and reads the claimed documents.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::document::{self, Document, ExistingChunk, Payload, Ticket};
use pgai_rs_pipeline::run::Addresses;

use crate::definition::{Definition, Field, Target};
use crate::key::{GivenKeys, KeyValues};
use crate::session::{Connection, Param, QueueError, Row, Session, Sqlstate};
use crate::sql::{column, source, store, work};
use crate::work::{Claimed, index};
use crate::{provenance, text};

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

/// The rows that were claimed.
pub struct Claims {
    /// The rows.
    pub rows: Vec<Claimed>,
    /// The time until the next row is due; `None` if there may be more that are due now.
    pub next: Option<Duration>,
}

/// Claims rows that are due.
pub fn claim<S: Session>(session: &mut S, v: &Definition, wanted: &Request<'_>) -> Result<Claims, S::Error> {
    let prefixes: Option<(Vec<&str>, bool)> = match wanted.addresses {
        Addresses::Any => None,
        Addresses::Of(prefix) => Some((vec![prefix], true)),
        Addresses::Except(prefixes) => Some((prefixes.iter().map(|prefix| &**prefix).collect(), false)),
    };
    let mut args = vec![
        Param::Limit(wanted.rows),
        Param::Float8(wanted.duration.as_secs_f64()),
        Param::Int8(wanted.lease),
        Param::Int4(session.holder()),
        Param::Int8(clamped(wanted.bytes)),
        Param::Int8(clamped(wanted.largest)),
    ];
    let statement = match &prefixes {
        Some((prefixes, is_one)) if v.by_address => {
            args.extend([Param::Texts(prefixes), Param::Bool(*is_one)]);
            v.statement("claim among", work::claim_among)
        }
        _ => v.statement("claim", work::claim),
    };

    let (mut due, mut next) = (0, None);
    let rows = session.query(&statement, &args, |row| {
        let key = (0..v.key.len()).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
        due = row.get(3 + v.key.len())?;
        next = row.get_opt::<i64>(4 + v.key.len())?;
        Ok(Claimed {
            vectorizer: v.id,
            key: KeyValues(key),
            generation: row.get(1)?,
            attempts: row.get(2)?,
            lease: wanted.lease,
            chunks: None,
        })
    })?;

    // Of none it is not known whether there are some that others have locked.
    let are_all = !rows.is_empty() && due == rows.len() as i64 && due < wanted.rows;
    let next = next.map_or(wanted.duration, |ms| Duration::from_millis(ms.max(1).unsigned_abs()));
    let is_whole = matches!(wanted.addresses, Addresses::Any);
    Ok(Claims { rows, next: (are_all && is_whole).then(|| next.min(wanted.duration)) })
}

/// Returns the documents of the claimed rows that the source still has, by their index in `claimed`. Each has
/// the ticket with its index. A document of more than `largest` bytes is not read. Notes in `claimed` how many chunks there are.
pub fn read<C: Connection>(
    connection: &mut C,
    v: &Definition,
    shared: &Arc<document::Vectorizer>,
    claimed: &mut [Claimed],
    tickets: &[Ticket],
    largest: u64,
) -> Result<HashMap<usize, Document>, C::Error> {
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = v.keys(claimed.iter().map(|c| &c.key));
    let mut args = keys.params();
    args.push(Param::Int8(clamped(largest)));
    let rows = connection.query(&v.statement("read", source::read), &args, |row| {
        let index = index(row)?;
        let document = Document {
            ticket: *tickets.get(index).ok_or_else(not_claimed)?,
            vectorizer: shared.clone(),
            payload: payload(row, largest)?,
            fields: fields(&v.fields, row)?,
            existing: Vec::new(),
            provenance: None,
            kept: None,
        };
        Ok((index, document))
    })?;
    let mut documents: HashMap<usize, Document> = rows.into_iter().collect();

    let chunks = read_chunks(connection, v, &keys, &mut documents)?;

    for (index, provenance) in provenance::read(connection, v, &keys)? {
        if let Some(document) = documents.get_mut(&index) {
            document.provenance = Some(provenance);
        }
    }
    text::read(connection, v, &keys, claimed, &mut documents, clamped(largest))?;

    for (index, claim) in claimed.iter_mut().enumerate() {
        claim.chunks = Some(chunks.get(&index).copied().unwrap_or_default());
    }
    Ok(documents)
}

/// Adds to documents the chunks that there are of them. Returns their numbers, also of those that no document can keep.
fn read_chunks<C: Connection>(
    connection: &mut C,
    v: &Definition,
    keys: &GivenKeys<'_>,
    documents: &mut HashMap<usize, Document>,
) -> Result<HashMap<usize, usize>, C::Error> {
    let statement = match &v.target {
        Target::Store(store) => v.statement("existing", |v| store::existing(v, store)),
        Target::Column(column) => v.statement("existing", |v| column::existing(v, column)),
    };
    let existing = connection.query(&statement, &keys.params(), |row| {
        // What is no digest, for somebody has written there, is as good as no chunk.
        let digest = row.get::<Vec<u8>>(4)?.try_into().ok();
        Ok((index(row)?, row.get(2)?, row.get(3)?, digest))
    })?;

    let mut numbers: HashMap<usize, usize> = HashMap::new();
    for (index, id, seq, digest) in existing {
        *numbers.entry(index).or_default() += 1;
        if let (Some(document), Some(digest)) = (documents.get_mut(&index), digest) {
            document.existing.push(ExistingChunk { id, seq, digest });
        }
    }
    Ok(numbers)
}

fn not_claimed<E: QueueError>() -> E {
    E::new(Sqlstate::InternalError, "a row was read that was not claimed".to_owned())
}

/// Returns the template's columns of a row, by name.
pub(crate) fn fields<E: QueueError>(
    fields: &[Field],
    row: &dyn Row<Error = E>,
) -> Result<Vec<(String, String)>, E> {
    fields.iter().enumerate().map(|(i, field)| Ok((field.name.clone(), row.get(5 + i)?))).collect()
}

/// Converts a number of bytes to SQL's `int8`, and caps it there.
pub(crate) fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Returns the payload of a row, which is not read beyond a size.
pub(crate) fn payload<E: QueueError>(row: &dyn Row<Error = E>, largest: u64) -> Result<Payload, E> {
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
