//! Shared memory in which backends, launcher and workers exchange information.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::queue::wake::wake_background_workers;

/// The number of slots beyond one for each background worker of the server. They are for databases that were
/// just created, or that a statement needs without connections.
const SPARE_SLOTS: usize = 64;

/// The name of the memory and of its lock.
const NAME: &std::ffi::CStr = c"pgai_rs";

/// The lock under which Postgres allocates shared memory (`AddinShmemInitLock`).
const HANDING_OUT: usize = 21;

/// The state of a database that launcher and worker share.
///
/// A database has a slot while there is something to know of it; the launcher frees the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// `pg_database.oid`; zero for a free slot.
    pub database: u32,
    /// The process id of its worker; zero if none runs.
    pub worker: i32,
    /// True if CREATE EXTENSION has committed since the launcher looked last.
    pub requested: bool,
    /// True if the worker has found that the extension is missing.
    pub without_extension: bool,
    /// True if the launcher wants the worker's process for another database.
    pub to_leave: bool,
    /// The time before which no worker may start (microseconds of `TimestampTz`).
    pub away_until: i64,
    /// The time of the worker's last turn (microseconds of `TimestampTz`); zero before the first.
    pub last_turn: i64,
    /// The number of vectorizers that it serves.
    pub vectorizers: i32,
    /// The number of documents that it has claimed and not settled.
    pub in_flight: i32,
    /// The owners whose SQL has ended the worker.
    pub stubborn: [Stubborn; REMEMBERED_OWNERS],
    /// The tokens that sessions have sent to models since the worker took them over last.
    pub asked: [Asked; ASKING_ROLES],
    /// The day of `asked`, counted from 1970-01-01: what is left of another day has no part in today's quotas.
    pub asked_on: u64,
}

/// The tokens that the sessions of one role have sent to models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The role; zero for none.
    pub role: u32,
    /// The estimated number of tokens.
    pub tokens: u64,
}

/// The number of roles that a database counts separately. Further roles are counted under role zero, and so
/// for the database only, until the worker has taken over the counts.
const ASKING_ROLES: usize = 64;

/// An owner whose SQL could not be stopped when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stubborn {
    /// The role; zero for none.
    pub owner: u32,
    /// The number of bars since it was last forgotten.
    pub times: u32,
    /// The time before which nothing of the owner runs (microseconds of `TimestampTz`).
    pub until: i64,
}

/// The number of owners that a database remembers. Beyond it, those are forgotten whose time is over first.
const REMEMBERED_OWNERS: usize = 32;

/// The time for which a stubborn owner is barred at first, doubled each time (microseconds).
const FIRST_BAR: i64 = 60_000_000;

/// The largest number of times that it is doubled.
const MOST_DOUBLED: u32 = 6;

/// The time for which an owner is remembered after the bar has ended (microseconds).
const REMEMBERED: i64 = 3_600_000_000;

impl Slot {
    /// A slot without information.
    pub const FREE: Slot = Slot {
        database: 0,
        worker: 0,
        requested: false,
        without_extension: false,
        to_leave: false,
        away_until: 0,
        last_turn: 0,
        vectorizers: 0,
        in_flight: 0,
        stubborn: [Stubborn { owner: 0, times: 0, until: 0 }; REMEMBERED_OWNERS],
        asked: [Asked { role: 0, tokens: 0 }; ASKING_ROLES],
        asked_on: 0,
    };

    /// Bars an owner from this database's worker until some time after `now`, longer each time.
    pub fn bar(&mut self, owner: pg_sys::Oid, now: i64) {
        let owner = owner.to_u32();
        let known = self.stubborn.iter().position(|one| one.owner == owner);
        let first_to_end = (0..self.stubborn.len()).min_by_key(|place| self.stubborn[*place].until);
        let Some(place) = known.or(first_to_end) else { return };

        let before = self.stubborn[place];
        let is_remembered = before.owner == owner && before.until + REMEMBERED > now;
        let times = if is_remembered { before.times + 1 } else { 1 };
        let bar = FIRST_BAR << (times - 1).min(MOST_DOUBLED);
        self.stubborn[place] = Stubborn { owner, times, until: now + bar };
    }

    /// Counts tokens that a session of a role has sent.
    fn note_asked(&mut self, day: u64, role: u32, tokens: u64) {
        if self.asked_on != day {
            self.asked = Slot::FREE.asked;
            self.asked_on = day;
        }

        let is_free = |asked: &Asked| asked.role == role || asked.tokens == 0;
        let place = self.asked.iter().position(is_free).unwrap_or(ASKING_ROLES - 1);
        let asked = &mut self.asked[place];
        if asked.tokens == 0 {
            asked.role = role;
        } else if asked.role != role {
            asked.role = 0;
        }
        asked.tokens = asked.tokens.saturating_add(tokens);
    }

    /// Returns whether there are tokens that the worker has not taken over.
    fn has_asked(&self) -> bool {
        self.asked.iter().any(|asked| asked.tokens > 0)
    }

    /// Returns whether the slot has information that must be kept.
    fn says_something(&self, now: i64) -> bool {
        let remembers = self.stubborn.iter().any(|one| one.until + REMEMBERED > now);
        self.worker != 0
            || self.requested
            || self.without_extension
            || self.away_until > now
            || remembers
            || self.has_asked()
    }
}

/// The head of the memory; the slots follow it.
#[repr(C)]
struct Table {
    lock: *mut pg_sys::LWLock,
    length: usize,
    /// True if a request found no free slot: some database has the extension, and the launcher must find out
    /// which.
    missed_request: bool,
    /// True if there are databases for which the launcher found no free background worker.
    no_free_process: bool,
}

/// The address of the memory, the same in the postmaster and in all its children.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Reserves the memory. It is called while the library is preloaded.
pub fn init() {
    // SAFETY: the postmaster's main thread, before any other runs.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(on_request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(on_startup);
    }
}

/// Returns the number of slots: one for each process that can run, whatever the number of databases.
fn length() -> usize {
    // SAFETY: reads a setting that is fixed before shared memory is made.
    SPARE_SLOTS + usize::try_from(unsafe { pg_sys::max_worker_processes }).unwrap_or_default()
}

fn size(length: usize) -> usize {
    size_of::<Table>() + length * size_of::<Slot>()
}

#[pg_guard]
unsafe extern "C-unwind" fn on_request() {
    // SAFETY: the chain of hooks, at the time when memory may be asked for.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        pg_sys::RequestAddinShmemSpace(size(length()));
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

/// Sets up the memory. It runs again after a crash, with new memory.
#[pg_guard]
unsafe extern "C-unwind" fn on_startup() {
    // SAFETY: the chain of hooks; the memory is as large as was asked for, aligned for anything, and nobody
    // else's before it is published.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        let handing_out = &raw mut (*pg_sys::MainLWLockArray.add(HANDING_OUT)).lock;
        pg_sys::LWLockAcquire(handing_out, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let (length, mut found) = (length(), false);
        let table = pg_sys::ShmemInitStruct(NAME.as_ptr(), size(length), &mut found).cast::<Table>();
        if !found {
            let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock;
            table.write(Table { lock, length, missed_request: false, no_free_process: false });
            let slots = table.add(1).cast::<Slot>();
            (0..length).for_each(|place| slots.add(place).write(Slot::FREE));
        }
        TABLE.store(table, Ordering::Relaxed);
        pg_sys::LWLockRelease(handing_out);
    }
}

/// Runs `look` on all slots under the lock; it must not raise errors. Returns `None` without preloading.
fn with_slots<T>(
    mode: pg_sys::LWLockMode::Type,
    look: impl FnOnce(&mut Table, &mut [Slot]) -> T,
) -> Option<T> {
    let table = TABLE.load(Ordering::Relaxed);
    if table.is_null() {
        return None;
    }
    // SAFETY: made in `on_startup`, plain numbers that are changed under the exclusive lock only.
    unsafe {
        let lock = (*table).lock;
        pg_sys::LWLockAcquire(lock, mode);
        let slots = std::slice::from_raw_parts_mut(table.add(1).cast::<Slot>(), (*table).length);
        let looked = look(&mut *table, slots);
        pg_sys::LWLockRelease(lock);
        Some(looked)
    }
}

/// Returns the time for which an owner is still barred from a database's worker, or `None` if it is not.
pub fn barred(database: pg_sys::Oid, owner: pg_sys::Oid) -> Option<std::time::Duration> {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let slot = slot(database)?;
    let until = slot.stubborn.iter().find(|one| one.owner == owner.to_u32())?.until;
    u64::try_from(until - now).ok().filter(|left| *left > 0).map(std::time::Duration::from_micros)
}

/// Counts tokens that a session of a role has sent to a model on this day.
pub fn note_asked(database: pg_sys::Oid, day: u64, role: pg_sys::Oid, tokens: u64) {
    update(database, |slot| slot.note_asked(day, role.to_u32(), tokens));
}

/// Returns the tokens that sessions have sent on this day since the worker took them over last, by role.
pub fn asked(database: pg_sys::Oid, day: u64) -> Vec<Asked> {
    let Some(slot) = slot(database).filter(|slot| slot.asked_on == day) else { return Vec::new() };
    slot.asked.into_iter().filter(|asked| asked.tokens > 0).collect()
}

/// Takes over the tokens that sessions have sent on this day: returns them and resets the counts. What is left of another day
/// is forgotten.
pub fn take_asked(database: pg_sys::Oid, day: u64) -> Vec<Asked> {
    if !slot(database).is_some_and(|slot| slot.has_asked()) {
        return Vec::new();
    }
    let (mut taken, mut taken_of) = (Slot::FREE.asked, 0);
    update(database, |slot| {
        std::mem::swap(&mut slot.asked, &mut taken);
        taken_of = slot.asked_on;
    });
    taken.into_iter().filter(|asked| asked.tokens > 0 && taken_of == day).collect()
}

/// Returns a copy of a database's slot, or `None` without preloading or if it has none.
pub fn slot(database: pg_sys::Oid) -> Option<Slot> {
    with_slots(pg_sys::LWLockMode::LW_SHARED, |_, slots| {
        slots.iter().find(|slot| slot.database == database.to_u32()).copied()
    })
    .flatten()
}

/// Changes a database's slot, taking a free one if it has none. Returns whether there was one; without
/// preloading it is always false.
pub fn update(database: pg_sys::Oid, change: impl FnOnce(&mut Slot)) -> bool {
    let changed = with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |_, slots| {
        let found = slots.iter().position(|slot| slot.database == database.to_u32());
        let place = found.or_else(|| slots.iter().position(|slot| slot.database == 0));
        let Some(slot) = place.map(|place| &mut slots[place]) else { return false };
        slot.database = database.to_u32();
        change(slot);
        true
    });
    changed.unwrap_or(false)
}

/// Frees the slots of databases that were dropped, and those without information.
pub fn retain(exists: impl Fn(pg_sys::Oid) -> bool) {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |_, slots| {
        for slot in slots {
            let database = pg_sys::Oid::from(slot.database);
            if slot.database != 0 && !(exists(database) && slot.says_something(now)) {
                *slot = Slot::FREE;
            }
        }
    });
}

/// Asks the launcher to look at a database now.
pub fn request(database: pg_sys::Oid) {
    if !update(database, |slot| slot.requested = true) {
        with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _| table.missed_request = true);
    }
    wake_launcher();
}

/// Returns whether a request found no free slot since the last call.
pub fn missed_request() -> bool {
    let missed =
        with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _| std::mem::take(&mut table.missed_request));
    missed.unwrap_or(false)
}

/// Records whether there are databases for which no background worker is free. It is not in their slots,
/// because those are for databases that have a worker.
pub fn set_no_free_process(no_free_process: bool) {
    with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _| table.no_free_process = no_free_process);
}

/// Returns whether there are databases for which no background worker is free.
pub fn no_free_process() -> bool {
    with_slots(pg_sys::LWLockMode::LW_SHARED, |table, _| table.no_free_process).unwrap_or(false)
}

/// Sets the latches of the background workers without a database, among them the launcher's.
pub fn wake_launcher() {
    wake_background_workers(pg_sys::InvalidOid);
}
