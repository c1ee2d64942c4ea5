//! All sources of a database, a step at a time. It lives on the worker's main thread.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::run::Turn;
use pgai_rs_pipeline::source::Network;
use pgai_rs_queue::allowance::Allowance;

use super::entry::{S3Source, Unreadable};
use super::event_listener::EventListener;
use super::listed::ListedSources;
use super::listing_run::{ListingRun, NextStep};
use super::runs::{self, Problem};
use crate::catalog::definitions::Told;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::turn;
use crate::shared;

/// The longest time for which an owner is skipped without asking again. Others may run out of work earlier
/// than expected.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The time between two looks at the runs of an earlier worker that somebody has locked.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

/// The sources that this worker serves.
#[derive(Default)]
pub struct Sources {
    active: HashMap<i32, ActiveSource>,
    /// The sources that the catalog lists, once they were read.
    listed: Option<ListedSources>,
    /// The sources whose rows can't be read, with the version of the row that this was reported for.
    unreadable: HashMap<i32, String>,
    /// The runs that an earlier worker left and that could not be settled; `None` before the first look.
    left: Option<LeftRuns>,
    /// The time for reading the sources again after changes of which Postgres does not name the objects: any role can cause
    /// them.
    rereading: Allowance,
}

/// Runs that an earlier worker left and that somebody has locked.
struct LeftRuns {
    runs: Vec<i64>,
    looked: Instant,
}

struct ActiveSource {
    entry: S3Source,
    listing_run: Option<ListingRun>,
    event_listener: Option<EventListener>,
    /// True if settings or rights have changed since the listing was last allowed.
    to_be_permitted: bool,
}

impl Sources {
    /// Does one step of each source. An error of one source does not affect the others. Returns the time of
    /// the next step.
    pub fn turn(&mut self, network: &Network) -> Result<Turn, PgError> {
        let mut next = Turn { more: false, retry_in: self.settle_left()? };
        let (entries, read_again) = self.entries()?;
        next = sooner(next, Turn { more: false, retry_in: read_again });
        self.leave_others(&entries);

        for entry in entries {
            if self.active.get(&entry.id).is_some_and(|source| source.listing_run.is_some()) {
                turn::has_work(entry.owner);
            }
            let barred = shared::barred(this_database(), entry.owner);
            if let Some(left) = barred.or_else(|| turn::left(entry.owner)) {
                next = sooner(next, Turn { more: false, retry_in: Some(left.min(LOOK_AGAIN)) });
                continue;
            }
            let name = entry.name.clone();
            match turn::on_account_of(entry.owner, || self.serve(entry, network)) {
                Ok(step) => next = sooner(next, step),
                Err(error) => {
                    pgrx::warning!("S3 source {name}: {error}");
                    next = sooner(next, Turn { more: false, retry_in: Some(Duration::from_secs(1)) });
                }
            }
        }
        Ok(next)
    }

    /// Settles the runs that an earlier worker left, at first and then those that were locked. Returns the time until the next
    /// look; `None` if nothing is left.
    fn settle_left(&mut self) -> Result<Option<Duration>, PgError> {
        let runs = match &self.left {
            None => runs::recover()?,
            Some(left) if left.runs.is_empty() => return Ok(None),
            Some(left) => match SETTLE_AGAIN.checked_sub(left.looked.elapsed()) {
                Some(pause) => return Ok(Some(pause)),
                None => runs::recover_left(left.runs.clone())?,
            },
        };
        let again = (!runs.is_empty()).then_some(SETTLE_AGAIN);
        self.left = Some(LeftRuns { runs, looked: Instant::now() });
        Ok(again)
    }

    /// Returns the sources that are enabled, read again if they may have changed; and the time until they are read again, if
    /// something has changed that need not concern them and there is no time for it now.
    fn entries(&mut self) -> Result<(Vec<S3Source>, Option<Duration>), PgError> {
        let began = Instant::now();
        let told = self.listed.as_ref().map_or(Told::OfIt, ListedSources::told);
        if let Some(listed) = &self.listed {
            let left = self.rereading.exhausted_for(began);
            match told {
                Told::Nothing => return Ok((listed.entries(), None)),
                Told::OfAll if left.is_some() => return Ok((listed.entries(), left)),
                Told::OfAll | Told::OfIt => {}
            }
        }

        let entries = self.read_again()?;
        if told == Told::OfAll {
            self.rereading.took(began.elapsed(), Instant::now());
        }
        Ok((entries, None))
    }

    fn read_again(&mut self) -> Result<Vec<S3Source>, PgError> {
        let mut listed = ListedSources::read()?;
        if self.listed.as_ref().is_some_and(|before| !before.has_same_rights()) {
            self.forget_settings();
        }
        self.tell_unreadable(listed.take_unreadable());
        Ok(self.listed.insert(listed).entries())
    }

    /// Returns whether a listing is under way, which another process would have to start over.
    pub fn is_listing(&self) -> bool {
        self.active.values().any(|source| source.listing_run.is_some())
    }

    /// Has everything checked again because settings or rights have changed. A listing under way is ended if
    /// it is no longer allowed; changed credentials apply from the next run and the next message.
    pub fn forget_settings(&mut self) {
        for source in self.active.values_mut() {
            source.event_listener = None;
            source.to_be_permitted = true;
        }
    }

    /// Drops the sources that were removed, disabled or declared anew, and ends their runs as failed.
    fn leave_others(&mut self, entries: &[S3Source]) {
        let listed: HashMap<i32, &S3Source> = entries.iter().map(|entry| (entry.id, entry)).collect();
        let same = |source: &ActiveSource| {
            listed.get(&source.entry.id).is_some_and(|entry| entry.declared == source.entry.declared)
        };
        let others: Vec<i32> = self.active.values().filter(|s| !same(s)).map(|s| s.entry.id).collect();
        for id in others {
            let Some(ActiveSource { entry, listing_run: Some(listing_run), .. }) = self.active.remove(&id)
            else {
                continue;
            };
            // Its run is settled when the next begins.
            if let Err(error) = listing_run.abandon("disabled or changed") {
                pgrx::warning!("S3 source {}: {error}", entry.name);
            }
        }
    }

    /// Reports each source whose row can't be read, once per version of the row.
    fn tell_unreadable(&mut self, sources: Vec<Unreadable>) {
        self.unreadable.retain(|id, _| sources.iter().any(|source| source.id == *id));
        for Unreadable { id, name, version, error } in sources {
            if self.unreadable.insert(id, version.clone()) == Some(version) {
                continue;
            }
            pgrx::warning!("{error}");
            let problem = Problem { code: "invalid_config".to_owned(), ..Problem::from(&error) };
            if let Err(error) = runs::not_begun(id, &problem) {
                pgrx::warning!("S3 source {name}: {error}");
            }
        }
    }

    fn serve(&mut self, entry: S3Source, network: &Network) -> Result<Turn, PgError> {
        let id = entry.id;
        let source = self.active.entry(id).or_insert_with(|| ActiveSource {
            entry: entry.clone(),
            listing_run: None,
            event_listener: None,
            to_be_permitted: false,
        });
        source.entry = entry;
        let network = network.of(source.entry.network_owner());
        let listened = source.listen(&network)?;
        Ok(sooner(source.list(&network)?, listened))
    }
}

impl ActiveSource {
    /// Does a step of the listing, or begins one that is due.
    fn list(&mut self, network: &Network) -> Result<Turn, PgError> {
        if self.listing_run.is_none() {
            if self.entry.requested.is_none() && self.entry.due_in != Some(Duration::ZERO) {
                return Ok(Turn { more: false, retry_in: self.entry.due_in });
            }
            // A process that is wanted for another database begins nothing. The next one here does.
            if shared::is_to_leave(this_database()) {
                return Ok(Turn::default());
            }
            self.listing_run = ListingRun::begin(&self.entry, network)?;
            // When it is due next stands in the catalog.
            return Ok(Turn { more: true, retry_in: None });
        }

        let Some(listing_run) = &mut self.listing_run else { return Ok(Turn::default()) };
        if std::mem::take(&mut self.to_be_permitted) && !listing_run.is_still_allowed()? {
            self.listing_run = None;
            return Ok(Turn { more: true, retry_in: None });
        }

        let step = listing_run.step(network);
        // An error: the catalog can't be written. The run is settled when the next begins.
        if matches!(step, Ok(NextStep::Done) | Err(_)) {
            self.listing_run = None;
        }
        step.map(turn)
    }

    fn listen(&mut self, network: &Network) -> Result<Turn, PgError> {
        if self.event_listener.as_ref().is_none_or(EventListener::is_over) {
            self.event_listener = EventListener::open(&self.entry, network);
        }
        let Some(event_listener) = &mut self.event_listener else { return Ok(Turn::default()) };
        event_listener.step(&self.entry, self.listing_run.as_mut()).map(turn)
    }
}

/// Converts a step to what it means for the worker's next turn.
fn turn(step: NextStep) -> Turn {
    match step {
        NextStep::More | NextStep::Done => Turn { more: true, retry_in: None },
        NextStep::Waiting => Turn::default(),
        NextStep::Later(pause) => Turn { more: false, retry_in: Some(pause) },
    }
}

/// Combines two turns: the earlier time of both.
fn sooner(one: Turn, other: Turn) -> Turn {
    let retry_in = [one.retry_in, other.retry_in].into_iter().flatten().min();
    Turn { more: one.more || other.more, retry_in }
}
