//! Permits that many owners share, handed out fairly among the owners.
//!
//! A queue of all who wait is fair to each of them, and so gives everything to whoever sends the most. Here each
//! owner has a queue of its own, and the next permit goes to the owner who has had the least: permits are charged by
//! the time for which they are held. One owner alone has all but the spare ones, which are for an owner who has
//! none, so that whoever comes need not wait until others end.
//!
//! * `order`: who is next, which knows neither threads nor a clock

mod order;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use self::order::Order;
use crate::quota::Owner;

/// Permits that owners share.
#[derive(Debug)]
pub(crate) struct FairSemaphore {
    order: Mutex<Order<oneshot::Sender<Permit>>>,
    total: u64,
}

/// Permits that one owner has until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    semaphore: Arc<FairSemaphore>,
    owner: Owner,
    permits: u64,
}

impl FairSemaphore {
    /// Makes so many permits, of which some are spare: only an owner who has none may take them.
    pub(crate) fn new(total: u64, spare: u64) -> Arc<Self> {
        Arc::new(FairSemaphore { order: Mutex::new(Order::new(total, spare)), total })
    }

    /// Returns the number of all permits.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Waits for so many permits, or for all if that is more than there are. Cancel-safe.
    pub(crate) async fn acquire(self: &Arc<Self>, owner: Owner, permits: u64) -> Permit {
        loop {
            let (sender, granted) = oneshot::channel();
            self.order().ask(owner, permits.min(self.total), sender, Instant::now());
            self.hand_out();

            // Nobody drops the sender of one who waits; were it so, asking again would be right.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    /// Takes permits if that is possible without waiting, and without passing anybody who waits.
    pub(crate) fn try_acquire(self: &Arc<Self>, owner: Owner, permits: u64) -> Option<Permit> {
        let (sender, mut granted) = oneshot::channel();
        self.order().ask(owner, permits.min(self.total), sender, Instant::now());
        self.hand_out();
        granted.try_recv().ok()
    }

    /// Gives each who is next the permits.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let next = self.order().next(Instant::now(), |sender| !sender.is_closed());
            let Some((owner, permits, sender)) = next else { return };

            // One who has gone away meanwhile gives them back by dropping them. Not under the lock, which that takes.
            let _ = sender.send(Permit { semaphore: Arc::clone(self), owner, permits });
        }
    }

    /// Locks the order. Nothing that panics half-way is done under the lock.
    fn order(&self) -> MutexGuard<'_, Order<oneshot::Sender<Permit>>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Gives back all but so many.
    pub(crate) fn keep(&mut self, permits: u64) {
        let surplus = self.permits.saturating_sub(permits);
        if surplus > 0 {
            self.permits -= surplus;
            self.semaphore.order().release(self.owner, surplus, Instant::now());
            self.semaphore.hand_out();
        }
    }

    /// Returns the number of permits.
    pub(crate) fn permits(&self) -> u64 {
        self.permits
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.keep(0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    #[tokio::test]
    async fn one_alone_has_all_but_the_spare_and_a_newcomer_need_not_wait() {
        let semaphore = FairSemaphore::new(5, 1);
        let held: Vec<_> = (0..5).map_while(|_| semaphore.try_acquire(A, 1)).collect();
        assert_eq!(held.len(), 4);
        assert!(semaphore.acquire(A, 1).now_or_never().is_none());
        assert!(semaphore.acquire(B, 1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_went_away_gets_nothing_and_keeps_nobody_waiting() {
        let semaphore = FairSemaphore::new(1, 0);
        let held = semaphore.acquire(A, 1).await;
        let mut given_up = Box::pin(semaphore.acquire(A, 1));
        assert!(given_up.as_mut().now_or_never().is_none());
        let mut waits = Box::pin(semaphore.acquire(B, 1));
        assert!(waits.as_mut().now_or_never().is_none());

        drop(given_up);
        drop(held);
        drop(waits.await);
        assert!(semaphore.try_acquire(A, 1).is_some());
    }

    #[tokio::test]
    async fn who_was_granted_permits_and_never_looked_gives_them_back() {
        let semaphore = FairSemaphore::new(1, 0);
        let held = semaphore.acquire(A, 1).await;
        let mut waits = Box::pin(semaphore.acquire(B, 1));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(held);
        assert!(semaphore.try_acquire(A, 1).is_none(), "it is another's");
        drop(waits);
        assert!(semaphore.try_acquire(A, 1).is_some());
    }

    #[tokio::test]
    async fn what_is_given_back_in_part_goes_to_the_next() {
        let semaphore = FairSemaphore::new(10, 0);
        let mut held = semaphore.acquire(A, 100).await;
        assert_eq!(held.permits(), 10);
        let mut waits = Box::pin(semaphore.acquire(B, 4));
        held.keep(7);
        assert!(waits.as_mut().now_or_never().is_none());
        held.keep(6);
        assert_eq!(waits.await.permits(), 4);
    }
}
