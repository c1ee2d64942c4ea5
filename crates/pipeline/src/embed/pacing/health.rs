//! A provider's health, shared by all of a vectorizer's requests: does it refuse whatever is asked?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::failure::{Failure, Retry};

/// A provider's health, as its answers tell it.
#[derive(Debug, Default)]
pub(in crate::embed) struct Health {
    /// The failure that every input ends with until this time.
    refusal: Mutex<Option<(Instant, Failure)>>,
    /// The last that is known of it is an answer.
    up: AtomicBool,
}

impl Health {
    /// The provider answered.
    pub(in crate::embed) fn succeeded(&self) {
        *self.lock() = None;
        self.up.store(true, Ordering::Relaxed);
    }

    /// The provider does not take even what is harmless.
    pub(in crate::embed) fn failed(&self) {
        self.up.store(false, Ordering::Relaxed);
    }

    /// Returns whether the provider answered, and has not failed since.
    pub(in crate::embed) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// The provider refuses whatever is asked.
    pub(in crate::embed) fn refused(&self, failure: &Failure) {
        if let Retry::After(pause) = failure.retry {
            *self.lock() = Some((Instant::now() + pause, failure.clone()));
        }
    }

    /// Returns the failure that every input ends with for now.
    pub(in crate::embed) fn refusal(&self) -> Option<Failure> {
        let mut refusal = self.lock();
        let (until, failure) = refusal.clone()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            *refusal = None;
            return None;
        }
        Some(Failure { retry: Retry::After(left), ..failure })
    }

    /// A panic while the lock was held leaves a state that is as good as any other.
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Failure)>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
