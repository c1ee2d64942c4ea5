//! The bytes of loaded objects that may be held at a time.

use std::sync::Arc;

use crate::fair::{FairSemaphore, Permit};
use crate::quota::Owner;

/// Permits count KiB.
const UNIT: u64 = 1024;

/// The part of the budget that is for an owner who has none of it.
const SPARE: u64 = 8;

/// Bytes that all loads share.
#[derive(Debug, Clone)]
pub struct LoadBudget {
    semaphore: Arc<FairSemaphore>,
}

/// A part of a [`LoadBudget`], given back when dropped.
#[derive(Debug, Default)]
pub struct LoadReservation {
    permit: Option<Permit>,
}

impl LoadBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        LoadBudget { semaphore: FairSemaphore::new(units, units / SPARE) }
    }

    /// Waits for room for so many bytes, for which owners are served in turn. What is larger than the whole
    /// budget waits for all of it, and so travels alone.
    pub async fn reserve(&self, owner: Owner, bytes: u64) -> LoadReservation {
        LoadReservation { permit: Some(self.semaphore.acquire(owner, units(bytes)).await) }
    }

    /// Reserves room if there is some now, and nobody has waited for it.
    pub fn try_reserve(&self, owner: Owner, bytes: u64) -> Option<LoadReservation> {
        let permit = self.semaphore.try_acquire(owner, units(bytes))?;
        Some(LoadReservation { permit: Some(permit) })
    }

    /// Returns the number of bytes that a reservation has room for.
    pub fn room(&self, reservation: &LoadReservation) -> u64 {
        reservation.units() * UNIT
    }

    /// Returns whether a reservation has room for so many bytes. One of the whole budget has room for
    /// any number.
    pub fn covers(&self, reservation: &LoadReservation, bytes: u64) -> bool {
        reservation.units() >= units(bytes).min(self.semaphore.total())
    }
}

impl LoadReservation {
    /// Gives back what is not needed for so many bytes.
    pub fn shrink(&mut self, bytes: u64) {
        if let Some(permit) = &mut self.permit {
            permit.keep(units(bytes));
        }
    }

    fn units(&self) -> u64 {
        self.permit.as_ref().map_or(0, Permit::permits)
    }
}

fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::of(1);
    const B: Owner = Owner::of(2);

    #[tokio::test]
    async fn room_is_given_back() {
        let budget = LoadBudget::new(10 * UNIT);
        let mut large = budget.try_reserve(A, 8 * UNIT).unwrap();
        assert!(budget.try_reserve(B, 3 * UNIT).is_none());
        large.shrink(7 * UNIT);
        let small = budget.try_reserve(B, 3 * UNIT).unwrap();
        drop(large);
        assert!(budget.try_reserve(A, 8 * UNIT).is_none());
        drop(small);
        assert!(budget.try_reserve(A, 10 * UNIT).is_some());
    }

    #[tokio::test]
    async fn what_is_larger_than_the_budget_travels_alone() {
        let budget = LoadBudget::new(10 * UNIT);
        let giant = budget.reserve(A, 1 << 50).await;
        assert!(budget.covers(&giant, 1 << 50));
        assert!(budget.try_reserve(B, 1).is_none());
        drop(giant);
        assert!(budget.try_reserve(B, 1).is_some());
    }

    #[tokio::test]
    async fn one_owners_objects_leave_room_for_others() {
        let budget = LoadBudget::new(80 * UNIT);
        let held: Vec<_> = std::iter::from_fn(|| budget.try_reserve(A, UNIT)).collect();
        assert_eq!(held.len(), 70);
        assert!(budget.try_reserve(B, 10 * UNIT).is_some());
    }
}
