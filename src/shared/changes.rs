//! The changes with which committing sessions wake a database's worker.
//!
//! Each side writes first and then looks at what the other wrote. A session that has committed notes the vectorizers for which
//! it has enqueued something, and looks whether one of them is wanted. The worker says which it wants, and looks whether one
//! of them has changed, before it sleeps. So one of the two sees the other, whatever the order, and a change of a vectorizer
//! that is not wanted, because it is disabled or rests, costs the worker nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys;

/// The number of words of a set.
const WORDS: usize = 16;

/// The number of parts into which vectorizers are divided.
const PARTS: u32 = 64 * WORDS as u32;

/// A set of vectorizers, by parts: those whose ids have the same remainder are in it together. Whoever is told of a change
/// that was another's looks in vain, and nothing is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vectorizers([u64; WORDS]);

impl Vectorizers {
    /// None of them.
    pub const NONE: Vectorizers = Vectorizers([0; WORDS]);

    /// All of them.
    pub const ALL: Vectorizers = Vectorizers([u64::MAX; WORDS]);

    /// Adds the vectorizer with this id.
    pub fn insert(&mut self, id: i32) {
        let (word, bit) = place(id);
        self.0[word] |= bit;
    }

    /// Returns whether the vectorizer with this id is in it.
    pub fn contains(&self, id: i32) -> bool {
        let (word, bit) = place(id);
        self.0[word] & bit != 0
    }

    fn has_any_of(&self, other: &Vectorizers) -> bool {
        self.0.iter().zip(other.0).any(|(one, other)| one & other != 0)
    }
}

/// Returns the word and the bit of a vectorizer's part.
fn place(id: i32) -> (usize, u64) {
    let part = id.cast_unsigned() % PARTS;
    ((part / 64) as usize, 1 << (part % 64))
}

/// A set in shared memory.
type SharedSet = [AtomicU64; WORDS];

/// The words that sessions and a database's worker leave for each other.
#[derive(Debug)]
pub struct Changes {
    /// The vectorizers whose changes wake the worker. All of them while no worker has said otherwise.
    wanted: SharedSet,
    /// The vectorizers that have changed since the worker looked last.
    changed: SharedSet,
}

impl Changes {
    /// Returns the state before the worker and sessions have told each other anything.
    pub(super) fn new() -> Changes {
        Changes { wanted: shared(Vectorizers::ALL), changed: shared(Vectorizers::NONE) }
    }

    /// Puts the state back to that of [`new`](Self::new).
    pub(super) fn reset(&self) {
        write(&self.wanted, Vectorizers::ALL);
        write(&self.changed, Vectorizers::NONE);
    }

    /// Notes vectorizers that have changed. Returns whether the worker has to be woken: one of them is wanted, and nobody
    /// else is about to wake the worker for it.
    fn note(&self, changed: &Vectorizers) -> bool {
        let mut news = Vectorizers::NONE;
        for (index, (word, bits)) in self.changed.iter().zip(changed.0).enumerate() {
            if bits != 0 {
                news.0[index] = bits & !word.fetch_or(bits, Ordering::SeqCst);
            }
        }
        news.has_any_of(&read(&self.wanted))
    }

    /// Says which vectorizers are wanted. Returns whether one of them has changed already.
    fn want(&self, wanted: &Vectorizers) -> bool {
        write(&self.wanted, *wanted);
        read(&self.changed).has_any_of(wanted)
    }

    /// Takes the vectorizers that have changed.
    fn take(&self) -> Vectorizers {
        let mut taken = Vectorizers::NONE;
        for (bits, word) in taken.0.iter_mut().zip(&self.changed) {
            *bits = word.swap(0, Ordering::SeqCst);
        }
        taken
    }
}

fn shared(set: Vectorizers) -> SharedSet {
    set.0.map(AtomicU64::new)
}

fn read(set: &SharedSet) -> Vectorizers {
    Vectorizers(std::array::from_fn(|index| set[index].load(Ordering::SeqCst)))
}

fn write(set: &SharedSet, value: Vectorizers) {
    for (word, bits) in set.iter().zip(value.0) {
        word.store(bits, Ordering::SeqCst);
    }
}

/// Notes vectorizers that have changed, once that is visible to others. Returns whether the worker has to be woken for it,
/// which it always has without preloading. Does not raise errors.
pub fn note(database: pg_sys::Oid, changed: &Vectorizers) -> bool {
    super::with_changes(database, |changes| changes.note(changed)).unwrap_or(true)
}

/// Says which vectorizers the worker wants to be woken for. Returns whether it must not sleep, because one of them has changed
/// already; without preloading it never is.
pub fn want(database: pg_sys::Oid, wanted: &Vectorizers) -> bool {
    super::with_changes(database, |changes| changes.want(wanted)).unwrap_or(false)
}

/// Takes the vectorizers that have changed since the last call, before they are looked at; without preloading, all of them.
pub fn take(database: pg_sys::Oid) -> Vectorizers {
    super::with_changes(database, Changes::take).unwrap_or(Vectorizers::ALL)
}
