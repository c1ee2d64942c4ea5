//! Listens to a source's queue of events.

use std::collections::HashSet;
use std::sync::Arc;

use pgai_rs_pipeline::source::{EventBatch, Heard, Listener, ListingScope, Network, ObjectState};

use super::entry::S3Source;
use super::listing_run::{ListingRun, NextStep};
use super::lock_backoff::LockBackoff;
use super::runs::{self, Problem};
use super::table::MirrorTable;
use crate::access::source as access;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::session;
use crate::pg::transaction::transaction;

/// A queue, and the events that are not written yet.
pub struct EventListener {
    listener: Listener,
    scope: Arc<ListingScope>,
    batch: Option<EventBatch>,
    backoff: LockBackoff,
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
        Some(EventListener { listener, scope, batch: None, backoff: LockBackoff::default() })
    }

    /// Returns whether the listener has ended, so that a new one must be opened.
    pub fn is_over(&self) -> bool {
        self.listener.is_over()
    }

    /// Writes the events that have arrived. Those that can't be written stay in the queue, which delivers
    /// them again.
    ///
    /// While the listing asks S3 about objects, events wait, because its answers may be older than theirs.
    pub fn step(&mut self, entry: &S3Source, listing_run: Option<&ListingRun>) -> Result<NextStep, PgError> {
        if listing_run.is_some_and(ListingRun::is_asking) {
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
        listing_run: Option<&ListingRun>,
        batch: EventBatch,
    ) -> Result<NextStep, PgError> {
        // What the queue is told to delete must be on disk.
        match session::durably(|| self.commit(entry, listing_run, &batch)) {
            Ok(failed) => {
                self.backoff.renew();
                self.listener.settle(failed);
                runs::heard(entry.id, batch.messages)?;
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

    /// Writes a batch. Returns the keys whose state could not be written.
    fn commit(
        &self,
        entry: &S3Source,
        listing_run: Option<&ListingRun>,
        batch: &EventBatch,
    ) -> Result<HashSet<String>, PgError> {
        let prefix = self.scope.prefix();
        let table = MirrorTable::load(entry)?;
        let mut present = Vec::new();
        let mut absent = Vec::new();
        let mut failed = HashSet::new();

        for answer in &batch.answers {
            match &answer.state {
                ObjectState::Present(object) => present.push(object.clone()),
                ObjectState::Absent => absent.push(prefix.uri(&answer.key)),
                ObjectState::Unknown(failure) | ObjectState::MetadataUnknown(failure) => {
                    pgrx::warning!("S3 source {}: {}", entry.name, failure.message);
                    failed.insert(answer.key.clone());
                }
            }
            if let Some(failure) = &answer.invalid_metadata {
                pgrx::warning!("S3 source {}: {}", entry.name, failure.message);
            }
        }

        if let Some(listing_run) = listing_run {
            listing_run.note_seen(present.iter().map(|object| prefix.uri(&object.key)).collect())?;
        }

        let refused = [table.upsert(prefix, &present)?.refused, table.delete(absent)?.refused].concat();
        for refused in refused {
            pgrx::warning!("S3 source {}: {}", entry.name, Problem::from(&refused).message);
            failed.extend(prefix.key(&refused.uri).map(str::to_owned));
        }
        Ok(failed)
    }
}
