//! The state of a database that launcher, worker and sessions share.

use pgrx::pg_sys;

/// The state of a database. A database has a slot while there is something to know of it; the launcher frees the others.
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
    /// The time until which it may be busy with what runs in one turn of an owner (microseconds of `TimestampTz`), where
    /// that is longer than it may ever be silent otherwise. Later than that it has come to the end of the turn, or hangs.
    pub busy_until: i64,
    /// The number of vectorizers that it serves.
    pub vectorizers: i32,
    /// The number of documents that it has claimed and not settled.
    pub in_flight: i32,
    /// The owners whose SQL has ended the worker.
    pub stubborn: [Stubborn; REMEMBERED_OWNERS],
    /// The tokens that sessions have sent to models, and the bytes that they have loaded, since the worker took them over
    /// last.
    pub asked: [Asked; ASKING_ROLES],
    /// The day of `asked`, counted from 1970-01-01: what is left of another day has no part in today's quotas.
    pub asked_on: u64,
}

/// The use of quotas by the sessions of one role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The role; zero for none.
    pub role: u32,
    /// The estimated number of tokens that they have sent to models.
    pub tokens: u64,
    /// The bytes of objects that they have loaded.
    pub bytes: u64,
}

impl Asked {
    fn is_nothing(&self) -> bool {
        self.tokens == 0 && self.bytes == 0
    }
}

/// The number of roles that a database counts separately. Further roles are counted under role zero, and so
/// for the database only, until the worker has taken over the counts.
const ASKING_ROLES: usize = 64;

/// The counts before any session has asked.
pub(super) const NOBODY: [Asked; ASKING_ROLES] = [Asked { role: 0, tokens: 0, bytes: 0 }; ASKING_ROLES];

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
        busy_until: 0,
        vectorizers: 0,
        in_flight: 0,
        stubborn: [Stubborn { owner: 0, times: 0, until: 0 }; REMEMBERED_OWNERS],
        asked: NOBODY,
        asked_on: 0,
    };

    /// Bars an owner from this database's worker until some time after `now`, longer each time.
    pub fn bar(&mut self, owner: pg_sys::Oid, now: i64) {
        let owner = owner.to_u32();
        let known = self.stubborn.iter().position(|one| one.owner == owner);
        let first_to_end = (0..self.stubborn.len()).min_by_key(|index| self.stubborn[*index].until);
        let Some(index) = known.or(first_to_end) else { return };

        let before = self.stubborn[index];
        let is_remembered = before.owner == owner && before.until + REMEMBERED > now;
        let times = if is_remembered { before.times + 1 } else { 1 };
        let bar = FIRST_BAR << (times - 1).min(MOST_DOUBLED);
        self.stubborn[index] = Stubborn { owner, times, until: now + bar };
    }

    /// Counts tokens that a session of a role has sent.
    pub(super) fn note_asked(&mut self, day: u64, noted: Asked) {
        if self.asked_on != day {
            self.asked = NOBODY;
            self.asked_on = day;
        }

        let is_free = |asked: &Asked| asked.role == noted.role || asked.is_nothing();
        let index = self.asked.iter().position(is_free).unwrap_or(ASKING_ROLES - 1);
        let asked = &mut self.asked[index];
        if asked.is_nothing() {
            asked.role = noted.role;
        } else if asked.role != noted.role {
            asked.role = 0;
        }
        asked.tokens = asked.tokens.saturating_add(noted.tokens);
        asked.bytes = asked.bytes.saturating_add(noted.bytes);
    }

    /// Returns whether there is something that the worker has not taken over.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.iter().any(|asked| !asked.is_nothing())
    }

    /// Returns whether the slot has information that must be kept.
    pub(super) fn says_something(&self, now: i64) -> bool {
        let remembers = self.stubborn.iter().any(|one| one.until + REMEMBERED > now);
        self.worker != 0
            || self.requested
            || self.without_extension
            || self.away_until > now
            || remembers
            || self.has_asked()
    }
}
