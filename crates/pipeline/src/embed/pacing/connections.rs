//! Connections to models, of which there may be so many at a time.
//!
//! A connection is a file descriptor, and the process has few of them, most of which are Postgres's. A group
//! may take more as long as that leaves some for the others, as it may of memory; and all together never
//! take more than there are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory_budget::{MemoryBudget, Reservation, Share};
use crate::quota::Owner;

/// Hosts to which connections are kept open although nobody uses them.
const KEPT_HOSTS: usize = 8;

/// Fewest idle connections to one host, so that the next request need not wait for a handshake.
const FEWEST_IDLE: usize = 2;

/// Returns the number of idle connections that one host may have, so that all together are no more than
/// `connections`.
pub(in crate::embed) fn idle_per_host(connections: usize) -> usize {
    (connections / KEPT_HOSTS).max(FEWEST_IDLE)
}

/// Returns whether one more host beside so many others may have idle connections.
pub(in crate::embed) fn may_be_kept(others: usize) -> bool {
    others < KEPT_HOSTS
}

/// All connections.
pub(in crate::embed) struct Connections {
    fair: Arc<MemoryBudget>,
    all: Arc<Semaphore>,
}

impl Connections {
    /// Allows so many connections at a time.
    pub(in crate::embed) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Connections { fair: MemoryBudget::new(most as u64), all: Arc::new(Semaphore::new(most)) }
    }

    /// The part of them of a group with an owner's inputs.
    pub(in crate::embed) fn share(&self, owner: Owner) -> ConnectionShare {
        ConnectionShare { fair: Share::new(&self.fair, owner), all: Arc::clone(&self.all) }
    }
}

/// A group's part of the connections.
pub(in crate::embed) struct ConnectionShare {
    fair: Arc<Share>,
    all: Arc<Semaphore>,
}

/// A connection that may be used, until this is dropped.
pub(in crate::embed) struct HeldConnection {
    _reservation: Reservation,
    /// None if the semaphore was closed, which it never is.
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionShare {
    /// Waits until one more may be used.
    pub(in crate::embed) async fn take(&self) -> HeldConnection {
        let reservation = self.fair.reserve(1).await;
        let permit = Arc::clone(&self.all).acquire_owned().await;
        HeldConnection { _reservation: reservation, _permit: permit.ok() }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Takes as many as can be had without waiting.
    fn take_all(share: &ConnectionShare) -> Vec<HeldConnection> {
        std::iter::from_fn(|| share.take().now_or_never()).collect()
    }

    #[test]
    fn one_group_leaves_some_for_others_and_all_together_keep_the_limit() {
        let connections = Connections::new(16);
        let (busy, newcomer) = (connections.share(Owner::of(1)), connections.share(Owner::of(2)));
        let held = take_all(&busy);
        assert!((8..16).contains(&held.len()), "{}", held.len());
        let others = take_all(&newcomer);
        assert!(!others.is_empty());

        // Each group may have one, but not beyond what there is.
        let crowd: Vec<_> = (0..100).map(|role| connections.share(Owner::of(role))).collect();
        let crowds: usize =
            crowd.iter().filter_map(|share| share.take().now_or_never().map(std::mem::forget)).count();
        assert!(held.len() + others.len() + crowds <= 16);
    }

    #[test]
    fn many_groups_of_one_owner_leave_some_to_another() {
        let connections = Connections::new(64);
        let groups: Vec<_> = (0..20).map(|_| connections.share(Owner::of(1))).collect();
        let held: Vec<_> = groups.iter().flat_map(take_all).collect();
        assert!((32..=56).contains(&held.len()), "{}", held.len());

        let others = take_all(&connections.share(Owner::of(2)));
        assert!(others.len() >= 3, "{}", others.len());
    }

    #[test]
    fn idle_connections_of_all_hosts_are_no_more_than_those_in_use() {
        let hosts = (0..).take_while(|others| may_be_kept(*others)).count();
        for connections in [16, 100, 1000] {
            assert!(idle_per_host(connections) * hosts <= connections);
        }
    }
}
