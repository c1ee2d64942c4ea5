//! Shared memory in which backends, launcher and workers exchange information: a [`Slot`] for each database, and the
//! lock under which all of them are changed. Beside each slot are the [`changes`] that sessions tell the worker of: they are
//! changed under the shared lock as well. And what queries have [`used`] of models.

pub mod changes;
mod slot;
pub mod used;

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::pg_sys;
use pgrx::prelude::*;

use changes::Changes;
pub use slot::{Asked, Slot};
use used::Used;

/// The number of slots beyond one for each background worker of the server. They are for databases that were
/// just created, or that a statement needs without connections.
const SPARE_SLOTS: usize = 64;

/// The name of the memory and of its lock.
const NAME: &std::ffi::CStr = c"pgai_rs";

/// The lock under which Postgres allocates shared memory (`AddinShmemInitLock`).
const HANDING_OUT: usize = 21;

/// The head of the memory; the slots follow it, then the changes of each slot's database, and then what its queries have used.
#[repr(C)]
struct Header {
    lock: *mut pg_sys::LWLock,
    length: usize,
    /// True if a request found no free slot: some database has the extension, and the launcher must find out
    /// which.
    missed_request: bool,
    /// True if there are databases for which the launcher found no free background worker.
    no_free_process: bool,
}

/// The address of the memory, the same in the postmaster and in all its children.
static TABLE: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());

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

/// Returns whether there is memory to share: the library was preloaded.
pub fn is_there() -> bool {
    !TABLE.load(Ordering::Relaxed).is_null()
}

/// Returns the number of slots: one for each process that can run, whatever the number of databases.
fn length() -> usize {
    // SAFETY: reads a setting that is fixed before shared memory is made.
    SPARE_SLOTS + usize::try_from(unsafe { pg_sys::max_worker_processes }).unwrap_or_default()
}

fn size(length: usize) -> usize {
    size_of::<Header>() + length * (size_of::<Slot>() + size_of::<Changes>() + size_of::<Used>())
}

// They follow one another without gaps.
const _: () = assert!(align_of::<Slot>() <= 8 && align_of::<Changes>() <= 8 && align_of::<Used>() <= 8);
const _: () = assert!(size_of::<Slot>().is_multiple_of(8) && size_of::<Changes>().is_multiple_of(8));

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
        let length = length();
        let mut found = false;
        let table = pg_sys::ShmemInitStruct(NAME.as_ptr(), size(length), &mut found).cast::<Header>();
        if !found {
            let lock = &raw mut (*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock;
            table.write(Header { lock, length, missed_request: false, no_free_process: false });
            let slots = table.add(1).cast::<Slot>();
            (0..length).for_each(|index| slots.add(index).write(Slot::FREE));
            let changes = slots.add(length).cast::<Changes>();
            (0..length).for_each(|index| changes.add(index).write(Changes::new()));
            let used = changes.add(length).cast::<Used>();
            (0..length).for_each(|index| used.add(index).write(Used::NONE));
        }
        TABLE.store(table, Ordering::Relaxed);
        pg_sys::LWLockRelease(handing_out);
    }
}

/// Runs `look` on all slots under the lock; it must not raise errors. Returns `None` without preloading.
fn with_slots<T>(
    mode: pg_sys::LWLockMode::Type,
    look: impl FnOnce(&mut Header, &mut [Slot], &[Changes], &mut [Used]) -> T,
) -> Option<T> {
    let table = TABLE.load(Ordering::Relaxed);
    if table.is_null() {
        return None;
    }

    // SAFETY: made in `on_startup`, plain numbers that are changed under the exclusive lock only.
    unsafe {
        let lock = (*table).lock;
        pg_sys::LWLockAcquire(lock, mode);
        let length = (*table).length;
        let slots = table.add(1).cast::<Slot>();
        let changes = slots.add(length).cast::<Changes>();
        let used = changes.add(length).cast::<Used>();
        let looked = look(
            &mut *table,
            std::slice::from_raw_parts_mut(slots, length),
            std::slice::from_raw_parts(changes, length),
            std::slice::from_raw_parts_mut(used, length),
        );
        pg_sys::LWLockRelease(lock);
        Some(looked)
    }
}

/// Runs `look` on a database's changes; it must not raise errors. Returns `None` without preloading, or if it has no slot.
fn with_changes<T>(database: pg_sys::Oid, look: impl FnOnce(&Changes) -> T) -> Option<T> {
    with_slots(pg_sys::LWLockMode::LW_SHARED, |_, slots, changes, _| {
        let index = slots.iter().position(|slot| slot.database == database.to_u32())?;
        Some(look(&changes[index]))
    })
    .flatten()
}

/// Runs `look` on what a database's queries have used; it must not raise errors. Returns `None` without preloading, or if it has
/// no slot.
fn with_used<T>(database: pg_sys::Oid, look: impl FnOnce(&mut Used) -> T) -> Option<T> {
    with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |_, slots, _, used| {
        let index = slots.iter().position(|slot| slot.database == database.to_u32())?;
        Some(look(&mut used[index]))
    })
    .flatten()
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
pub fn note_asked(database: pg_sys::Oid, day: u64, asked: Asked) {
    update(database, |slot| slot.note_asked(day, asked));
}

/// Returns the use by sessions on this day since the worker took it over last, by role.
pub fn asked(database: pg_sys::Oid, day: u64) -> Vec<Asked> {
    let Some(slot) = slot(database).filter(|slot| slot.asked_on == day) else { return Vec::new() };
    slot.asked.into_iter().filter(|asked| asked.tokens > 0 || asked.bytes > 0).collect()
}

/// Takes over the use by sessions on this day: returns it and resets the counts. What is left of another day is forgotten.
pub fn take_asked(database: pg_sys::Oid, day: u64) -> Vec<Asked> {
    if !slot(database).is_some_and(|slot| slot.has_asked()) {
        return Vec::new();
    }
    let mut taken = slot::NOBODY;
    let mut taken_of = 0;
    update(database, |slot| {
        std::mem::swap(&mut slot.asked, &mut taken);
        taken_of = slot.asked_on;
    });
    taken.into_iter().filter(|asked| (asked.tokens > 0 || asked.bytes > 0) && taken_of == day).collect()
}

/// Returns a copy of a database's slot, or `None` without preloading or if it has none.
pub fn slot(database: pg_sys::Oid) -> Option<Slot> {
    with_slots(pg_sys::LWLockMode::LW_SHARED, |_, slots, _, _| {
        slots.iter().find(|slot| slot.database == database.to_u32()).copied()
    })
    .flatten()
}

/// Returns whether the launcher wants the worker of a database for another one.
pub fn is_to_leave(database: pg_sys::Oid) -> bool {
    slot(database).is_some_and(|slot| slot.to_leave)
}

/// Changes a database's slot, taking a free one if it has none. Returns whether there was one; without
/// preloading it is always false.
pub fn update(database: pg_sys::Oid, change: impl FnOnce(&mut Slot)) -> bool {
    let changed = with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |_, slots, changes, used| {
        let found = slots.iter().position(|slot| slot.database == database.to_u32());
        let index = found.or_else(|| slots.iter().position(|slot| slot.database == 0));
        let Some(index) = index else { return false };
        let slot = &mut slots[index];
        if slot.database == 0 {
            changes[index].reset();
            used[index] = Used::NONE;
        }
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
    with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |_, slots, _, used| {
        for (slot, used) in slots.iter_mut().zip(used) {
            let database = pg_sys::Oid::from(slot.database);
            let says_something = slot.says_something(now) || !used.is_empty();
            if slot.database != 0 && !(exists(database) && says_something) {
                *slot = Slot::FREE;
            }
        }
    });
}

/// Records that somebody asks the launcher to look at a database.
pub fn request(database: pg_sys::Oid) {
    if !update(database, |slot| slot.requested = true) {
        with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _, _, _| table.missed_request = true);
    }
}

/// Returns whether a request found no free slot since the last call.
pub fn missed_request() -> bool {
    let missed = with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _, _, _| {
        std::mem::take(&mut table.missed_request)
    });
    missed.unwrap_or(false)
}

/// Records whether there are databases for which no background worker is free. It is not in their slots,
/// because those are for databases that have a worker.
pub fn set_no_free_process(no_free_process: bool) {
    with_slots(pg_sys::LWLockMode::LW_EXCLUSIVE, |table, _, _, _| table.no_free_process = no_free_process);
}

/// Returns whether there are databases for which no background worker is free.
pub fn no_free_process() -> bool {
    with_slots(pg_sys::LWLockMode::LW_SHARED, |table, _, _, _| table.no_free_process).unwrap_or(false)
}
