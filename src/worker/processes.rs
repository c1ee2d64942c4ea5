//! Background workers of the server, when there are fewer than databases that want one.
//!
//! Whoever has waited longest gets the next that is free. While somebody waits, those who have had theirs for a
//! while are asked to leave: idle ones soon, busy ones later, so that each database has its turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::launcher::Known;
use super::shared;

/// How soon to look again while somebody waits: others' background workers end without telling us.
const SOON: Duration = Duration::from_secs(1);

/// How long somebody waits before the log says so. After a start of the server all databases are looked
/// at, and those without the extension give their process back at once.
const NOTEWORTHY: Duration = Duration::from_secs(5);

/// How long an idle worker stays while others wait, and how long a busy one.
const TURN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Hands them out.
#[derive(Default)]
pub(super) struct Processes {
    /// The log has said that there are too few.
    said: bool,
}

impl Processes {
    /// Starts workers for these databases, as far as there are processes; answers when to look again.
    pub(super) fn start(
        &mut self,
        known: &mut HashMap<pg_sys::Oid, Known>,
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

    /// Once, until all who want one have one.
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
            format!(
                "no background worker slot is free for {} databases that wait for pgai_rs",
                waiting.len()
            ),
            "",
        )
        .set_detail("They take turns with the others.")
        .set_hint("Raise max_worker_processes, or name the databases that need one in pgai_rs.databases.")
        .report(PgLogLevel::WARNING);
    }
}

/// Says whether there was a process for it.
fn start_one(database: pg_sys::Oid, known: &mut Known) -> bool {
    // SAFETY: reads a variable of this process.
    let pid = unsafe { pg_sys::MyProcPid };
    let Ok(worker) = super::builder(database).set_restart_time(None).set_notify_pid(pid).load_dynamic()
    else {
        return false;
    };
    known.worker = Some(worker);
    known.started = Some(Instant::now());
    known.waiting_since = None;
    true
}

/// Asks at most so many workers to leave: those first who have been there longest.
fn make_some_leave(known: &HashMap<pg_sys::Oid, Known>, most: usize) {
    let mut had_their_turn: Vec<(Instant, pg_sys::Oid)> = Vec::new();
    let mut leaving = 0;
    for (oid, known) in known {
        let (Some(started), true) = (known.started, known.worker.is_some()) else { continue };
        // One that has not looked yet may leave by itself.
        let Some(slot) = shared::slot(*oid).filter(|slot| slot.last_turn != 0) else { continue };
        let turn = if slot.in_flight == 0 { TURN.0 } else { TURN.1 };
        if slot.to_leave {
            leaving += 1;
        } else if started.elapsed() >= turn {
            had_their_turn.push((started, *oid));
        }
    }
    had_their_turn.sort_unstable_by_key(|(started, _)| *started);
    for (_, oid) in had_their_turn.into_iter().take(most.saturating_sub(leaving)) {
        shared::update(oid, |slot| slot.to_leave = true);
        crate::queue::wake::wake_background_workers(oid);
    }
}
