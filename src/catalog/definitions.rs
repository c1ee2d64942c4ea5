//! Detection of changed definitions in this database, so that what was derived from them is derived again.
//!
//! Any role may create a temporary table, again and again, and Postgres tells every process of it. So whoever derives
//! something keeps a [`Watch`] over the relations that it is derived from: changes of others do not concern it.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pgrx::{pg_guard, pg_sys};

static GENERATION: AtomicU64 = AtomicU64::new(1);

/// The generation of the last change that concerns all relations: of roles, rights and schemas, and one whose relations
/// Postgres does not name.
static OF_ALL: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The relations that somebody watches. Nothing of Postgres's is called while this is borrowed, so that a change
    /// never meets it borrowed.
    static WATCHED: RefCell<HashMap<pg_sys::Oid, Watched>> = RefCell::default();

    /// Hash values, as in their syscache, of the text search configurations that are watched. They are few, and stay.
    static CONFIGURATIONS: RefCell<HashSet<u32>> = RefCell::default();
}

/// A relation that somebody watches.
struct Watched {
    /// The generation of its last change.
    changed: u64,
    /// The number of its watches.
    watches: usize,
}

/// The number of changes of roles, and of the functions that rights are granted on.
static RIGHTS: AtomicU64 = AtomicU64::new(1);

/// The number of rights whose functions can be watched.
pub const RIGHTS_WATCHED: usize = 6;

/// Hash values, as in the syscache of functions, of the functions that are watched: one for each right, 0 for
/// none. When the extension is dropped and created again, its new functions replace the old ones here.
static FUNCTIONS: [AtomicU32; RIGHTS_WATCHED] = [const { AtomicU32::new(0) }; RIGHTS_WATCHED];

/// Registers callbacks for changes of definitions. Called once, from `_PG_init`.
pub fn watch() {
    #[pg_guard]
    unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, relation: pg_sys::Oid) {
        if relation == pg_sys::InvalidOid {
            return all_changed();
        }
        let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        WATCHED.with_borrow_mut(|watched| {
            watched.get_mut(&relation).into_iter().for_each(|watched| watched.changed = now);
        });
    }

    /// A changed role may no longer be a superuser, or a member of a role that has a right.
    #[pg_guard]
    unsafe extern "C-unwind" fn role_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        rights_changed();
    }

    /// The rights on a function are part of its definition.
    #[pg_guard]
    unsafe extern "C-unwind" fn function_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
        // 0 stands for all functions.
        if hash == 0 || FUNCTIONS.iter().any(|watched| watched.load(Ordering::Relaxed) == hash) {
            rights_changed();
        }
    }

    /// Statements name text search configurations by their OIDs. Any role may make others.
    #[pg_guard]
    unsafe extern "C-unwind" fn configuration_changed(_argument: pg_sys::Datum, _cache: i32, hash: u32) {
        // 0 stands for all configurations.
        if hash == 0 || CONFIGURATIONS.with_borrow(|watched| watched.contains(&hash)) {
            all_changed();
        }
    }

    /// Statements name types and operators with their schemas.
    #[pg_guard]
    unsafe extern "C-unwind" fn schema_changed(_argument: pg_sys::Datum, _cache: i32, _hash: u32) {
        all_changed();
    }

    let none = pg_sys::Datum::from(0);
    let roles = [
        pg_sys::SysCacheIdentifier::AUTHOID,
        pg_sys::SysCacheIdentifier::AUTHMEMROLEMEM,
        // The owner of the database is a member of `pg_database_owner`.
        pg_sys::SysCacheIdentifier::DATABASEOID,
    ];
    // SAFETY: the callbacks only count.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(changed), none);
        for cache in roles {
            pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(role_changed), none);
        }
        let schemas = pg_sys::SysCacheIdentifier::NAMESPACEOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(schemas, Some(schema_changed), none);
        let configurations = pg_sys::SysCacheIdentifier::TSCONFIGOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(configurations, Some(configuration_changed), none);
        let functions = pg_sys::SysCacheIdentifier::PROCOID as i32;
        pg_sys::CacheRegisterSyscacheCallback(functions, Some(function_changed), none);
    }
}

fn rights_changed() {
    RIGHTS.fetch_add(1, Ordering::Relaxed);
    all_changed();
}

fn all_changed() {
    let now = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    OF_ALL.store(now, Ordering::Relaxed);
}

/// A watch over what something was derived from. It tells whether that has to be derived again.
pub struct Watch {
    /// The relations; `None` for all of the database.
    relations: Option<Box<[pg_sys::Oid]>>,
    /// The generation of the definitions from which it was derived.
    since: u64,
}

impl Watch {
    /// Watches relations of which something was derived. `since` is the [`generation`] of before they were read: with
    /// it, a change in between is noticed as well.
    pub fn over(relations: impl IntoIterator<Item = pg_sys::Oid>, since: u64) -> Watch {
        let relations: Box<[pg_sys::Oid]> = relations.into_iter().collect();
        let now = generation();

        WATCHED.with_borrow_mut(|all| {
            for relation in &relations {
                // Whether it is this one that has changed since, nobody has noted.
                let watched = all.entry(*relation).or_insert(Watched { changed: now, watches: 0 });
                watched.watches += 1;
            }
        });
        Watch { relations: Some(relations), since }
    }

    /// Does the same with all relations of the database, for what is derived from those that do not exist yet.
    pub fn over_all(since: u64) -> Watch {
        Watch { relations: None, since }
    }

    /// Returns whether this process has been told of no change since.
    pub fn is_undisturbed(&self) -> bool {
        let Some(relations) = &self.relations else { return generation() == self.since };
        if OF_ALL.load(Ordering::Relaxed) > self.since {
            return false;
        }
        WATCHED.with_borrow(|watched| {
            let is_as_before = |relation| watched.get(relation).is_some_and(|w| w.changed <= self.since);
            relations.iter().all(is_as_before)
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // At the end of the process there may be no table of them any more.
        let _ = WATCHED.try_with(|watched| {
            let mut watched = watched.borrow_mut();
            for relation in self.relations.iter().flatten() {
                if let Entry::Occupied(mut entry) = watched.entry(*relation) {
                    entry.get_mut().watches -= 1;
                    if entry.get().watches == 0 {
                        entry.remove();
                    }
                }
            }
        });
    }
}

/// Counts changes of the function of the right with this number as changes of rights from now on. Returns whether the function was
/// not watched before. Must be called within a transaction.
pub fn watch_function(right: usize, function: pg_sys::Oid) -> bool {
    let hash = hash_of(pg_sys::SysCacheIdentifier::PROCOID, function);
    FUNCTIONS[right].swap(hash, Ordering::Relaxed) != hash
}

/// Counts changes of this text search configuration as changes of all definitions from now on. Returns whether it was not
/// watched before. Must be called within a transaction.
pub fn watch_configuration(configuration: pg_sys::Oid) -> bool {
    let hash = hash_of(pg_sys::SysCacheIdentifier::TSCONFIGOID, configuration);
    CONFIGURATIONS.with_borrow_mut(|watched| watched.insert(hash))
}

/// Returns the hash value of an OID in a syscache.
fn hash_of(cache: pg_sys::SysCacheIdentifier::Type, object: pg_sys::Oid) -> u32 {
    let none = pg_sys::Datum::from(0);
    // SAFETY: hashes a number, on the main thread.
    unsafe { pg_sys::GetSysCacheHashValue(cache as i32, pg_sys::Datum::from(object), none, none, none) }
}

/// Returns a number that grows with every change of a definition that this process has been notified of.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Returns a number that grows with every change of rights that this process has been notified of.
pub fn rights() -> u64 {
    RIGHTS.load(Ordering::Relaxed)
}
