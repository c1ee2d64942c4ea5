//! How much the documents of all vectorizers hold in memory, and who may take more.
//!
//! A document holds its text, its chunks and their vectors until it is settled. That a vectorizer's
//! provider is slow must not keep the others from working, so there is no lock to queue for: a
//! vectorizer may go on while the total is below the limit or its own part is below a fair share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use tokio::sync::Notify;

/// The memory of all documents. The total stays below twice the limit plus what the documents
/// hold that are being loaded at that moment.
#[derive(Debug)]
pub(super) struct Memory {
    limit: AtomicU64,
    total: AtomicU64,
    /// Vectorizers that hold anything.
    holders: AtomicUsize,
    released: Notify,
}

/// A vectorizer's part of it.
#[derive(Debug)]
pub(super) struct LaneMemory {
    memory: Arc<Memory>,
    held: AtomicU64,
}

/// What a document holds, given back when dropped.
#[derive(Debug)]
pub(super) struct Weight {
    lane: Arc<LaneMemory>,
    bytes: u64,
}

impl Memory {
    /// With a limit in bytes.
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Memory {
            limit: AtomicU64::new(limit),
            total: AtomicU64::new(0),
            holders: AtomicUsize::new(0),
            released: Notify::new(),
        })
    }

    /// Replaces the limit.
    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.released.notify_waiters();
    }
}

impl LaneMemory {
    /// A vectorizer that holds nothing yet.
    pub(super) fn new(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(LaneMemory { memory: Arc::clone(memory), held: AtomicU64::new(0) })
    }

    /// How many bytes this vectorizer may take now.
    pub(super) fn left(&self) -> u64 {
        let limit = self.memory.limit.load(Ordering::Relaxed);
        let holders = self.memory.holders.load(Ordering::Relaxed).max(1) as u64;
        let of_all = limit.saturating_sub(self.memory.total.load(Ordering::Relaxed));
        let of_share = (limit / holders).saturating_sub(self.held.load(Ordering::Relaxed));
        of_all.max(of_share)
    }

    /// Whether this vectorizer may take more.
    pub(super) fn has_room(&self) -> bool {
        self.left() > 0
    }

    /// Waits until it may.
    pub(super) async fn room(&self) {
        loop {
            // Made before the look, lest a release between the two be missed.
            let released = self.memory.released.notified();
            if self.has_room() {
                return;
            }
            released.await;
        }
    }

    fn add(&self, bytes: u64) {
        if bytes > 0 && self.held.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.memory.holders.fetch_add(1, Ordering::Relaxed);
        }
        self.memory.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn sub(&self, bytes: u64) {
        if bytes > 0 && self.held.fetch_sub(bytes, Ordering::Relaxed) == bytes {
            self.memory.holders.fetch_sub(1, Ordering::Relaxed);
        }
        self.memory.total.fetch_sub(bytes, Ordering::Relaxed);
        self.memory.released.notify_waiters();
    }
}

impl Weight {
    /// What a document holds from now on.
    pub(super) fn new(lane: &Arc<LaneMemory>, bytes: u64) -> Self {
        lane.add(bytes);
        Weight { lane: Arc::clone(lane), bytes }
    }

    /// The vectorizer whose part it is.
    pub(super) fn lane(&self) -> &LaneMemory {
        &self.lane
    }

    /// Replaces what the document holds.
    pub(super) fn set(&mut self, bytes: u64) {
        self.lane.add(bytes);
        self.lane.sub(self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.lane.sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_may_take_all() {
        let memory = Memory::new(100);
        let lane = LaneMemory::new(&memory);
        let mut weight = Weight::new(&lane, 99);
        assert!(lane.has_room());
        weight.set(100);
        assert!(!lane.has_room());
        drop(weight);
        assert!(lane.has_room());
        assert_eq!(memory.holders.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_holds_much_keeps_nobody_from_his_share() {
        let memory = Memory::new(100);
        let (much, little) = (LaneMemory::new(&memory), LaneMemory::new(&memory));
        let _much = Weight::new(&much, 100);
        let mut weight = Weight::new(&little, 10);
        assert_eq!((much.left(), little.left()), (0, 40));
        weight.set(50);
        assert!(!little.has_room());
    }

    #[tokio::test]
    async fn waits_for_room() {
        let memory = Memory::new(100);
        let lane = LaneMemory::new(&memory);
        let weight = Weight::new(&lane, 100);
        let waiting = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { lane.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(weight);
        waiting.await.unwrap();
    }
}
