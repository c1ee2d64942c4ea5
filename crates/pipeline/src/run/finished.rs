//! Results that wait for the queue, and the choice of those that one transaction takes.

use std::sync::Arc;
use std::time::Instant;

use super::memory::Hold;
use super::offer::Settles;
use super::prepared::Prepared;
use crate::document::{Chunk, Completed};

/// The largest number of chunks of one transaction, unless a single document has more.
const WRITE_CHUNKS: usize = 8192;
/// The largest number of bytes of one transaction, with the same exception: Postgres copies what is
/// written.
const WRITE_BYTES: usize = 32 << 20;

/// A result, until the queue has it.
pub(super) struct Finished<T> {
    /// The result.
    pub item: T,
    /// The bookkeeping that is kept with it.
    pub claim: Claim,
}

/// The bookkeeping that is kept with a result until it is settled.
pub(super) struct Claim {
    /// The vectorizer as it was when the row was claimed.
    pub prepared: Arc<Prepared>,
    /// The memory, which is released when the result is settled.
    _reservation: Option<Hold>,
    /// The time before which it is not offered.
    pub due: Instant,
    /// The number of times that the queue could not take it just then.
    pub released: u32,
    /// The number of times that the queue erred for it alone.
    pub erred: u32,
}

impl Claim {
    /// The bookkeeping of a result that may be offered at once.
    pub(super) fn new(prepared: Arc<Prepared>, reservation: Option<Hold>) -> Self {
        Claim { prepared, _reservation: reservation, due: Instant::now(), released: 0, erred: 0 }
    }
}

/// Takes what is due, as much as one transaction shall hold and of one version of the vectorizer.
pub(super) fn take_due<T: Settles>(
    finished: &mut Vec<Finished<T>>,
    most: usize,
    weigh: impl Fn(&T) -> (usize, usize),
) -> (Vec<T>, Vec<Claim>) {
    let now = Instant::now();
    let Some(first) = finished.iter().find(|finished| finished.claim.due <= now) else {
        return (Vec::new(), Vec::new());
    };

    let prepared = Arc::clone(&first.claim.prepared);
    let mut taken = 0;
    let mut chunks = 0;
    let mut bytes = 0;
    let due = finished.extract_if(.., |finished| {
        let (its_chunks, its_bytes) = weigh(&finished.item);
        // The first is taken however large it is.
        let fits = taken < most && chunks + its_chunks <= WRITE_CHUNKS;
        let fits = taken == 0 || (fits && bytes + its_bytes <= WRITE_BYTES);
        let take = fits && finished.claim.due <= now && Arc::ptr_eq(&finished.claim.prepared, &prepared);

        if take {
            taken += 1;
            chunks += its_chunks;
            bytes += its_bytes;
        }
        take
    });

    due.map(|finished| (finished.item, finished.claim)).unzip()
}

/// Returns the bytes that are written for a document: kept chunks need none.
pub(super) fn bytes(completed: &Completed) -> usize {
    let mut bytes = completed.text.len();
    for chunk in &completed.chunks {
        if let Chunk::New { text, embedding } = chunk {
            bytes += text.len() + size_of_val(embedding.as_slice());
        }
    }
    bytes
}
