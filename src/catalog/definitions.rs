//! Detection of changed definitions in this database, so that what was derived from them is derived again.
//!
//! Any role may create a temporary table, rename a schema of its own or change its own password, again and again, and
//! Postgres tells every process of it. So whoever derives something keeps a [`Watch`] over what it is derived from: changes
//! of others do not concern it.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

use super::basis::{self, Object};
use crate::pg::error::PgError;

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of the last change that concerns everything: of the functions that rights are granted on, and one of
/// which Postgres does not name what has changed.
static OF_ALL: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The objects that somebody watches. Nothing of Postgres's is called while this is borrowed, so that a change
    /// never meets it borrowed.
    static WATCHED: RefCell<HashMap<Object, Watched>> = RefCell::default();
}

/// An object that somebody watches.
struct Watched {
    /// The generation of its last change.
    changed: u64,
    /// The number of its watches.
    watches: usize,
}

/// The number of rights whose functions can be watched.
pub const RIGHTS_WATCHED: usize = 10;

/// Hash values, as in the syscache of functions, of the functions that are watched: one for each right, 0 for
/// none. When the extension is dropped and created again, its new functions replace the old ones here.
static FUNCTIONS: [AtomicU32; RIGHTS_WATCHED] = [const { AtomicU32::new(0) }; RIGHTS_WATCHED];

/// Registers callbacks for changes of definitions. Called once, from `_PG_init`.
pub fn watch() {
    #[pg_guard]
    unsafe extern "C-unwind" fn relation_changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
        match relation {
            pg_sys::InvalidOid => all_changed(),
            relation => changed(Object::Relation(relation)),
        }
    }

    /// A row of a catalog has changed, which the hash value of its key names; 0 stands for all of them.
    #[pg_guard]
    unsafe extern "C-unwind" fn row_changed(_argument: pg_sys::Datum, cache: i32, hash: u32) {
        match hash {
            0 => all_changed(),
            hash => changed(Object::Row { cache, hash }),
        }
    }

    /// The rights on a function are part of its definition.
    #[pg_guard]
    unsafe extern "C-unwind" fn function_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
        // 0 stands for all functions.
        if hash == 0 || FUNCTIONS.iter().any(|watched| watched.load(Ordering::Relaxed) == hash) {
            all_changed();
        }
    }

    let none = pg_sys::Datum::from(0);
    // SAFETY: the callbacks only count.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), none);
        for cache in basis::CACHES {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(row_changed), none);
        }
        let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(functions, Some(function_changed), none);
    }
}

fn changed(object: Object) {
    let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    WATCHED.with_borrow_mut(|watched| {
        watched.get_mut(&object).into_iter().for_each(|watched| watched.changed = now);
    });
}

fn all_changed() {
    let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    OF_ALL.store(now, Ordering::Relaxed);
}

/// The changes of watched objects that a process has been told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing has changed.
    Nothing,
    /// Something has changed, and it is not known what. Any role can cause this, with more changes of its own than
    /// Postgres keeps for a process that is busy.
    OfAll,
    /// Something of what is watched has changed.
    OfIt,
}

/// A watch over what something was derived from. It tells whether that has to be derived again.
pub struct Watch {
    /// The objects; `None` for all of the database.
    objects: Option<Vec<Object>>,
    /// The generation of the definitions from which it was derived.
    since: u64,
}

impl Watch {
    /// Watches the relations of which something was derived, and what their definitions and their owners' rights depend on
    /// (see [`basis::of`]). `since` is the [`generation`] of before they were read: with it, a change in between is noticed
    /// as well. Must be called within a transaction.
    pub fn over(relations: impl IntoIterator<Item = pg_sys::Oid>, since: u64) -> Result<Watch, PgError> {
        Ok(Watch::over_objects(basis::of(relations.into_iter().collect())?, since))
    }

    /// Does the same for what was derived of nothing but the rows of the extension's tables, and of the names and owners of
    /// relations.
    pub fn over_names(relations: impl IntoIterator<Item = pg_sys::Oid>, since: u64) -> Watch {
        Watch::over_objects(basis::of_names(relations), since)
    }

    fn over_objects(objects: HashSet<Object>, since: u64) -> Watch {
        let mut watch = Watch { objects: Some(Vec::with_capacity(objects.len())), since };
        watch.add(objects);
        watch
    }

    /// Watches other objects as well, from which something of the same was read.
    pub fn add(&mut self, objects: impl IntoIterator<Item = Object>) {
        let Some(watched) = &mut self.objects else { return };
        let now = generation();

        WATCHED.with_borrow_mut(|all| {
            for object in objects {
                // Whether it is this one that has changed since, nobody has noted.
                let entry = all.entry(object).or_insert(Watched { changed: now, watches: 0 });
                entry.watches += 1;
                watched.push(object);
            }
        });
    }

    /// Does the same with all that can be watched, for what is derived from relations that do not exist yet.
    pub fn over_all(since: u64) -> Watch {
        Watch { objects: None, since }
    }

    /// Returns whether this process has been told of no change since.
    pub fn is_undisturbed(&self) -> bool {
        self.told() == Told::Nothing
    }

    /// Returns what this process has been told since.
    pub fn told(&self) -> Told {
        let of_all = match OF_ALL.load(Ordering::Relaxed) > self.since {
            true => Told::OfAll,
            false => Told::Nothing,
        };
        let Some(objects) = &self.objects else {
            return if generation() == self.since { Told::Nothing } else { Told::OfAll };
        };
        WATCHED.with_borrow(|watched| {
            let is_as_before = |object| watched.get(object).is_some_and(|w| w.changed <= self.since);
            if objects.iter().all(is_as_before) { of_all } else { Told::OfIt }
        })
    }

    /// Returns the generation of the definitions from which it was derived.
    pub fn since(&self) -> u64 {
        self.since
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // At the end of the process there may be no table of them any more.
        let _ = WATCHED.try_with(|watched| {
            let mut watched = watched.borrow_mut();
            for object in self.objects.iter().flatten() {
                if let Entry::Occupied(mut entry) = watched.entry(*object) {
                    entry.get_mut().watches -= 1;
                    if entry.get().watches == 0 {
                        entry.remove();
                    }
                }
            }
        });
    }
}

/// Has changes of the function of the right with this number disturb every watch from now on. Returns whether the function
/// was not watched before. Must be called within a transaction.
pub fn watch_function(right: usize, function: pg_sys::Oid) -> bool {
    let hash = basis::hash_of(pg_sys::SysCacheIdentifier::PROCOID, [function]);
    FUNCTIONS[right].swap(hash, Ordering::Relaxed) != hash
}

/// Returns a number that grows with every change of a definition that this process has been notified of.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}
