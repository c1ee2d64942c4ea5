//! A source's queue of events, listened to.

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

/// A queue, and what of it is not yet written.
pub struct Ear {
    listener: Listener,
    scope: Arc<Scope>,
    batch: Option<Batch>,
    patience: Patience,
}

impl Ear {
    /// Begins to listen, if the source names a queue and all that it asks for is allowed. If it is
    /// not, the listings say so.
    pub fn open(entry: &Entry, network: &Network) -> Option<Ear> {
        let config = &entry.declared.config;
        let url = config.queue_url.clone()?;
        transaction(|| access::require_allowed(config, &entry.declared.uri, entry.owner)).ok()?;
        let scope = Arc::new(Scope::new(&entry.declared.uri, config, &guc::pipeline()).ok()?);
        let listener = Listener::start(network, scope.clone(), config.s3.clone(), url);
        Some(Ear { listener, scope, batch: None, patience: Patience::default() })
    }

    /// Whether it must be opened anew.
    pub fn is_over(&self) -> bool {
        self.listener.is_over()
    }

    /// Writes what was heard. What can't be written is left to the queue, which delivers it again.
    ///
    /// While the listing asks S3 about objects, events wait: what it was answered may be older than
    /// what they brought.
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

    /// The keys whose state is not in the table now.
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
