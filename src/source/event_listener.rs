//! Listens to a source's queue of events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgai_rs_pipeline::source::{EventBatch, Heard, Listener, ListingScope, Network, Object, ObjectState};

use super::entry::S3Source;
use super::listing_run::{ListingRun, NextStep};
use super::lock_backoff::LockBackoff;
use super::room::{self, Room};
use super::runs::{self, Problem};
use super::table::MirrorTable;
use crate::access::source as access;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::session;
use crate::pg::transaction::transaction;

/// The shortest time between two lines of the log about objects: whoever may write to a queue must not fill the log.
const LINE_PAUSE: Duration = Duration::from_secs(6);

/// The result of writing a batch.
#[derive(Default)]
struct Committed {
    /// The keys whose state could not be written.
    failed: HashSet<String>,
    /// True if the table has no room for the objects, of which none was written.
    lacks_room: bool,
    /// The problems with objects.
    problems: u64,
    /// The first of them.
    first: Option<Problem>,
}

impl Committed {
    fn has(&mut self, problem: Problem) {
        self.problems += 1;
        self.first.get_or_insert(problem);
    }
}

/// A queue, and the events that are not written yet.
pub struct EventListener {
    listener: Listener,
    scope: Arc<ListingScope>,
    batch: Option<EventBatch>,
    backoff: LockBackoff,
    room: Room,
    /// The time of the last line of the log about objects.
    told: Option<Instant>,
}

impl EventListener {
    /// Begins to listen. Returns `None` if the source names no queue or is not allowed; the listings report
    /// the latter.
    pub fn open(entry: &S3Source, network: &Network) -> Option<EventListener> {
        let config = &entry.declared.config;
        let url = config.queue_url.clone()?;
        transaction(|| access::require_allowed(config, &entry.declared.uri, entry.owner)).ok()?;
        let scope = Arc::new(ListingScope::new(&entry.declared.uri, config, &guc::pipeline()).ok()?);
        let listener = Listener::start(network, scope.clone(), config.s3.clone(), url);
        let (backoff, room) = (LockBackoff::default(), Room::default());
        Some(EventListener { listener, scope, batch: None, backoff, room, told: None })
    }

    /// Returns whether the listener has ended, so that a new one must be opened.
    pub fn is_over(&self) -> bool {
        self.listener.is_over()
    }

    /// Writes the events that have arrived. Those that can't be written stay in the queue, which delivers
    /// them again.
    ///
    /// While the listing asks S3 about objects, events wait, because its answers may be older than theirs.
    pub fn step(
        &mut self,
        entry: &S3Source,
        listing_run: Option<&mut ListingRun>,
    ) -> Result<NextStep, PgError> {
        if listing_run.as_deref().is_some_and(ListingRun::is_asking) {
            return Ok(NextStep::Waiting);
        }
        if let Some(left) = self.backoff.left() {
            return Ok(NextStep::Later(left));
        }

        let heard = match self.batch.take() {
            Some(batch) => Some(Heard::Batch(batch)),
            None => self.listener.try_next(),
        };
        match heard {
            None => return Ok(NextStep::Waiting),
            Some(Heard::Ready) => runs::heard(entry.id, 0)?,
            Some(Heard::Failed(failure)) => {
                pgrx::warning!(
                    "could not receive events of S3 source \"{}\": {}",
                    entry.name,
                    failure.message
                );
                runs::not_heard(entry.id, &Problem::from(&failure))?;
            }
            Some(Heard::Malformed(message, why)) => {
                pgrx::warning!("S3 source \"{}\" leaves message {message} in its queue: {why}", entry.name)
            }
            Some(Heard::Batch(batch)) => return self.write(entry, listing_run, batch),
        }
        Ok(NextStep::More)
    }

    fn write(
        &mut self,
        entry: &S3Source,
        listing_run: Option<&mut ListingRun>,
        batch: EventBatch,
    ) -> Result<NextStep, PgError> {
        // What the queue is told to delete must be on disk.
        match session::durably(|| self.commit(entry, listing_run, &batch)) {
            Ok(committed) => {
                self.backoff.renew();
                self.tell(entry, &committed);
                self.listener.settle(committed.failed);
                // A further part of the same messages takes back nothing that was said of the first.
                match committed.lacks_room {
                    true => runs::not_heard(entry.id, &room::too_many())?,
                    false if batch.messages == 0 => {}
                    false => runs::heard(entry.id, batch.messages)?,
                }
            }
            Err(error) if error.is_contention() => {
                self.batch = Some(batch);
                return Ok(NextStep::Later(self.backoff.grow()));
            }
            Err(error) => {
                pgrx::warning!("could not write the events of S3 source \"{}\": {error}", entry.name);
                self.listener.settle(batch.answers.into_iter().map(|answer| answer.key).collect());
                runs::not_heard(entry.id, &Problem::from(&error))?;
            }
        }
        Ok(NextStep::More)
    }

    /// Writes a batch.
    fn commit(
        &mut self,
        entry: &S3Source,
        listing_run: Option<&mut ListingRun>,
        batch: &EventBatch,
    ) -> Result<Committed, PgError> {
        let prefix = self.scope.prefix();
        let table = MirrorTable::load(entry)?;
        let mut present = Vec::new();
        let mut absent = Vec::new();
        let mut committed = Committed::default();

        for answer in &batch.answers {
            match &answer.state {
                ObjectState::Present(object) => present.push(object.clone()),
                ObjectState::Absent => absent.push(prefix.uri(&answer.key)),
                ObjectState::Unknown(failure) | ObjectState::MetadataUnknown(failure) => {
                    committed.has(Problem::from(failure));
                    committed.failed.insert(answer.key.clone());
                }
            }
            if let Some(failure) = &answer.invalid_metadata {
                committed.has(Problem::from(failure));
            }
        }

        let addresses = |objects: &[Object]| objects.iter().map(|object| prefix.uri(&object.key)).collect();
        if !self.room.take(&table, present.len() as u64)? {
            let new = table.new_among(addresses(&present))?;
            if !self.room.take(&table, new.len() as u64)? {
                committed.lacks_room = true;
                committed.has(room::too_many());
                // What has a row is kept in step.
                let without = present.extract_if(.., |object| new.contains(&prefix.uri(&object.key)));
                committed.failed.extend(without.map(|object| object.key));
            }
        }
        if let Some(listing_run) = listing_run {
            listing_run.note_seen(addresses(&present))?;
        }

        let refused = [table.upsert(prefix, &present)?.refused, table.delete(absent)?.refused].concat();
        for refused in refused {
            committed.has(Problem::from(&refused));
            committed.failed.extend(prefix.key(&refused.uri).map(str::to_owned));
        }
        Ok(committed)
    }

    /// Writes one line to the log for all objects of a batch, unless there was one just before.
    fn tell(&mut self, entry: &S3Source, committed: &Committed) {
        let Some(first) = &committed.first else { return };
        if self.told.is_some_and(|told| told.elapsed() < LINE_PAUSE) {
            return;
        }
        self.told = Some(Instant::now());
        let others = match committed.problems {
            1 => String::new(),
            problems => format!(" (and {} others)", problems - 1),
        };
        pgrx::warning!("S3 source {}: {}{others}", entry.name, first.message);
    }
}
