//! Shares the server's background workers when there are fewer than databases that want one.
//!
//! The database that has waited longest gets the next one. While one waits, workers that have run for a while
//! are asked to leave: idle ones soon, busy ones later, so that each database has its turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::known_database::KnownDatabase;
use crate::shared;

/// The time between looks while a database waits. Background workers of other extensions end without notice.
const SOON: Duration = Duration::from_secs(1);

/// The time that a database waits before it is logged. After a start of the server all databases are looked
/// at, and those without the extension return their process at once.
const NOTEWORTHY: Duration = Duration::from_secs(5);

/// The times that an idle and a busy worker may stay while others wait.
const TURN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Hands out background workers.
#[derive(Default)]
pub(super) struct Processes {
    /// True if the log has the message that there are too few.
    said: bool,
}

impl Processes {
    /// Starts workers for these databases while processes are free. Returns the time until the next look.
    pub(super) fn start(
        &mut self,
        known: &mut HashMap<pg_sys::Oid, KnownDatabase>,
        mut databases: Vec<pg_sys::Oid>,
    ) -> Duration {
        let now = Instant::now();
        databases.sort_by_key(|oid| known.get(oid).and_then(|known| known.waiting_since).unwrap_or(now));
        let mut waiting = Vec::new();
        for oid in databases {
            let Some(known) = known.get_mut(&oid) else { continue };
            // Where one finds no process, the next finds none either.
            if !waiting.is_empty() || !start_one(oid, known) {
                let since = *known.waiting_since.get_or_insert(now);
                waiting.push((oid, since));
            }
        }

        self.tell(&waiting);
        shared::set_no_free_process(!waiting.is_empty());
        if waiting.is_empty() {
            return Duration::MAX;
        }
        make_some_leave(known, waiting.len());
        SOON
    }

    /// Logs that processes are missing, once until all databases have one.
    fn tell(&mut self, waiting: &[(pg_sys::Oid, Instant)]) {
        if waiting.is_empty() {
            self.said = false;
        }

        let is_noteworthy = waiting.iter().any(|(_, since)| since.elapsed() >= NOTEWORTHY);
        if self.said || !is_noteworthy {
            return;
        }
        self.said = true;
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            format!("no background worker slot is free for pgai_rs in {} databases", waiting.len()),
            "",
        )
        .set_detail("They take turns with the other databases.")
        .set_hint(
            "Increase max_worker_processes, or list the databases that need a worker in pgai_rs.databases.",
        )
        .report(PgLogLevel::WARNING);
    }
}

/// Starts a worker. Returns whether a process was free for it.
fn start_one(database: pg_sys::Oid, known: &mut KnownDatabase) -> bool {
    // SAFETY: reads a variable of this process.
    let pid = unsafe { pg_sys::MyProcPid };
    let Ok(worker) = super::builder(database).set_restart_time(None).set_notify_pid(pid).load_dynamic()
    else {
        return false;
    };
    known.worker = Some(worker);
    known.started = Some(Instant::now());
    known.asked = None;
    known.waiting_since = None;
    true
}

/// Asks workers to leave until `most` are leaving, those first that have run longest. One that was asked long ago, and has not left, is
/// not waited for: it may list a bucket or build an index for hours.
fn make_some_leave(known: &mut HashMap<pg_sys::Oid, KnownDatabase>, most: usize) {
    let mut had_their_turn: Vec<(Instant, pg_sys::Oid)> = Vec::new();
    let mut leaving = 0;
    for (oid, known) in known.iter() {
        let (Some(started), true) = (known.started, known.worker.is_some()) else { continue };
        // One that has not looked yet may leave by itself.
        let Some(slot) = shared::slot(*oid).filter(|slot| slot.last_turn != 0) else { continue };
        let turn = if slot.in_flight == 0 { TURN.0 } else { TURN.1 };
        if slot.to_leave {
            leaving += usize::from(known.asked.is_none_or(|asked| asked.elapsed() < TURN.1));
        } else if started.elapsed() >= turn {
            had_their_turn.push((started, *oid));
        }
    }

    had_their_turn.sort_unstable_by_key(|(started, _)| *started);
    for (_, oid) in had_their_turn.into_iter().take(most.saturating_sub(leaving)) {
        shared::update(oid, |slot| slot.to_leave = true);
        known.entry(oid).or_default().asked = Some(Instant::now());
        crate::trigger::wake::wake_background_workers(oid);
    }
}
