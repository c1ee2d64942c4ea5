//! The steps of a worker: claim, complete, fail, die, come back.

use super::{Act, Bounds, Bug, Change, Claim, Found, State, Work, Worker};

impl State {
    pub(super) fn by_worker(
        &self,
        number: usize,
        worker: Worker,
        bounds: Bounds,
        bug: Bug,
    ) -> Vec<(Act, State)> {
        let mut next = match worker {
            Worker::Idle => self.claim_begins(number, bounds, bug),
            Worker::Claiming(taken) => vec![self.claims(number, taken, bug)],
            Worker::Working(claim) => self.ends_working(number, claim, bug),
            Worker::Writing(claim, found) => {
                vec![self.with(Act::Writes, |s| s.write(number, claim, found, bug))]
            }
            Worker::SettingAside(claim, found) => {
                vec![self.with(Act::SetsAside, |s| s.set_aside(number, claim, found, bug))]
            }
            Worker::Settled(claim) => vec![self.with(Act::WritesLate, |s| s.write_late(number, claim))],
            Worker::Dead => vec![self.with(Act::ComesBack, |s| s.recover(number, bug))],
        };
        if worker != Worker::Dead && self.crashes_left > 0 {
            next.push(self.with(Act::Dies, |s| {
                s.workers[number] = Worker::Dead;
                s.crashes_left -= 1;
            }));
        }
        next
    }

    /// `fold` and `claim` look: `peek` has said that there is something.
    fn claim_begins(&self, number: usize, bounds: Bounds, bug: Bug) -> Vec<(Act, State)> {
        let claimable = self.inbox > 0 || self.work.is_some_and(|work| work.available);
        // The other waits for the row that `fold` has inserted or updated, or skips it.
        if !claimable || self.is_work_locked() || self.leases >= bounds.leases {
            return Vec::new();
        }
        if self.folded(self.inbox, bug).is_some_and(|work| !work.available) {
            return self.folds(bug);
        }
        vec![self.with(Act::BeginsToClaim, |s| s.workers[number] = Worker::Claiming(s.inbox))]
    }

    /// `fold` in a transaction that does not claim this row: it claims others.
    fn folds(&self, bug: Bug) -> Vec<(Act, State)> {
        if self.inbox == 0 || self.is_work_locked() {
            return Vec::new();
        }
        let fold = |s: &mut State| {
            s.work = s.folded(s.inbox, bug);
            s.inbox = 0;
        };
        vec![self.with(Act::Folds, fold)]
    }

    /// `fold`: ON CONFLICT generation + 1, and a row under way keeps its lease and its time.
    fn folded(&self, taken: u8, bug: Bug) -> Option<Work> {
        match self.work {
            work if taken == 0 => work,
            None => Some(Work { generation: 1, lease: None, available: true, tried: 0 }),
            work if bug == Bug::FoldForgetsConflicts => work,
            Some(work) => Some(Work {
                generation: work.generation + 1,
                available: work.available || work.lease.is_none(),
                tried: 0,
                ..work
            }),
        }
    }

    /// `fold`, `claim`, then `read` and the commit: the source may have changed since the fold.
    fn claims(&self, number: usize, taken: u8, bug: Bug) -> (Act, State) {
        self.with(Act::Claims, |s| {
            s.inbox -= taken;
            s.leases += 1;
            let Some(work) = s.folded(taken, bug) else { return s.workers[number] = Worker::Idle };
            let tried = work.generation;
            s.work = Some(Work { lease: Some(s.leases), available: false, tried, ..work });
            let claim = Claim { generation: work.generation, lease: s.leases, content: s.source };
            s.workers[number] = Worker::Working(claim);
        })
    }

    /// The network has answered, well or not; or there was no row to begin with.
    fn ends_working(&self, number: usize, claim: Claim, bug: Bug) -> Vec<(Act, State)> {
        if self.is_work_locked() {
            return Vec::new();
        }
        let unchecked = matches!(bug, Bug::UncheckedLeases | Bug::NoLeaseCheck);
        let may_settle = unchecked || self.holds(claim);
        if claim.content.is_none() && may_settle {
            return vec![self.with(Act::SettlesGone, |s| {
                s.workers[number] = Worker::Idle;
                match s.source {
                    None => s.remove(claim, bug),
                    // It is there again.
                    Some(_) => s.release(claim),
                }
            })];
        }
        let mut next = self.folds(bug);
        next.push(self.completes(number, claim, bug));
        if self.failures_left > 0 && may_settle {
            next.push(self.with(Act::Postpones, |s| s.postpone(number, claim, bug)));
            next.push(self.fails(number, claim, bug));
        }
        next
    }

    /// `held`.
    fn holds(&self, claim: Claim) -> bool {
        self.work.is_some_and(|work| work.lease == Some(claim.lease))
    }

    /// `held`, `lock` and `present`.
    fn completes(&self, number: usize, claim: Claim, bug: Bug) -> (Act, State) {
        if !self.holds(claim) && bug != Bug::NoLeaseCheck {
            return self.with(Act::HasLostItsLease, |s| s.workers[number] = Worker::Idle);
        }
        if bug == Bug::SettleBeforeWrite {
            return self.with(Act::SettlesEarly, |s| {
                s.settle(claim, bug);
                s.workers[number] = Worker::Settled(claim);
            });
        }
        match self.locks_row(bug != Bug::NoSourceLock) {
            None => self.with(Act::OffersAgain, |_| ()),
            Some(found) => {
                self.with(Act::LooksForTheRow, |s| s.workers[number] = Worker::Writing(claim, found))
            }
        }
    }

    /// `lock` and `present`. FOR KEY SHARE passes an UPDATE of other columns, and skips what a DELETE
    /// has locked: then there is no answer.
    fn locks_row(&self, locks: bool) -> Option<Found> {
        match self.source {
            Some(_) if locks && self.user == Some(Change::Delete) => None,
            Some(_) => Some(Found::Here),
            None => Some(Found::Gone),
        }
    }

    /// `held`, `lock` and `present` of a document that failed for good.
    fn fails(&self, number: usize, claim: Claim, bug: Bug) -> (Act, State) {
        match self.locks_row(bug != Bug::NoLockForSettingAside) {
            None => self.with(Act::FindsLockedAndPostpones, |s| s.postpone(number, claim, bug)),
            Some(found) => {
                self.with(Act::FailsForGood, |s| s.workers[number] = Worker::SettingAside(claim, found))
            }
        }
    }

    /// `delete_chunks`, `insert_chunks`, `forget_failed`, `settle`, `release`, and the commit.
    fn write(&mut self, number: usize, claim: Claim, found: Found, bug: Bug) {
        self.workers[number] = Worker::Idle;
        if found == Found::Gone {
            return self.remove(claim, bug);
        }
        self.store = claim.content;
        if bug != Bug::SuccessKeepsFailed {
            self.failed = None;
        }
        self.settle(claim, bug);
    }

    /// `delete_and_settle`.
    fn remove(&mut self, claim: Claim, bug: Bug) {
        self.store = None;
        self.failed = None;
        self.settle(claim, bug);
    }

    fn write_late(&mut self, number: usize, claim: Claim) {
        self.workers[number] = Worker::Idle;
        self.store = claim.content.filter(|_| self.source.is_some());
    }

    /// `settle`, then `release` of what it left.
    fn settle(&mut self, claim: Claim, bug: Bug) {
        let same = |work: &Work| work.generation == claim.generation || bug == Bug::SettleIgnoresGeneration;
        self.work = self.work.filter(|work| !same(work));
        self.release(claim);
    }

    /// `release`.
    fn release(&mut self, claim: Claim) {
        if let Some(work) = self.work.as_mut().filter(|work| work.lease == Some(claim.lease)) {
            (work.lease, work.available, work.tried) = (None, true, 0);
        }
    }

    /// `postpone`, then `release` of what it left.
    fn postpone(&mut self, number: usize, claim: Claim, bug: Bug) {
        self.workers[number] = Worker::Idle;
        self.failures_left -= 1;
        let ignored = bug == Bug::PostponeIgnoresGeneration;
        if let Some(work) = self.work.as_mut().filter(|work| work.lease == Some(claim.lease)) {
            let same = work.generation == claim.generation;
            let tried = if same || ignored { claim.generation } else { 0 };
            (work.lease, work.available, work.tried) = (None, !(same || ignored), tried);
        }
    }

    /// `forget_failed`, `set_aside`, `settle`, `release`; or `delete_and_settle`.
    fn set_aside(&mut self, number: usize, claim: Claim, found: Found, bug: Bug) {
        self.workers[number] = Worker::Idle;
        self.failures_left -= 1;
        if found == Found::Gone {
            return self.remove(claim, bug);
        }
        self.failed = claim.content;
        self.settle(claim, bug);
    }

    /// `recover`: gives back what workers hold that are dead, this one's own among them.
    fn recover(&mut self, number: usize, bug: Bug) {
        self.workers[number] = Worker::Idle;
        let held = |lease: u8| {
            self.workers
                .iter()
                .any(|w| matches!(w, Worker::Working(c) | Worker::Writing(c, _) | Worker::SettingAside(c, _) if c.lease == lease))
        };
        let dead = self.work.is_some_and(|work| work.lease.is_some_and(|lease| !held(lease)));
        if let Some(work) = self.work.as_mut().filter(|_| dead && bug != Bug::LeasesLastForever) {
            (work.lease, work.available) = (None, true);
        }
    }
}
