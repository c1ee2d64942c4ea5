//! The builders that run in this database, and the places that they take.
//!
//! An index may take hours to build, and a builder takes a background worker and memory, so there are few
//! places. They are shared by owner: as long as there is more than one, no owner keeps the others from theirs.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::pg_sys;

use super::Order;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::pg::transaction::transaction;
use crate::shared;

/// Maximum number of builders that wait for a transaction to end, beside those at work.
const MOST_WAITING: usize = 3;

/// Maximum number of builders of one owner. Only one of them is at work when it starts.
const MOST_OF_AN_OWNER: usize = 2;

/// Maximum time that a builder may wait for a transaction while others are waiting for a place.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A running builder.
struct Building {
    vectorizer: i32,
    owner: pg_sys::Oid,
    since: Instant,
    /// The time since which every check found it waiting; `None` if the last check did not, or there was none.
    waits_since: Option<Instant>,
    process: DynamicBackgroundWorker,
}

impl Building {
    fn has_ended(&self) -> bool {
        matches!(self.process.pid(), Err(BackgroundWorkerStatus::Stopped))
    }

    fn ended(self) -> Ended {
        Ended { vectorizer: self.vectorizer, took: self.since.elapsed() }
    }
}

/// A builder that has ended, or was told to end.
pub(super) struct Ended {
    /// The vectorizer's id.
    pub vectorizer: i32,
    /// The time that it ran.
    pub took: Duration,
}

/// The builders of this process.
#[derive(Default)]
pub(super) struct Builders {
    running: Vec<Building>,
    /// The time at which a builder of an owner's was started last.
    started: HashMap<pg_sys::Oid, Instant>,
}

impl Builders {
    /// Returns whether none is running.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Returns whether a builder of this vectorizer is running.
    pub fn has(&self, vectorizer: i32) -> bool {
        self.running.iter().any(|building| building.vectorizer == vectorizer)
    }

    /// Returns whether one of them waited for a transaction at the last check.
    pub fn any_waits(&self) -> bool {
        self.running.iter().any(|building| building.waits_since.is_some())
    }

    /// Returns whether as many owners have a builder at work as may.
    pub fn is_full(&self) -> bool {
        self.owners_at_work().len() >= guc::max_index_builders()
    }

    /// Returns the process ids of the running builders.
    pub fn processes(&self) -> Vec<i32> {
        self.running.iter().filter_map(|building| building.process.pid().ok()).collect()
    }

    /// Returns the key by which owners take their turns: the one whose last builder was started longest ago comes
    /// first.
    pub fn turn(&self, owner: pg_sys::Oid) -> Option<Instant> {
        self.started.get(&owner).copied()
    }

    /// Checks which of them wait for a transaction to end, as CREATE INDEX CONCURRENTLY does: any session may
    /// keep one open for hours. Must be called outside a transaction.
    pub fn check(&mut self) -> Result<(), PgError> {
        if self.running.is_empty() {
            return Ok(());
        }

        let waiting: Vec<i32> = transaction(|| {
            sql::read(
                "SELECT pid FROM pg_catalog.pg_stat_activity
                 WHERE pid = ANY ($1) AND wait_event_type = 'Lock'",
                &[self.processes().into()],
                |row| row.get(1),
            )
        })?;
        let now = Instant::now();
        for building in &mut self.running {
            let waits = building.process.pid().is_ok_and(|pid| waiting.contains(&pid));
            building.waits_since = waits.then(|| building.waits_since.unwrap_or(now));
        }
        Ok(())
    }

    /// Returns whether this owner may have another builder now, if there is a place for it.
    ///
    /// Places are counted by owner, since several builders of one that waited together go on together.
    pub fn may_start(&self, owner: pg_sys::Oid) -> bool {
        let at_work = self.owners_at_work();
        let own = self.running.iter().filter(|building| building.owner == owner).count();
        // While databases wait for a process, an index is built in each that has a worker, but not several.
        let are_short = !at_work.is_empty() && shared::no_free_process();
        !at_work.contains(&owner) && own < MOST_OF_AN_OWNER && !self.is_full() && !are_short
    }

    /// Makes a place for another builder. If all are taken, ends the one that has waited longest, if that was too
    /// long, and returns it.
    ///
    /// # Errors
    ///
    /// `NoPlace` if none has waited too long.
    pub fn make_place(&mut self) -> Result<Option<Ended>, NoPlace> {
        if self.running.len() < guc::max_index_builders() + MOST_WAITING {
            return Ok(None);
        }

        let too_long =
            |building: &Building| building.waits_since.filter(|since| since.elapsed() > LONGEST_WAIT);
        let places = 0..self.running.len();
        let longest = places
            .filter_map(|index| Some((too_long(&self.running[index])?, index)))
            .min_by_key(|(since, _)| *since);
        let Some((_, index)) = longest else { return Err(NoPlace) };

        let ending = self.running.swap_remove(index);
        let ended = Ended { vectorizer: ending.vectorizer, took: ending.since.elapsed() };
        let _ending = ending.process.terminate();
        Ok(Some(ended))
    }

    /// Starts a builder. Returns false if no background worker slot is free.
    pub fn start(&mut self, order: Order) -> bool {
        // SAFETY: reads a variable of this process.
        let pid = unsafe { pg_sys::MyProcPid };
        let Ok(process) = order.process().set_notify_pid(pid).load_dynamic() else { return false };

        let Order { vectorizer, owner, .. } = order;
        let since = Instant::now();
        self.started.insert(owner, since);
        self.running.push(Building { vectorizer, owner, since, waits_since: None, process });
        true
    }

    /// Removes and returns the builders that have ended.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        self.running.extract_if(.., |building| building.has_ended()).map(Building::ended).collect()
    }

    /// Terminates all of them, without waiting for their end.
    pub fn end_all(&mut self) {
        for building in self.running.drain(..) {
            let _ending = building.process.terminate();
        }
    }

    fn owners_at_work(&self) -> HashSet<pg_sys::Oid> {
        let at_work = self.running.iter().filter(|building| building.waits_since.is_none());
        at_work.map(|building| building.owner).collect()
    }
}

/// There is no place for another builder.
pub(super) struct NoPlace;
