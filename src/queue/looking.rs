//! Looking at queues: which vectorizers have something to fold or to claim.

use std::time::{Duration, Instant};

use pgai_rs_queue::inbox;
use pgai_rs_queue::session::Session;

use super::active::Active;
use super::roster::{Roster, its_turn};
use super::schedule::Schedule;
use super::session::SpiSession;
use crate::guc;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::turn;
use crate::shared::changes::{self, Vectorizers};

impl Roster {
    /// Takes in which queues sessions have changed since the last call. It comes before the queues are looked at.
    pub fn take_changes(&mut self) {
        let changed = changes::take(this_database());
        if changed == Vectorizers::NONE {
            return;
        }
        // Of all at once nobody has told one by one: each is looked at before it is claimed for.
        let is_known = changed != Vectorizers::ALL;
        for active in self.all_mut().filter(|active| changed.contains(active.definition.id)) {
            match is_known {
                true => active.looks.changed(),
                false => active.looks.forget(),
            }
        }
    }

    /// Has sessions wake the worker for the vectorizers whose queues it would look at. Returns whether one of these has
    /// changed already, so that the worker must not sleep.
    pub fn has_wanted_changes(&self) -> bool {
        let now = Instant::now();
        let is_wanted = |id: i32| self.get(id).is_none_or(|active| active.waits_for_changes(now));

        let mut wanted = Vectorizers::NONE;
        self.enabled().iter().filter(|id| is_wanted(**id)).for_each(|id| wanted.insert(*id));
        changes::want(this_database(), &wanted)
    }

    /// Returns whether a vectorizer has something to fold or to claim now, or `None` if its owner's turn or a
    /// pause keeps it from being looked at. Updates the time of the next look. `in_flight` tells whether rows of it are
    /// claimed and not settled.
    pub fn has_work(&mut self, id: i32, in_flight: bool) -> Result<Option<bool>, PgError> {
        let Some(active) = self.get(id) else { return Ok(None) };
        let owner = active.vectorizer.owner;
        let held = active.held_until.and_then(|until| until.checked_duration_since(Instant::now()));
        if let Some(left) = active.rest().max(held).or_else(|| its_turn(owner)) {
            self.next.within(left);
            return Ok(None);
        }
        if let Some(left) = self.rests_by_schedule(id)? {
            self.next.within(left);
            return Ok(Some(false));
        }

        let Some(active) = self.get_mut(id) else { return Ok(None) };
        if let Some(left) = active.looks.due_in(Instant::now()) {
            self.next.within(left);
            return Ok(Some(false));
        }
        if active.looks.has_changed() && active.schedule == Schedule::Always {
            turn::has_work(owner);
            return Ok(Some(true));
        }
        self.peek(id, in_flight).map(Some)
    }

    /// Looks whether a vectorizer has something to fold or to claim now.
    fn peek(&mut self, id: i32, in_flight: bool) -> Result<bool, PgError> {
        let Some(active) = self.get_mut(id) else { return Ok(false) };
        let began = Instant::now();
        let peek = SpiSession::on(active)
            .transaction(|s| s.as_owner_of_queue(|s| inbox::peek(s, &active.definition, &active.cursor)))?;
        if peek.now {
            active.looks.found_some();
            turn::has_work(active.vectorizer.owner);
            return Ok(true);
        }

        if peek.due.is_none() && !in_flight {
            active.wrote();
        }
        let poll = guc::poll_interval();
        active.looks.found_none(began, peek.due.unwrap_or(poll).min(poll));
        let due = if in_flight { None } else { self.end_run(id)? };
        if let Some(due) = due.or(peek.due) {
            self.next.within(due);
        }
        Ok(false)
    }

    /// Returns how long a vectorizer still rests by its schedule, or `None` if it may run now.
    fn rests_by_schedule(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(active) = self.get_mut(id) else { return Ok(None) };
        if active.schedule == Schedule::Always {
            return Ok(None);
        }
        active.begin_schedule()?;
        let rest = active.schedule.rest();
        match rest {
            Some(left) => {
                // Nobody tells of changes meanwhile.
                active.looks.forget();
                self.conditions.scheduled(id, left);
            }
            None => self.conditions.awake(id),
        }
        Ok(rest)
    }

    /// Ends the run of a vectorizer with a schedule, of which nothing is in flight. Returns the time until its next run, or
    /// `None` if none was ended.
    fn end_run(&mut self, id: i32) -> Result<Option<Duration>, PgError> {
        let Some(active) = self.get_mut(id) else { return Ok(None) };
        if active.schedule == Schedule::Always {
            return Ok(None);
        }
        let rest = active.end_run()?;
        if let Some(left) = rest {
            self.conditions.scheduled(id, left);
        }
        Ok(rest)
    }
}

impl Active {
    /// Returns whether its queue is looked at once it changes, rather than at a time that is known.
    fn waits_for_changes(&self, now: Instant) -> bool {
        !self.schedule.is_resting() && !self.looks.is_gathering(now)
    }
}
