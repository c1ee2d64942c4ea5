//! The launcher's knowledge of a database.

use std::time::{Duration, Instant};

use pgrx::bgworkers::DynamicBackgroundWorker;

use pgai_rs_pipeline::backoff::Backoff;

/// The first and the longest pause before a failed worker is started again.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), LONGEST_BACKOFF);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The launcher's knowledge of a database.
pub(super) struct KnownDatabase {
    /// The worker that was started for it; `None` if none runs.
    pub(super) worker: Option<DynamicBackgroundWorker>,
    /// The time when that worker was started.
    pub(super) started: Option<Instant>,
    /// The time at which that worker was asked to leave for another database; `None` if it was not.
    pub(super) asked: Option<Instant>,
    /// The time since which it waits for a free process; `None` if it does not wait.
    pub(super) waiting_since: Option<Instant>,
    /// The time before which no other one is started, after a failure.
    pub(super) not_before: Option<Instant>,
    /// The pauses after failures that follow each other.
    pub(super) backoff: Backoff,
    /// `true` if the last worker found no extension there.
    pub(super) without_extension: bool,
}

impl Default for KnownDatabase {
    fn default() -> Self {
        KnownDatabase {
            worker: None,
            started: None,
            asked: None,
            waiting_since: None,
            not_before: None,
            backoff: BACKOFF,
            without_extension: false,
        }
    }
}
