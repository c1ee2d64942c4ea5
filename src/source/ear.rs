//! Listens to a source's queue of events.

use std::collections::HashSet;
use std::sync::Arc;

use pgai_rs_pipeline::source::{Batch, Heard, Listener, Network, Scope, State};

use super::access;
use super::crawl::{Crawl, Step};
use super::entry::Entry;
use super::patience::Patience;
use super::runs::{self, Trouble};
use super::table::Table;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// A queue, and the events that are not written yet.
pub struct Ear {
    listener: Listener,
    scope: Arc<Scope>,
    batch: Option<Batch>,
    patience: Patience,
}

impl Ear {
    /// Begins to listen. Returns `None` if the source names no queue or is not allowed; the listings report
    /// the latter.
    pub fn open(entry: &Entry, network: &Network) -> Option<Ear> {
        let config = &entry.declared.config;
        let url = config.queue_url.clone()?;
        transaction(|| access::require_allowed(config, &entry.declared.uri, entry.owner)).ok()?;
        let scope = Arc::new(Scope::new(&entry.declared.uri, config, &guc::pipeline()).ok()?);
        let listener = Listener::start(network, scope.clone(), config.s3.clone(), url);
        Some(Ear { listener, scope, batch: None, patience: Patience::default() })
    }

    /// Returns whether the listener has ended, so that a new one must be opened.
    pub fn is_over(&self) -> bool {
        self.listener.is_over()
    }

    /// Writes the events that have arrived. Those that can't be written stay in the queue, which delivers
    /// them again.
    ///
    /// While the listing asks S3 about objects, events wait, because its answers may be older than theirs.
    pub fn step(&mut self, entry: &Entry, crawl: Option<&Crawl>) -> Result<Step, PgError> {
        if crawl.is_some_and(Crawl::is_asking) {
            return Ok(Step::Waiting);
        }
        if let Some(left) = self.patience.left() {
            return Ok(Step::Later(left));
        }
        let heard = match self.batch.take() {
            Some(batch) => Some(Heard::Batch(batch)),
            None => self.listener.try_next(),
        };
        match heard {
            None => return Ok(Step::Waiting),
            Some(Heard::Ready) => runs::heard(entry.id, 0)?,
            Some(Heard::Failed(failure)) => {
                pgrx::warning!("S3 source {} hears no events: {}", entry.name, failure.message);
                runs::not_heard(entry.id, &Trouble::from(&failure))?;
            }
            Some(Heard::Malformed(message, why)) => {
                pgrx::warning!("S3 source {} leaves message {message} in its queue: {why}", entry.name)
            }
            Some(Heard::Batch(batch)) => return self.write(entry, crawl, batch),
        }
        Ok(Step::More)
    }

    fn write(&mut self, entry: &Entry, crawl: Option<&Crawl>, batch: Batch) -> Result<Step, PgError> {
        match self.commit(entry, crawl, &batch) {
            Ok(failed) => {
                self.patience.renew();
                self.listener.settle(failed);
                runs::heard(entry.id, batch.messages)?;
            }
            Err(error) if error.is_contention() => {
                self.batch = Some(batch);
                return Ok(Step::Later(self.patience.grow()));
            }
            Err(error) => {
                pgrx::warning!("S3 source {} can't write what its events say: {error}", entry.name);
                self.listener.settle(batch.answers.into_iter().map(|answer| answer.key).collect());
                runs::not_heard(entry.id, &Trouble::from(&error))?;
            }
        }
        Ok(Step::More)
    }

    /// Writes a batch. Returns the keys whose state could not be written.
    fn commit(
        &self,
        entry: &Entry,
        crawl: Option<&Crawl>,
        batch: &Batch,
    ) -> Result<HashSet<String>, PgError> {
        let (prefix, table) = (self.scope.prefix(), Table::load(entry)?);
        let (mut present, mut absent, mut failed) = (Vec::new(), Vec::new(), HashSet::new());
        for answer in &batch.answers {
            match &answer.state {
                State::Present(object) => present.push(object.clone()),
                State::Absent => absent.push(prefix.uri(&answer.key)),
                State::Unknown(failure) => {
                    pgrx::warning!("S3 source {}: {}", entry.name, failure.message);
                    failed.insert(answer.key.clone());
                }
            }
        }
        if let Some(crawl) = crawl {
            crawl.note_seen(present.iter().map(|object| prefix.uri(&object.key)).collect())?;
        }
        let refused = [table.upsert(prefix, &present)?, table.delete(absent)?].concat();
        for refused in refused {
            pgrx::warning!("S3 source {}: {}", entry.name, Trouble::from(&refused).message);
            failed.extend(prefix.key(&refused.uri).map(str::to_owned));
        }
        Ok(failed)
    }
}
