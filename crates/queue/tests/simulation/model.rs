//! The queue's protocol for one source key, in the steps that others can come between.
//!
//! Each step names the statements of the queue (`crates/queue/src/sql`) that it stands for.
//! A transaction of a worker has two steps, because users commit between its statements (it runs
//! at READ COMMITTED); what it writes counts from its second step on, and is undone if the worker
//! dies before.
//!
//! A row's content is the number of the change that made it, so f(source) is that number.

#[path = "worker.rs"]
mod worker;

use std::fmt;

/// A difference from the queue's SQL, to see that the search would find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// Rows that were gone at their claim, and rows that failed for good, are settled without looking
    /// whether the lease is still held: fine for a worker that is alone, and for no other.
    UncheckedLeases,
    /// Nor does `complete` look whether the lease is still held.
    NoLeaseCheck,
    /// `settle` deletes the work row whatever its generation is now.
    SettleIgnoresGeneration,
    /// `fold` leaves a work row that is there as it is (ON CONFLICT DO NOTHING).
    FoldForgetsConflicts,
    /// The store is written without a lock on the source row.
    NoSourceLock,
    /// The work row is settled in one transaction, and the store written in the next.
    SettleBeforeWrite,
    /// The trigger on DELETE leaves the chunks where they are.
    DeleteLeavesChunks,
    /// Leases neither run out nor are given back when their holder is dead.
    LeasesLastForever,
    /// A row that succeeds at last stays in the failed queue.
    SuccessKeepsFailed,
    /// A row is set aside without a lock on its source row.
    NoLockForSettingAside,
    /// The trigger on DELETE does not look whether the row was set aside.
    DeleteLeavesFailed,
    /// `postpone` writes the tries of its claim whatever the generation is now.
    PostponeIgnoresGeneration,
}

/// The step that happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A user's transaction changes the row, and is open.
    UserWrites,
    /// A user's transaction deletes the row, and is open.
    UserDeletes,
    /// It commits.
    UserCommits,
    /// It is rolled back.
    UserRollsBack,
    /// A lease runs out, or a retry falls due.
    TimePasses,
    /// A worker does something.
    Worker(usize, Act),
}

/// An act of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// `fold` has run in a transaction that is open.
    BeginsToClaim,
    /// `claim` and `read`, and the commit.
    Claims,
    /// `fold` in a transaction that claims other rows.
    Folds,
    /// A row that was not there when it was claimed is settled.
    SettlesGone,
    /// `held` finds nothing.
    HasLostItsLease,
    /// The mistake of [`Bug::SettleBeforeWrite`].
    SettlesEarly,
    /// `lock` does not get the row.
    OffersAgain,
    /// `held`, `lock` and `present`, in a transaction that stays open.
    LooksForTheRow,
    /// The document is written, and the transaction commits.
    Writes,
    /// The document failed, and is tried again later.
    Postpones,
    /// The document failed for good: `held`, `lock` and `present`, in a transaction that stays open.
    FailsForGood,
    /// The document failed for good, but `lock` does not get the row.
    FindsLockedAndPostpones,
    /// The row is set aside, and the transaction commits.
    SetsAside,
    /// The other half of [`Bug::SettleBeforeWrite`].
    WritesLate,
    /// The process ends, and its transaction with it.
    Dies,
    /// A new process has taken its place.
    ComesBack,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::UserWrites => f.write_str("user writes the row"),
            Step::UserDeletes => f.write_str("user deletes the row"),
            Step::UserCommits => f.write_str("user commits"),
            Step::UserRollsBack => f.write_str("user rolls back"),
            Step::TimePasses => f.write_str("time passes"),
            Step::Worker(number, act) => write!(f, "worker {number} {act}"),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::BeginsToClaim => "begins to claim",
            Act::Claims => "claims",
            Act::Folds => "folds",
            Act::SettlesGone => "settles a row that is gone",
            Act::HasLostItsLease => "has lost its lease",
            Act::SettlesEarly => "settles early",
            Act::OffersAgain => "finds the row locked, and offers it again",
            Act::LooksForTheRow => "looks for the row",
            Act::Writes => "writes",
            Act::Postpones => "postpones",
            Act::FailsForGood => "fails for good",
            Act::FindsLockedAndPostpones => "finds the row locked, and postpones",
            Act::SetsAside => "sets aside",
            Act::WritesLate => "writes late",
            Act::Dies => "dies",
            Act::ComesBack => "comes back",
        })
    }
}

/// The work row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Work {
    pub generation: u8,
    /// Number of the claim that holds it.
    pub lease: Option<u8>,
    /// `true` if `available_at <= now()`.
    pub available: bool,
    /// Which generation the tries were of that `attempts` counts; 0 if it counts none.
    pub tried: u8,
}

/// The things that a worker remembers of its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    generation: u8,
    lease: u8,
    /// The source row as it was read; none if there was none.
    content: Option<u8>,
}

/// The state that the second transaction found at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// The source row, which is now locked.
    Here,
    /// No source row.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    Idle,
    /// In the first transaction, before the source is read: how many inbox rows it took.
    Claiming(u8),
    /// Without a transaction: S3 and the model are asked.
    Working(Claim),
    /// In the second transaction, before it writes.
    Writing(Claim, Found),
    /// In that of a document that failed for good, before it writes.
    SettingAside(Claim, Found),
    /// Between the two transactions of [`Bug::SettleBeforeWrite`].
    Settled(Claim),
    Dead,
}

/// A user's transaction that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// INSERT, or UPDATE of a row that is there: anything but the key.
    Write,
    /// DELETE, or an UPDATE of the key.
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub source: Option<u8>,
    pub store: Option<u8>,
    /// The content for which the row was set aside.
    pub failed: Option<u8>,
    pub inbox: u8,
    pub work: Option<Work>,
    pub workers: Vec<Worker>,
    pub user: Option<Change>,
    /// How many changes and claims there have been.
    pub changes: u8,
    leases: u8,
    crashes_left: u8,
    failures_left: u8,
}

/// How much may happen in one history.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub workers: usize,
    pub changes: u8,
    pub leases: u8,
    pub crashes: u8,
    pub failures: u8,
}

impl State {
    pub fn initial(bounds: Bounds) -> State {
        State {
            source: None,
            store: None,
            failed: None,
            inbox: 0,
            work: None,
            workers: vec![Worker::Idle; bounds.workers],
            user: None,
            changes: 0,
            leases: 0,
            crashes_left: bounds.crashes,
            failures_left: bounds.failures,
        }
    }

    /// Nothing is open, nothing is queued: the promise has to hold.
    pub fn is_at_rest(&self) -> bool {
        let idle = self.workers.iter().all(|worker| matches!(worker, Worker::Idle));
        idle && self.user.is_none() && self.inbox == 0 && self.work.is_none()
    }

    /// Returns whether the bounds, and nothing else, keep it from going on.
    pub fn is_cut_off(&self, bounds: Bounds) -> bool {
        self.leases == bounds.leases
    }

    /// Returns what would be wrong with any state.
    pub fn wrong(&self) -> Option<&'static str> {
        let tried = |work: &Work| work.tried != 0 && work.tried != work.generation;
        self.work.filter(tried).map(|_| "tries of an earlier content count")
    }

    /// Returns what would be wrong with a state at rest.
    pub fn broken(&self) -> Option<&'static str> {
        match (self.source, self.store, self.failed) {
            (None, Some(_), _) => Some("chunks of a row that is gone"),
            (None, _, Some(_)) => Some("a row that is gone is set aside"),
            (Some(_), None, None) => Some("a row without its chunks"),
            (Some(row), Some(chunks), None) if chunks < row => Some("chunks of an earlier content"),
            (Some(row), _, Some(failed)) if failed < row => Some("set aside for what is no longer there"),
            _ => None,
        }
    }

    /// All that may happen next.
    pub fn next(&self, bounds: Bounds, bug: Bug) -> Vec<(Step, State)> {
        let mut next = self.by_users(bounds, bug);
        next.extend(self.by_time(bug));
        for (number, worker) in self.workers.iter().enumerate() {
            for (act, state) in self.by_worker(number, *worker, bounds, bug) {
                next.push((Step::Worker(number, act), state));
            }
        }
        next
    }

    /// Users: each transaction changes the row once, and ends one way or the other.
    fn by_users(&self, bounds: Bounds, bug: Bug) -> Vec<(Step, State)> {
        let mut next = Vec::new();
        match self.user {
            None if self.changes < bounds.changes => {
                next.push(self.with(Step::UserWrites, |s| s.user = Some(Change::Write)));
                // It needs the lock that a worker holds on the row: FOR KEY SHARE, of `lock`.
                if self.source.is_some() && !self.is_source_locked(bug) {
                    next.push(self.with(Step::UserDeletes, |s| s.user = Some(Change::Delete)));
                }
            }
            None => {}
            Some(change) => {
                next.push(self.with(Step::UserCommits, |s| s.commit(change, bug)));
                next.push(self.with(Step::UserRollsBack, |s| s.user = None));
            }
        }
        next
    }

    fn commit(&mut self, change: Change, bug: Bug) {
        self.user = None;
        self.changes += 1;
        match change {
            // `enqueue_inserted`, `enqueue_updated`: an append.
            Change::Write => {
                self.source = Some(self.changes);
                self.inbox += 1;
            }
            // `remove_deleted`, on the newest snapshot. Nobody writes chunks or sets the row aside
            // meanwhile, for that takes a lock on the row.
            Change::Delete => {
                self.source = None;
                if bug != Bug::DeleteLeavesChunks {
                    self.store = None;
                }
                if self.failed.is_some() && bug != Bug::DeleteLeavesFailed {
                    self.inbox += 1;
                }
            }
        }
    }

    fn is_source_locked(&self, bug: Bug) -> bool {
        self.workers.iter().any(|worker| match worker {
            Worker::Writing(_, Found::Here) => bug != Bug::NoSourceLock,
            Worker::SettingAside(_, Found::Here) => bug != Bug::NoLockForSettingAside,
            _ => false,
        })
    }

    /// A lease runs out, or a retry falls due.
    fn by_time(&self, bug: Bug) -> Option<(Step, State)> {
        let work = self.work.filter(|work| !work.available && !self.is_work_locked())?;
        if bug == Bug::LeasesLastForever && work.lease.is_some() {
            return None;
        }
        Some(self.with(Step::TimePasses, |s| s.work = Some(Work { available: true, ..work })))
    }

    /// Returns whether a transaction of a worker has locked the work row.
    fn is_work_locked(&self) -> bool {
        self.workers.iter().any(|worker| {
            matches!(worker, Worker::Claiming(_) | Worker::Writing(..) | Worker::SettingAside(..))
        })
    }

    fn with<S>(&self, step: S, change: impl FnOnce(&mut State)) -> (S, State) {
        let mut state = self.clone();
        change(&mut state);
        (step, state)
    }
}
