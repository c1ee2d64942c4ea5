//! Locks on the names of things that are being made, so that of two sessions that make the same the
//! second finds what the first has made, and meets no unique index of a catalog's.

use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;

/// What a name is of. Each kind has locks of its own.
#[derive(Clone, Copy)]
pub enum Named {
    /// A vectorizer.
    Vectorizer,
    /// An S3 source.
    S3Source,
    /// A table or a view, by its name without its schema.
    Relation,
    /// A queue of events, by its URL.
    Queue,
}

/// Waits until nobody else makes a thing of this name, and keeps others waiting until the transaction
/// ends. To be called before the name is looked up, with a new snapshot.
///
/// No advisory lock, which anybody might hold. Names are told apart by a hash: two that have the same
/// wait for each other as well.
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
