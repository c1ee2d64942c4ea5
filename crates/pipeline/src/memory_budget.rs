//! A shared budget, of bytes or of whatever else is counted, with fair shares.
//!
//! A slow provider must not keep the others from working, so there is no queue to wait in: a holder may
//! reserve more as long as it holds less than what is free. One alone gets half, two get a third each, and a
//! newcomer finds room whatever the others do (the dynamic threshold of Choudhury and Hahne, "Dynamic queue
//! length thresholds for shared-memory packet switches", 1998, with a factor of 1).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A budget that all holders share. It is exceeded only by a reservation that is larger than the room for it,
/// which is made when its holder has no other.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug)]
struct State {
    limit: u64,
    /// The sum of what the holders have, where none counts for more than half of the limit: one giant must
    /// not keep all others waiting.
    total: u64,
}

/// One holder's share of the budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<MemoryBudget>,
    /// The bytes that the holder has. Changed under the lock of the budget's state.
    held: AtomicU64,
    /// The part of them that counts in the total.
    counted: AtomicU64,
}

/// Bytes that are reserved, and released when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    share: Arc<Share>,
    bytes: u64,
}

impl MemoryBudget {
    /// Makes a budget of so many bytes.
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(MemoryBudget { state: Mutex::new(State { limit, total: 0 }), released: Notify::new() })
    }

    /// Replaces the limit.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.lock().limit = limit;
        self.released.notify_waiters();
    }

    /// Locks the state. Nothing that panics half-way is done under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Makes the share of a holder that has nothing yet.
    pub(crate) fn new(budget: &Arc<MemoryBudget>) -> Arc<Self> {
        Arc::new(Share { budget: Arc::clone(budget), held: AtomicU64::new(0), counted: AtomicU64::new(0) })
    }

    /// Returns how many bytes may be reserved now.
    pub(crate) fn left(&self) -> u64 {
        self.left_of(&self.budget.lock())
    }

    /// Returns whether more may be reserved.
    pub(crate) fn has_room(&self) -> bool {
        self.left() > 0
    }

    /// Waits until more may be reserved.
    pub(crate) async fn room(&self) {
        self.released(|state| (self.left_of(state) > 0).then_some(())).await;
    }

    /// Reserves so many bytes, as soon as there is room for them. A holder that has nothing may reserve any
    /// number: it would wait for ever otherwise.
    pub(crate) async fn reserve(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.released(|state| {
            let may = self.left_of(state) >= bytes || self.held.load(Ordering::Relaxed) == 0;
            may.then(|| {
                self.change(state, |held| held.saturating_add(bytes));
                Reservation { share: Arc::clone(self), bytes }
            })
        })
        .await
    }

    /// Returns how many bytes may be reserved now. Each byte that this holder reserves is also one less that
    /// is free: the two meet half-way.
    fn left_of(&self, state: &State) -> u64 {
        let free = state.limit.saturating_sub(state.total);
        free.saturating_sub(self.held.load(Ordering::Relaxed)).div_ceil(2)
    }

    /// Looks now, and again whenever something was released, until something is found.
    async fn released<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            // Made before the look, lest a release between the two be missed.
            let released = self.budget.released.notified();
            if let Some(found) = look(&mut self.budget.lock()) {
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

impl Reservation {
    /// Reserves what a holder has from now on, whether there is room or not.
    pub(crate) fn new(share: &Arc<Share>, bytes: u64) -> Self {
        share.change(&mut share.budget.lock(), |held| held.saturating_add(bytes));
        Reservation { share: Arc::clone(share), bytes }
    }

    /// Returns the share that it belongs to.
    pub(crate) fn share(&self) -> &Share {
        &self.share
    }

    /// Replaces the number of bytes that are reserved.
    pub(crate) fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let budget = &self.share.budget;
        self.share.change(&mut budget.lock(), |held| held.saturating_sub(before).saturating_add(bytes));
        if bytes < before {
            budget.released.notify_waiters();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_gets_half() {
        let budget = MemoryBudget::new(100);
        let share = Share::new(&budget);
        let mut reservation = Reservation::new(&share, 30);
        assert_eq!(share.left(), 20);
        reservation.set(50);
        assert!(!share.has_room());
        drop(reservation);
        assert_eq!(share.left(), 50);
    }

    #[test]
    fn who_holds_much_keeps_nobody_from_a_part() {
        let budget = MemoryBudget::new(100);
        let shares: Vec<_> = (0..5).map(|_| Share::new(&budget)).collect();
        let mut held = Vec::new();
        // Each takes as much as it may, and none gives anything back.
        for share in &shares {
            assert!(share.has_room());
            held.push(Reservation::new(share, share.left()));
        }
        assert!(held.iter().map(|reservation| reservation.bytes).sum::<u64>() <= 100);
        assert!(shares.iter().all(|share| share.held.load(Ordering::Relaxed) > 0));
    }

    #[tokio::test]
    async fn waits_for_room() {
        let budget = MemoryBudget::new(100);
        let share = Share::new(&budget);
        let reservation = Reservation::new(&share, 100);
        let waiting = tokio::spawn({
            let share = Arc::clone(&share);
            async move {
                share.room().await;
                share.reserve(50).await
            }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(reservation);
        assert_eq!(waiting.await.unwrap().bytes, 50);
    }

    #[tokio::test]
    async fn a_giant_travels_alone_and_keeps_nobody_waiting() {
        let budget = MemoryBudget::new(100);
        let (one, other) = (Share::new(&budget), Share::new(&budget));
        let giant = one.reserve(1000).await;
        assert_eq!((one.left(), other.left()), (0, 25));
        drop(giant);
        assert_eq!((one.left(), other.left()), (50, 50));
    }
}
