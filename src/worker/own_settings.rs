//! The settings with which the worker starts, and starts anew when they change: those of the extension's that are set for the
//! database or for the worker's role, which Postgres reads when a process starts, and those of the process itself.

use std::time::Instant;

use crate::guc;
use crate::pg::role_settings::set_for_processes;

/// The settings with which the process has started.
#[derive(Default)]
pub struct OwnSettings {
    at_start: Option<(Vec<String>, [i32; 2])>,
    changed: Option<Instant>,
}

impl OwnSettings {
    /// Reads them. Must be called within a transaction.
    pub fn look(&mut self) {
        let now = (set_for_processes("pgai_rs."), guc::worker_process());
        let is_as_before = *self.at_start.get_or_insert_with(|| now.clone()) == now;
        if !is_as_before {
            self.changed.get_or_insert_with(Instant::now);
        }
    }

    /// Returns since when they are known to have changed after the process has started; `None` if they have not.
    pub fn changed_since(&self) -> Option<Instant> {
        self.changed
    }
}
