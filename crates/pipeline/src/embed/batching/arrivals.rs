//! Documents that are on their way, whose inputs may still come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The documents that are on their way to their inputs. An input waits for company only while there are some.
#[derive(Debug, Default)]
pub struct Arrivals {
    expected: AtomicUsize,
    none_is_expected: Notify,
}

/// A document, or several of them, on their way. They have come, or will not, when it is dropped.
#[derive(Debug)]
pub struct Expected(Arc<Arrivals>);

impl Arrivals {
    /// Announces something that is on its way.
    pub fn announce(self: &Arc<Self>) -> Expected {
        self.expected.fetch_add(1, Ordering::SeqCst);
        Expected(Arc::clone(self))
    }

    /// Returns when nothing is on its way.
    pub(super) async fn end(&self) {
        loop {
            let mut told = std::pin::pin!(self.none_is_expected.notified());
            // Listens before it looks, so that nothing is missed in between.
            told.as_mut().enable();
            if self.expected.load(Ordering::SeqCst) == 0 {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if self.0.expected.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none_is_expected.notify_waiters();
        }
    }
}
