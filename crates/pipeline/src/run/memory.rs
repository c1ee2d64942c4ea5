//! The memory that the documents of a lane hold.
//!
//! The memory of a document is estimated when it is claimed, and no more are claimed than there is room for. An estimate may be
//! far too low: a template repeats columns in each chunk, and how many chunks there are is known when they are cut. So a document
//! waits once more, when it is known what it comes to and before memory is taken for that.

use std::sync::Arc;

use crate::memory_budget::{MemoryBudget, Reservation, Share};
use crate::quota::Owner;

/// The memory that all lanes share.
pub(super) struct DocumentMemory {
    /// Counts what documents hold, and are expected to.
    held: Arc<MemoryBudget>,
    /// Counts what those hold whose templates are filled. They wait for nothing that another document holds, so that they come
    /// to an end.
    filled: Arc<MemoryBudget>,
}

impl DocumentMemory {
    /// Makes a budget of so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        DocumentMemory { held: MemoryBudget::new(limit), filled: MemoryBudget::new(limit) }
    }

    /// Replaces the limit.
    pub(super) fn set_limit(&self, limit: u64) {
        self.held.set_limit(limit);
        self.filled.set_limit(limit);
    }
}

/// A lane's share of the memory.
pub(super) struct LaneMemory {
    held: Arc<Share>,
    filled: Arc<Share>,
}

impl LaneMemory {
    /// Makes the share of a lane that has no documents yet.
    pub(super) fn new(memory: &DocumentMemory, owner: Owner) -> Self {
        LaneMemory { held: Share::new(&memory.held, owner), filled: Share::new(&memory.filled, owner) }
    }

    /// Returns how many bytes may be claimed now.
    pub(super) fn left(&self) -> u64 {
        self.held.left()
    }

    /// Returns whether more may be claimed.
    pub(super) fn has_room(&self) -> bool {
        self.held.has_room()
    }

    /// Counts a document that has been claimed and is expected to hold so many bytes, whether there is room or not.
    pub(super) fn hold(&self, bytes: u64) -> Hold {
        Hold { held: Reservation::new(&self.held, bytes), share: Arc::clone(&self.filled), filled: None }
    }
}

/// The memory of a document, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    held: Reservation,
    share: Arc<Share>,
    filled: Option<Reservation>,
}

impl Hold {
    /// Waits until more may be held.
    pub(super) async fn room(&self) {
        self.held.share().room().await;
    }

    /// Replaces the number of bytes that the document is expected to hold.
    pub(super) fn set(&mut self, bytes: u64) {
        self.held.set(bytes);
        if let Some(filled) = &mut self.filled {
            filled.set(bytes);
        }
    }

    /// Waits until there is room for the so many bytes that the document will hold, besides those that it holds `so_far`. A
    /// document for which there is never room goes on when its lane has no other that was filled.
    pub(super) async fn fill(&mut self, so_far: u64, bytes: u64) {
        // Nothing is claimed meanwhile that would come first again and again.
        self.set(so_far.saturating_add(bytes));
        self.filled = Some(self.share.reserve(bytes).await);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    /// Returns whether the document may be filled at once.
    fn is_filled(hold: &mut Hold, bytes: u64) -> bool {
        hold.fill(1, bytes).now_or_never().is_some()
    }

    #[test]
    fn documents_that_come_to_much_are_filled_one_after_the_other() {
        let lane = LaneMemory::new(&DocumentMemory::new(100), A);
        // As they were claimed, there was room for many.
        let mut documents: Vec<Hold> = (0..3).map(|_| lane.hold(1)).collect();
        assert!(is_filled(&mut documents[0], 500));
        assert!(!is_filled(&mut documents[1], 500) && !is_filled(&mut documents[2], 500));
        assert!(!lane.has_room(), "nothing is claimed beside those that wait");
        documents.remove(0);
        assert!(is_filled(&mut documents[1], 500));
        assert!(!is_filled(&mut documents[0], 500));
    }

    #[test]
    fn documents_are_filled_together_as_far_as_there_is_room() {
        let lane = LaneMemory::new(&DocumentMemory::new(100), A);
        let mut documents: Vec<Hold> = (0..10).map(|_| lane.hold(1)).collect();
        let filled =
            documents.iter_mut().filter_map(|document| is_filled(document, 10).then_some(())).count();
        assert_eq!(filled, 5);
        // What is known better afterwards counts.
        documents[0].set(1);
        assert!(is_filled(&mut documents[5], 9));
    }

    #[test]
    fn documents_that_wait_keep_no_other_owner_waiting() {
        let memory = DocumentMemory::new(100);
        let (lane, other) = (LaneMemory::new(&memory, A), LaneMemory::new(&memory, B));
        let mut documents: Vec<Hold> = (0..3).map(|_| lane.hold(1)).collect();
        assert_eq!(
            documents.iter_mut().filter_map(|document| is_filled(document, 500).then_some(())).count(),
            1
        );
        assert!(is_filled(&mut other.hold(1), 500));
    }
}
