//! How much of something all hold in memory together, and who may take more.
//!
//! That one's provider is slow must not keep the others from working, so there is no queue to wait in:
//! whoever holds less than what is free may take more. One alone gets half, two a third each, and a
//! newcomer finds room whatever the others do (the dynamic threshold of Choudhury and Hahne, "Dynamic
//! queue length thresholds for shared-memory packet switches", 1998, with a factor of 1).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What all hold together. It exceeds the limit by no more than what is larger than the room for it, and
/// so travels alone.
#[derive(Debug)]
pub(crate) struct Memory {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug)]
struct State {
    limit: u64,
    /// What all hold, of each half of the limit at most: a giant must not keep all others waiting.
    total: u64,
}

/// One's part of it.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    /// Changed under the lock of the memory's state.
    held: AtomicU64,
    /// How much of it is in the total.
    counted: AtomicU64,
}

/// Bytes that are held, given back when dropped.
#[derive(Debug)]
pub(crate) struct Weight {
    share: Arc<Share>,
    bytes: u64,
}

impl Memory {
    /// With a limit in bytes.
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Memory { state: Mutex::new(State { limit, total: 0 }), released: Notify::new() })
    }

    /// Replaces the limit.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.lock().limit = limit;
        self.released.notify_waiters();
    }

    /// Nothing that panics half-way is done under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Of somebody who holds nothing yet.
    pub(crate) fn new(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Share { memory: Arc::clone(memory), held: AtomicU64::new(0), counted: AtomicU64::new(0) })
    }

    /// How many bytes may be taken now.
    pub(crate) fn left(&self) -> u64 {
        self.left_of(&self.memory.lock())
    }

    /// Whether more may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.left() > 0
    }

    /// Waits until more may be taken.
    pub(crate) async fn room(&self) {
        self.released(|state| (self.left_of(state) > 0).then_some(())).await;
    }

    /// Takes so many bytes, as soon as there is room for them. Whoever holds nothing may take any
    /// number: he would wait for ever otherwise.
    pub(crate) async fn take(self: &Arc<Self>, bytes: u64) -> Weight {
        self.released(|state| {
            let may = self.left_of(state) >= bytes || self.held.load(Ordering::Relaxed) == 0;
            may.then(|| {
                self.change(state, |held| held.saturating_add(bytes));
                Weight { share: Arc::clone(self), bytes }
            })
        })
        .await
    }

    fn left_of(&self, state: &State) -> u64 {
        // What is taken is not free any more, so that he meets the others half-way.
        let free = state.limit.saturating_sub(state.total);
        free.saturating_sub(self.held.load(Ordering::Relaxed)).div_ceil(2)
    }

    /// Looks whenever something was given back.
    async fn released<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            // Made before the look, lest a release between the two be missed.
            let released = self.memory.released.notified();
            if let Some(found) = look(&mut self.memory.lock()) {
                return found;
            }
            released.await;
        }
    }

    fn change(&self, state: &mut State, change: impl FnOnce(u64) -> u64) {
        let held = change(self.held.load(Ordering::Relaxed));
        let counted = held.min(state.limit / 2);
        self.held.store(held, Ordering::Relaxed);
        state.total = state.total.saturating_sub(self.counted.swap(counted, Ordering::Relaxed)) + counted;
    }
}

impl Weight {
    /// What somebody holds from now on, whether there is room or not.
    pub(crate) fn new(share: &Arc<Share>, bytes: u64) -> Self {
        share.change(&mut share.memory.lock(), |held| held.saturating_add(bytes));
        Weight { share: Arc::clone(share), bytes }
    }

    /// Whose part it is.
    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    /// Replaces what is held.
    pub(crate) fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let memory = &self.share.memory;
        self.share.change(&mut memory.lock(), |held| held.saturating_sub(before).saturating_add(bytes));
        if bytes < before {
            memory.released.notify_waiters();
        }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_gets_half() {
        let memory = Memory::new(100);
        let share = Share::new(&memory);
        let mut weight = Weight::new(&share, 30);
        assert_eq!(share.left(), 20);
        weight.set(50);
        assert!(!share.has_room());
        drop(weight);
        assert_eq!(share.left(), 50);
    }

    #[test]
    fn who_holds_much_keeps_nobody_from_his_part() {
        let memory = Memory::new(100);
        let shares: Vec<_> = (0..5).map(|_| Share::new(&memory)).collect();
        let mut held = Vec::new();
        // Each takes as much as he may, and none gives anything back.
        for share in &shares {
            assert!(share.has_room());
            held.push(Weight::new(share, share.left()));
        }
        assert!(held.iter().map(|weight| weight.bytes).sum::<u64>() <= 100);
        assert!(shares.iter().all(|share| share.held.load(Ordering::Relaxed) > 0));
    }

    #[tokio::test]
    async fn waits_for_room() {
        let memory = Memory::new(100);
        let share = Share::new(&memory);
        let weight = Weight::new(&share, 100);
        let waiting = tokio::spawn({
            let share = Arc::clone(&share);
            async move {
                share.room().await;
                share.take(50).await
            }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(weight);
        assert_eq!(waiting.await.unwrap().bytes, 50);
    }

    #[tokio::test]
    async fn a_giant_travels_alone_and_keeps_nobody_waiting() {
        let memory = Memory::new(100);
        let (one, other) = (Share::new(&memory), Share::new(&memory));
        let giant = one.take(1000).await;
        assert_eq!((one.left(), other.left()), (0, 25));
        drop(giant);
        assert_eq!((one.left(), other.left()), (50, 50));
    }
}
