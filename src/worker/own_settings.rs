//! The extension's settings that are set for the database or for the worker's role. Postgres reads them when a process
//! starts, so that the worker starts anew when they change.

use std::time::Instant;

use crate::pg::role_settings::set_for_processes;
use crate::pg::transaction::transaction;

/// The settings with which the process has started.
#[derive(Default)]
pub struct OwnSettings {
    at_start: Option<Vec<String>>,
    changed: Option<Instant>,
}

impl OwnSettings {
    /// Returns since when they are known to have changed after the process has started; `None` if they have not.
    pub fn changed_since(&mut self) -> Option<Instant> {
        let Ok(now) = transaction(|| Ok(set_for_processes("pgai_rs."))) else { return self.changed };
        let is_as_before = *self.at_start.get_or_insert_with(|| now.clone()) == now;
        if !is_as_before {
            self.changed.get_or_insert_with(Instant::now);
        }
        self.changed
    }
}
