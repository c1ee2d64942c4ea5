//! Locks on the names of objects that are being created. If two sessions create the same object, the second
//! waits and then finds it, instead of failing at a unique index of a catalog.

use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;

/// The kind of object that a name denotes. Each kind has its own locks.
#[derive(Clone, Copy)]
pub enum Named {
    /// A vectorizer.
    Vectorizer,
    /// An S3 source.
    S3Source,
    /// A table or a view, by its unqualified name.
    Relation,
    /// An event queue, by its URL.
    Queue,
}

/// Waits until nobody else is creating an object of this name, and makes others wait until the transaction
/// ends. Must be called before the name is looked up with a new snapshot.
///
/// This is not an advisory lock, which anybody could hold. Names are reduced to a hash: two names with the
/// same hash wait for each other as well.
pub fn on(named: Named, name: &str) {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    // SAFETY: in a transaction. Nobody else takes such locks: of the parts of an extension, which it has not.
    unsafe {
        pg_sys::LockDatabaseObject(
            pg_sys::ExtensionRelationId,
            pg_sys::Oid::from(hasher.finish() as u32),
            named as u16 + 1,
            pg_sys::ExclusiveLock as pg_sys::LOCKMODE,
        );
    }
}
