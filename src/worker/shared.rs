//! What backends, launcher and workers tell each other through shared memory.

use pgrx::prelude::*;
use pgrx::{pg_shmem_init, pg_sys, PGRXSharedMemory, PgLwLock};

use crate::queue::wake::wake_background_workers;

/// Databases that shared memory can speak of. One more than fits is served all the same, but found
/// by the launcher's poll only, and DROP DATABASE must wait for a `FORCE` there.
const SLOTS: usize = 256;

/// A database, as far as launcher and worker must agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// `pg_database.oid`; zero for a free slot.
    pub database: u32,
    /// Process id of its worker; zero if none runs.
    pub worker: i32,
    /// CREATE EXTENSION has committed since the launcher looked last.
    pub requested: bool,
    /// The worker has found that the extension is not there.
    pub without_extension: bool,
    /// No worker before this time (microseconds of `TimestampTz`).
    pub aside_until: i64,
    /// The launcher found no background worker free for it.
    pub no_free_process: bool,
    /// The worker's last look at everything (`TimestampTz`); zero before the first.
    pub last_turn: i64,
    /// How many vectorizers it serves.
    pub vectorizers: i32,
    /// How many documents it has claimed and not settled.
    pub in_flight: i32,
}

impl Slot {
    /// A slot of which nothing was said.
    pub const FREE: Slot = Slot {
        database: 0,
        worker: 0,
        requested: false,
        without_extension: false,
        aside_until: 0,
        no_free_process: false,
        last_turn: 0,
        vectorizers: 0,
        in_flight: 0,
    };
}

#[derive(Clone, Copy)]
struct Slots([Slot; SLOTS]);

// SAFETY: plain numbers without pointers, changed under the lock only.
unsafe impl PGRXSharedMemory for Slots {}

// SAFETY: the name is ours alone.
static STATE: PgLwLock<Slots> = unsafe { PgLwLock::new(c"pgai_rs") };

const EMPTY: Slots = Slots([Slot::FREE; SLOTS]);

/// Reserves the memory; called while the library is preloaded.
pub fn init() {
    pg_shmem_init!(STATE = EMPTY);
}

/// The slot of a database as it is; none without preloading, or if nothing was ever said of it.
pub fn slot(database: pg_sys::Oid) -> Option<Slot> {
    if !super::is_preloaded() {
        return None;
    }
    STATE.share().0.iter().find(|slot| slot.database == database.to_u32()).copied()
}

/// Changes a database's slot, taking a free one if it has none. Without preloading, or with all
/// slots taken, nothing happens.
pub fn update(database: pg_sys::Oid, change: impl FnOnce(&mut Slot)) {
    if !super::is_preloaded() {
        return;
    }
    let mut state = STATE.exclusive();
    let found = state.0.iter().position(|slot| slot.database == database.to_u32());
    let place = found.or_else(|| state.0.iter().position(|slot| slot.database == 0));
    if let Some(slot) = place.map(|place| &mut state.0[place]) {
        slot.database = database.to_u32();
        change(slot);
    }
}

/// Frees the slots of databases that are gone.
pub fn retain(exists: impl Fn(pg_sys::Oid) -> bool) {
    for slot in &mut STATE.exclusive().0 {
        if slot.database != 0 && !exists(pg_sys::Oid::from(slot.database)) {
            *slot = Slot::FREE;
        }
    }
}

/// Asks the launcher to see to a database now.
pub fn request(database: pg_sys::Oid) {
    update(database, |slot| slot.requested = true);
    wake_launcher();
}

/// Sets the launcher's latch: it is in no database.
pub fn wake_launcher() {
    wake_background_workers(pg_sys::InvalidOid);
}
