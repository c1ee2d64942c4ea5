//! Claims rows: takes leases for this worker, and reads the claimed documents.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::document::{self, Document, ExistingChunk, Payload, Ticket};
use pgai_rs_pipeline::run::Addresses;

use crate::bounds::{Bounds, clamped};
use crate::definition::{Definition, Field, Target};
use crate::key::{GivenKeys, KeyValues};
use crate::session::{Connection, Param, QueueError, Row, Session, Sqlstate};
use crate::sql::{column, source, store, work};
use crate::work::{Claimed, index, postpone};
use crate::{provenance, suspects, text};

/// The rows that are wanted, and the terms on which they are held.
#[derive(Clone, Copy)]
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
    /// True for [`suspects`], of which a few are claimed, false for all other rows.
    pub suspects: bool,
    /// False if sizes are not looked at, and count as nothing: with a row that can't be read, looking at its size may fail.
    pub looks_at_sizes: bool,
}

/// The rows that were claimed.
#[derive(Default)]
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
        Param::Bool(wanted.suspects),
    ];
    let prefixes = prefixes.as_ref().filter(|_| v.by_address);
    if let Some((prefixes, is_one)) = prefixes {
        args.extend([Param::Texts(prefixes), Param::Bool(*is_one)]);
    }
    let statement = match (prefixes, wanted.looks_at_sizes) {
        (None, true) => v.statement("claim", |v| work::claim(v, true)),
        (None, false) => v.statement("claim unsized", |v| work::claim(v, false)),
        (Some(_), true) => v.statement("claim among", |v| work::claim_among(v, true)),
        (Some(_), false) => v.statement("claim among unsized", |v| work::claim_among(v, false)),
    };

    let (mut due, mut next) = (0, None);
    let mut placed = session.query(&statement, &args, |row| {
        let key = (0..v.key.len()).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
        due = row.get(3 + v.key.len())?;
        next = row.get_opt::<i64>(4 + v.key.len())?;
        let place = row.get::<i64>(5 + v.key.len())?;
        Ok((
            place,
            Claimed {
                vectorizer: v.id,
                key: KeyValues(key),
                generation: row.get(1)?,
                attempts: row.get(2)?,
                lease: wanted.lease,
                is_suspect: wanted.suspects,
                chunks: None,
            },
        ))
    })?;
    // In the order in which they became due: what is read first is read whatever its size.
    placed.sort_by_key(|(place, _)| *place);
    let rows: Vec<Claimed> = placed.into_iter().map(|(_, claimed)| claimed).collect();

    // Of none it is not known whether there are some that others have locked.
    let are_all = !rows.is_empty() && due == rows.len() as i64 && due < wanted.rows;
    let next = next.map_or(wanted.duration, |ms| Duration::from_millis(ms.max(1).unsigned_abs()));
    let is_whole = matches!(wanted.addresses, Addresses::Any) && !wanted.suspects;
    Ok(Claims { rows, next: (are_all && is_whole).then(|| next.min(wanted.duration)) })
}

/// The documents that were read.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents of rows that the source still has, by the index of the claim.
    pub documents: HashMap<usize, Document>,
    /// The claims whose rows were not read, because there were enough bytes. They are given back, without an attempt.
    pub left: HashSet<usize>,
}

/// Returns the documents of the claimed rows. Each has the ticket with its index. Notes in `claimed` how many chunks there are.
///
/// The claim knows no more than about how large rows are. What is too much with those before it is given back, due at once.
pub fn read<C: Connection>(
    connection: &mut C,
    v: &Definition,
    shared: &Arc<document::Vectorizer>,
    claimed: &mut [Claimed],
    tickets: &[Ticket],
    bounds: Bounds,
) -> Result<Found, C::Error> {
    if claimed.is_empty() {
        return Ok(Found::default());
    }
    let Found { mut documents, mut left } = read_rows(connection, v, shared, claimed, tickets, bounds)?;
    let keys = v.keys(claimed.iter().map(|c| &c.key));
    let chunks = read_chunks(connection, v, &keys, &mut documents, bounds)?;
    if let Some(beyond) = chunks.beyond {
        left.extend(documents.extract_if(|index, _| *index >= beyond).map(|(index, _)| index));
    }

    for (index, provenance) in provenance::read(connection, v, &keys)? {
        if let Some(document) = documents.get_mut(&index) {
            document.provenance = Some(provenance);
        }
    }
    text::read(connection, v, &keys, claimed, &mut documents, bounds)?;

    for (index, claim) in claimed.iter_mut().enumerate() {
        let number = chunks.numbers.get(&index).copied().unwrap_or_default();
        claim.chunks = Some(number).filter(|_| !chunks.is_cut(index));
    }
    give_back(connection, v, left.iter().filter_map(|index| claimed.get(*index)))?;
    Ok(Found { documents, left })
}

/// Returns the documents of claimed rows, without what is kept beside them, and the claims of those that were not read.
fn read_rows<C: Connection>(
    connection: &mut C,
    v: &Definition,
    shared: &Arc<document::Vectorizer>,
    claimed: &[Claimed],
    tickets: &[Ticket],
    bounds: Bounds,
) -> Result<Found, C::Error> {
    let keys = v.keys(claimed.iter().map(|c| &c.key));
    let mut args = keys.params();
    args.extend([bounds.document, bounds.row, bounds.all.min(bounds.row)].map(|n| Param::Int8(clamped(n))));
    // After ord, payload as text or bytes, size, and the template's columns.
    let is_read = 5 + v.fields.len();

    let rows = connection.query(&v.statement("read", source::read), &args, |row| {
        let index = index(row)?;
        let (payload, fields) = match (row.get::<bool>(is_read)?, row.get_opt::<i64>(is_read + 1)?) {
            (true, _) => (payload(row, bounds.document)?, fields(&v.fields, row)?),
            (false, Some(size)) => (Payload::RowTooLarge(size.unsigned_abs()), Vec::new()),
            (false, None) => return Ok((index, None)),
        };
        let document = Document {
            ticket: *tickets.get(index).ok_or_else(not_claimed)?,
            vectorizer: shared.clone(),
            payload,
            fields,
            existing: Vec::new(),
            provenance: None,
            kept: None,
        };
        Ok((index, Some(document)))
    })?;

    let (mut documents, mut left) = (HashMap::new(), HashSet::new());
    for (index, document) in rows {
        match document {
            Some(document) => drop(documents.insert(index, document)),
            None => drop(left.insert(index)),
        }
    }
    Ok(Found { documents, left })
}

/// Gives claims back, due at once, as if they had not been made.
pub fn give_back<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claimed: impl Iterator<Item = &'a Claimed>,
) -> Result<(), C::Error> {
    let rows: Vec<_> = claimed.map(|claim| (claim, Duration::ZERO, claim.attempts - 1)).collect();
    postpone(connection, v, &rows)?;
    suspects::mark(connection, v, rows.iter().map(|(claim, ..)| *claim))
}

/// The chunks that were read of claimed rows.
struct Chunks {
    /// Their numbers, also of those that no document can keep.
    numbers: HashMap<usize, usize>,
    /// The first claim that is too much with those before it, if there is one.
    beyond: Option<usize>,
    /// The claim of which not all were read, if there is one.
    cut: Option<usize>,
}

impl Chunks {
    /// Returns whether there may be more chunks of a claim than were read.
    fn is_cut(&self, index: usize) -> bool {
        self.cut.is_some_and(|cut| index >= cut)
    }
}

/// Adds to documents the chunks that there are of them, as far as they are not too many. Those of a row that has too many
/// itself are as good as none from there on: they are replaced.
fn read_chunks<C: Connection>(
    connection: &mut C,
    v: &Definition,
    keys: &GivenKeys<'_>,
    documents: &mut HashMap<usize, Document>,
    bounds: Bounds,
) -> Result<Chunks, C::Error> {
    let mut args = keys.params();
    let statement = match &v.target {
        Target::Store(store) => {
            args.extend([bounds.chunks, bounds.row].map(|n| Param::Int8(clamped(n))));
            v.statement("existing", |v| store::existing(v, store))
        }
        Target::Column(column) => v.statement("existing", |v| column::existing(v, column)),
    };
    let existing = connection.query(&statement, &args, |row| {
        // What is no digest, for somebody has written there, is as good as no chunk.
        let digest = row.get_opt::<Vec<u8>>(4)?.and_then(|digest| digest.try_into().ok());
        Ok((index(row)?, row.get(2)?, row.get(3)?, digest))
    })?;

    let is_full = matches!(v.target, Target::Store(_)) && existing.len() as u64 >= bounds.chunks;
    let cut = existing.last().map(|(index, ..)| *index).filter(|_| is_full);
    let first = documents.keys().min().copied().unwrap_or_default();
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    for (index, id, seq, digest) in existing {
        *numbers.entry(index).or_default() += 1;
        if let (Some(document), Some(digest)) = (documents.get_mut(&index), digest) {
            document.existing.push(ExistingChunk { id, seq, digest });
        }
    }
    Ok(Chunks { numbers, beyond: cut.map(|cut| cut.max(first + 1)), cut })
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
