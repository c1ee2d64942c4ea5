//! The bytes of loaded objects that may be held at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits count KiB: a semaphore hands out at most `u32::MAX` at once.
const UNIT: u64 = 1024;

/// Bytes that all loads share.
#[derive(Debug, Clone)]
pub struct LoadBudget {
    semaphore: Arc<Semaphore>,
    units: u32,
}

/// A part of a [`LoadBudget`], given back when dropped.
#[derive(Debug, Default)]
pub struct LoadReservation {
    permit: Option<OwnedSemaphorePermit>,
    units: u32,
}

impl LoadBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        LoadBudget { semaphore: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for room for so many bytes, first come first served. What is larger than the whole
    /// budget waits for all of it, and so travels alone.
    pub async fn reserve(&self, bytes: u64) -> LoadReservation {
        let units = units(bytes).min(self.units);
        // The semaphore is never closed; were it, going on unbounded beats stopping.
        let permit = Arc::clone(&self.semaphore).acquire_many_owned(units).await.ok();
        LoadReservation { permit, units }
    }

    /// Reserves room if there is some now, and nobody has waited for it.
    pub fn try_reserve(&self, bytes: u64) -> Option<LoadReservation> {
        let units = units(bytes).min(self.units);
        let permit = Arc::clone(&self.semaphore).try_acquire_many_owned(units).ok()?;
        Some(LoadReservation { permit: Some(permit), units })
    }

    /// Returns the number of bytes that a reservation has room for.
    pub fn room(&self, reservation: &LoadReservation) -> u64 {
        u64::from(reservation.units) * UNIT
    }

    /// Returns whether a reservation has room for so many bytes. One of the whole budget has room for
    /// any number.
    pub fn covers(&self, reservation: &LoadReservation, bytes: u64) -> bool {
        reservation.units >= units(bytes).min(self.units)
    }
}

impl LoadReservation {
    /// Gives back what is not needed for so many bytes.
    pub fn shrink(&mut self, bytes: u64) {
        let surplus = self.units.saturating_sub(units(bytes));
        if let Some(permit) = &mut self.permit
            && let Some(surplus) = permit.split(surplus as usize)
        {
            drop(surplus);
            self.units = units(bytes).min(self.units);
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_given_back() {
        let budget = LoadBudget::new(10 * UNIT);
        let mut large = budget.try_reserve(8 * UNIT).unwrap();
        assert!(budget.try_reserve(3 * UNIT).is_none());
        large.shrink(7 * UNIT);
        let small = budget.try_reserve(3 * UNIT).unwrap();
        drop(large);
        assert!(budget.try_reserve(8 * UNIT).is_none());
        drop(small);
        assert!(budget.try_reserve(10 * UNIT).is_some());
    }

    #[tokio::test]
    async fn what_is_larger_than_the_budget_travels_alone() {
        let budget = LoadBudget::new(10 * UNIT);
        let giant = budget.reserve(1 << 50).await;
        assert!(budget.covers(&giant, 1 << 50));
        assert!(budget.try_reserve(1).is_none());
        drop(giant);
        assert!(budget.try_reserve(1).is_some());
    }
}
