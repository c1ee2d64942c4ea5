//! The settings with which the worker starts, and starts anew when they change: those of the extension's that are set for the
//! database or for the worker's role, which Postgres reads when a process starts, and those of the process itself.

use std::time::{Duration, Instant};

use crate::guc;
use crate::pg::role_settings::set_for_processes;

/// The shortest time between two looks: most turns come much faster, and nobody is told when the catalog of settings changes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The settings with which the process has started.
#[derive(Default)]
pub struct OwnSettings {
    at_start: Option<(Vec<String>, [i32; 2])>,
    looked: Option<Instant>,
    changed: Option<Instant>,
}

impl OwnSettings {
    /// Reads them, unless that was done just now. Must be called within a transaction.
    pub fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < INTERVAL) {
            return;
        }
        self.looked = Some(Instant::now());

        let now = (set_for_processes("pgai_rs."), guc::worker_process());
        let is_as_before = *self.at_start.get_or_insert_with(|| now.clone()) == now;
        if !is_as_before {
            self.changed.get_or_insert_with(Instant::now);
        }
    }

    /// Has them read at the next look, because the configuration files were read again.
    pub fn forget(&mut self) {
        self.looked = None;
    }

    /// Returns since when they are known to have changed after the process has started; `None` if they have not.
    pub fn changed_since(&self) -> Option<Instant> {
        self.changed
    }
}
