//! A shared budget, of bytes or of whatever else is counted, with fair shares.
//!
//! A slow provider must not keep the others from working, so there is no queue to wait in: a holder may
//! reserve more as long as it holds less than what is free. One alone gets half, two get a third each, and a
//! newcomer finds room whatever the others do (the dynamic threshold of Choudhury and Hahne, "Dynamic queue
//! length thresholds for shared-memory packet switches", 1998, with a factor of 1).
//!
//! Several holders of one owner share a part of the owner's in the same way. Together they hold less than
//! seven times what is free, however many they are, and so leave an eighth to other owners.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::quota::Owner;

/// All holders of one owner together may have so many times what is free.
const OWNERS_PART: u64 = 7;

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
    /// The part of it that each owner has; none who has nothing.
    owners: HashMap<Owner, u64>,
}

/// One holder's share of the budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<MemoryBudget>,
    owner: Owner,
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
        Arc::new(MemoryBudget {
            state: Mutex::new(State { limit, total: 0, owners: HashMap::new() }),
            released: Notify::new(),
        })
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
    pub(crate) fn new(budget: &Arc<MemoryBudget>, owner: Owner) -> Arc<Self> {
        let (held, counted) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Share { budget: Arc::clone(budget), owner, held, counted })
    }

    /// Returns whose it is.
    pub(crate) fn owner(&self) -> Owner {
        self.owner
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
    /// number once there is some room, or its owner has nothing either: it would wait for ever otherwise.
    pub(crate) async fn reserve(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.released(|state| {
            let left = self.left_of(state);
            let has_none = self.held.load(Ordering::Relaxed) == 0;
            let may = left >= bytes || (has_none && (left > 0 || self.owners_bytes(state) == 0));
            may.then(|| {
                self.change(state, |held| held.saturating_add(bytes));
                Reservation { share: Arc::clone(self), bytes }
            })
        })
        .await
    }

    /// Returns how many bytes may be reserved now. Each byte that this holder reserves is also one less that
    /// is free: the two meet half-way, or before that where its owner has other holders.
    fn left_of(&self, state: &State) -> u64 {
        let free = state.limit.saturating_sub(state.total);
        let held = self.held.load(Ordering::Relaxed);

        // It holds less than a sixth of what is left to its owner, which is seven times what is free without what the
        // owner holds. Where it is the owner's only holder, it holds less than what is free.
        let left_to_owner = free.saturating_mul(OWNERS_PART).saturating_sub(self.owners_bytes(state));
        left_to_owner.saturating_sub(held.saturating_mul(OWNERS_PART - 1)).div_ceil(2 * OWNERS_PART)
    }

    /// Returns how many bytes its owner has, of those that count.
    fn owners_bytes(&self, state: &State) -> u64 {
        state.owners.get(&self.owner).copied().unwrap_or(0)
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
        let before = self.counted.swap(counted, Ordering::Relaxed);
        state.total = state.total.saturating_sub(before) + counted;

        let owners = self.owners_bytes(state).saturating_sub(before) + counted;
        if owners == 0 {
            state.owners.remove(&self.owner);
        } else {
            state.owners.insert(self.owner, owners);
        }
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

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    #[test]
    fn one_alone_gets_half() {
        let budget = MemoryBudget::new(100);
        let share = Share::new(&budget, A);
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
        let shares: Vec<_> = (0..5).map(|role| Share::new(&budget, Owner::of(role))).collect();
        let mut held = Vec::new();
        // Each takes as much as it may, and none gives anything back.
        for share in &shares {
            assert!(share.has_room());
            held.push(Reservation::new(share, share.left()));
        }
        assert!(held.iter().map(|reservation| reservation.bytes).sum::<u64>() <= 100);
        assert!(shares.iter().all(|share| share.held.load(Ordering::Relaxed) > 0));
    }

    /// Lets so many of one owner take as much as they may, none of which gives anything back.
    fn take_all(budget: &Arc<MemoryBudget>, owner: Owner, holders: usize) -> Vec<Reservation> {
        let shares = (0..holders).map(|_| Share::new(budget, owner));
        shares.map(|share| Reservation::new(&share, share.left())).collect()
    }

    #[test]
    fn many_holders_of_one_owner_leave_as_much_to_another_as_few_do() {
        for holders in [3, 100] {
            let budget = MemoryBudget::new(1000);
            let held = take_all(&budget, A, holders);
            let all: u64 = held.iter().map(|reservation| reservation.bytes).sum();
            assert!((800..=880).contains(&all), "{holders} have {all}");
            assert!(Share::new(&budget, B).left() >= 60, "{holders} leave too little");
        }
    }

    #[test]
    fn holders_of_one_owner_leave_room_to_its_others() {
        let budget = MemoryBudget::new(1 << 30);
        let held = take_all(&budget, A, 8);
        assert!(held.iter().all(|reservation| reservation.bytes > 1 << 15), "{held:?}");
    }

    #[tokio::test]
    async fn not_each_holder_of_an_owner_that_has_much_may_have_any_number() {
        let budget = MemoryBudget::new(100);
        let mut held = Vec::new();
        for _ in 0..100 {
            let share = Share::new(&budget, A);
            let reserved = tokio::time::timeout(std::time::Duration::ZERO, share.reserve(1000)).await;
            held.extend(reserved);
        }
        assert!(held.len() <= 2, "{}", held.len());
    }

    #[tokio::test]
    async fn waits_for_room() {
        let budget = MemoryBudget::new(100);
        let share = Share::new(&budget, A);
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
        let (one, other) = (Share::new(&budget, A), Share::new(&budget, B));
        let giant = one.reserve(1000).await;
        assert_eq!((one.left(), other.left()), (0, 25));
        drop(giant);
        assert_eq!((one.left(), other.left()), (50, 50));
    }
}
