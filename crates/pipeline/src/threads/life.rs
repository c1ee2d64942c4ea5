//! How long something of a session's request goes on: a thread in a name look-up, or one that reads an answer, can't be
//! interrupted, and outlives the statement that asked.

use std::future::Future;
use std::sync::{Arc, Weak};

tokio::task_local! {
    static CURRENT: RequestLife;
}

/// The life of a request: whatever goes on for it holds a clone.
#[derive(Debug, Clone, Default)]
pub struct RequestLife(Arc<()>);

/// Tells whether anything of a request still goes on.
#[derive(Debug, Clone)]
pub struct Remains(Weak<()>);

impl RequestLife {
    /// Runs a future as a part of the request: name look-ups that it begins are the request's.
    pub async fn scope<T>(self, part: impl Future<Output = T>) -> T {
        CURRENT.scope(self, part).await
    }

    /// Returns the life of the request that the current task is a part of, if it is one of a session's.
    pub(crate) fn current() -> Option<RequestLife> {
        CURRENT.try_with(RequestLife::clone).ok()
    }

    /// Ends the caller's part of the request.
    pub fn end(self) -> Remains {
        Remains(Arc::downgrade(&self.0))
    }
}

impl Remains {
    /// Returns whether something of the request still goes on.
    pub fn go_on(&self) -> bool {
        self.0.strong_count() > 0
    }
}
