//! Reading again what may have changed: after changes of which Postgres does not name the objects.
//!
//! Any role can cause them, with more changes of its own at once than Postgres keeps for a process that is busy. So such
//! reading is nobody's in particular, and takes a tenth of the worker's time at most. What was read longest ago comes first.
//! Until then vectorizers are served as they were read: whoever settles something compares the catalog.

use std::time::{Duration, Instant};

use super::active::Active;
use super::counters::Counters;
use super::listed::Listed;
use super::roster::Roster;
use super::tickets::Tickets;
use crate::catalog::definitions::Told;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

impl Roster {
    /// Lists the vectorizers again, if they may have changed.
    pub(super) fn list_again(&mut self) -> Result<(), PgError> {
        match self.listed.told() {
            Told::Nothing => Ok(()),
            Told::OfIt => self.list(),
            Told::OfAll => {
                let since = self.listed.since();
                let is_before = |active: &Active| active.doubted_since().is_some_and(|other| other < since);
                if self.all().any(is_before) {
                    self.next.again();
                    return Ok(());
                }
                if !self.may_reread() {
                    return Ok(());
                }
                self.rereading(Roster::list)
            }
        }
    }

    fn list(&mut self) -> Result<(), PgError> {
        let listed = Listed::read()?;
        if self.listed.secrets != listed.secrets {
            self.forget_settings();
        }
        self.listed = listed;
        self.all_served = false;
        Ok(())
    }

    /// Returns whether a vectorizer is served as it is listed, and may have changed nevertheless.
    pub(super) fn is_doubtful(&self, entry: &Entry) -> bool {
        self.get(entry.id).is_some_and(|active| active.is_same(entry) && active.doubted_since().is_some())
    }

    /// Reads vectorizers again that may have changed, as many as there is time for. Returns the ids of those that are no
    /// longer served.
    pub(super) fn read_doubtful(&mut self, counters: &Counters, tickets: &mut Tickets) -> Vec<i32> {
        let listed = self.listed.entries.iter().filter(|entry| self.is_doubtful(entry));
        let mut doubtful: Vec<(u64, i32)> =
            listed.filter_map(|entry| Some((self.get(entry.id)?.doubted_since()?, entry.id))).collect();
        doubtful.sort_unstable();

        let mut gone = Vec::new();
        for (_, id) in doubtful {
            if !self.may_reread() {
                break;
            }
            gone.extend(self.rereading(|roster| roster.reread(id, counters, tickets)));
        }
        gone
    }

    fn reread(&mut self, id: i32, counters: &Counters, tickets: &mut Tickets) -> Option<i32> {
        match transaction(|| vectorizer::by_id(id)) {
            Ok(Some(entry)) if self.is_doubtful(&entry) => self.serve(&entry, counters, tickets),
            // It is not as it was listed, or has changed just now.
            Ok(_) => {
                self.listed.forget();
                self.next.within(Duration::ZERO);
                None
            }
            Err(error) => {
                pgrx::warning!("pgai_rs worker can't read vectorizer {id} again: {error}");
                self.next.again();
                None
            }
        }
    }

    /// Returns whether there is time for reading something again. If not, sets the time of the next look to when there is.
    fn may_reread(&mut self) -> bool {
        let left = self.rereading.exhausted_for(Instant::now());
        left.into_iter().for_each(|left| self.next.within(left));
        left.is_none()
    }

    /// Runs `f`, and counts the time that it takes.
    fn rereading<R>(&mut self, f: impl FnOnce(&mut Roster) -> R) -> R {
        let began = Instant::now();
        let result = f(self);
        self.rereading.took(began.elapsed(), Instant::now());
        result
    }
}
