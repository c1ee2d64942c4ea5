//! The run of a listing, from the first page to the last deletion. A step takes one or two transactions.
//!
//! ```text
//! Reading ─page─► Comparing ─changed─► Asking ─► Writing ─► Reading …
//!    └─end─► Surveying ─something vanished─► Sweeping ─► done
//! ```
//!
//! Rows are deleted only after the whole listing has succeeded, because only then objects that were not seen
//! are known to be gone. Seen keys are stored in a table instead of in memory. They may come in any order,
//! because not every server lists in the order of S3.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use pgai_rs_pipeline::source::{Answer, Inquiry, Listed, Listing, Network, Object, Page, Scope, State};

use super::access;
use super::entry::Entry;
use super::patience::Patience;
use super::runs::{self, Run, Tally, Trouble};
use super::table::{Difference, Table, asks_for_type};
use super::write::Refused;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The number of deletions that is always allowed. The limit above it guards what can't be undone quickly.
const FEW: u64 = 1_000;
/// The time of the next step.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// The next step can be done at once.
    More,
    /// The network wakes the worker when the next step can be done.
    Waiting,
    /// The next step can be done after this time.
    Later(Duration),
    /// The run has ended.
    Done,
}

/// A run that has begun.
pub struct Crawl {
    run: Run,
    tally: Tally,
    table: Table,
    scope: Arc<Scope>,
    entry: Entry,
    listing: Listing,
    phase: Phase,
    patience: Patience,
}

enum Phase {
    Reading,
    Comparing(Page),
    Asking(Inquiry, HashSet<String>),
    Writing(Vec<Object>, HashSet<String>),
    Surveying { after: String, rows: u64, vanished: u64 },
    Sweeping { after: String },
}

impl Crawl {
    /// Begins a run. Returns `None` if another process has begun it, or if it failed at once, which is
    /// recorded.
    pub fn begin(entry: &Entry, network: &Network) -> Result<Option<Crawl>, PgError> {
        let Some(run) = runs::begin(entry)? else { return Ok(None) };
        match Crawl::start(entry, run, network) {
            Ok(crawl) => Ok(Some(crawl)),
            Err(trouble) => {
                fail(entry, run, Tally::default(), trouble)?;
                Ok(None)
            }
        }
    }

    fn start(entry: &Entry, run: Run, network: &Network) -> Result<Crawl, Trouble> {
        let scope = Arc::new(permitted(entry)?);
        let table = Table::load(entry).map_err(|error| Trouble::from(&error))?;
        table.forget_run(run).map_err(|error| Trouble::from(&error))?;
        Ok(Crawl {
            run,
            tally: Tally::default(),
            table,
            listing: Listing::start(network, scope.clone(), entry.declared.config.s3.clone()),
            scope,
            entry: entry.clone(),
            phase: Phase::Reading,
            patience: Patience::default(),
        })
    }

    /// Returns whether S3 is being asked about objects, so that its answers may be older than an event.
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(..) | Phase::Writing(..))
    }

    /// Records that these addresses exist, so that they are not taken for vanished.
    pub fn note_seen(&self, uris: Vec<String>) -> Result<(), PgError> {
        self.table.note_seen(self.run, uris)
    }

    /// Does the next step. If a lock is in the way, the step is repeated later; every other error ends the
    /// run as failed.
    pub fn step(&mut self, network: &Network) -> Result<Step, PgError> {
        if let Some(left) = self.patience.left() {
            return Ok(Step::Later(left));
        }
        match self.advance(network) {
            Ok(step) => {
                self.patience.renew();
                Ok(step)
            }
            Err(error) if error.is_contention() && !self.patience.is_over() => {
                Ok(Step::Later(self.patience.grow()))
            }
            Err(error) => self.fail(Trouble::from(&error)),
        }
    }

    /// Ends the run if the current settings no longer allow it. Returns whether it goes on.
    pub fn is_still_allowed(&mut self) -> Result<bool, PgError> {
        match permitted(&self.entry) {
            Ok(_) => Ok(true),
            Err(trouble) => self.fail(trouble).map(|_| false),
        }
    }

    /// Ends the run as failed before it is complete; `why` completes the message.
    pub fn abandon(mut self, why: &str) -> Result<(), PgError> {
        let message = format!("the source was {why} meanwhile");
        self.fail(Trouble { code: "interrupted".to_owned(), message, hint: None }).map(drop)
    }

    fn advance(&mut self, network: &Network) -> Result<Step, PgError> {
        match &mut self.phase {
            Phase::Reading => self.read(),
            Phase::Comparing(page) => {
                let differences = self.table.see(self.run, self.scope.prefix(), &page.objects)?;
                self.compared(differences, network)
            }
            Phase::Asking(inquiry, new) => {
                let Some(answers) = inquiry.answers() else { return Ok(Step::Waiting) };
                let new = std::mem::take(new);
                self.answered(answers, new);
                Ok(Step::More)
            }
            Phase::Writing(objects, new) => {
                let refused = self.table.upsert(self.scope.prefix(), objects)?;
                let (written, new) = (objects.len(), new.len());
                self.written(written, new, &refused)
            }
            Phase::Surveying { .. } => self.survey(),
            Phase::Sweeping { .. } => self.sweep(),
        }
    }

    fn read(&mut self) -> Result<Step, PgError> {
        match self.listing.try_next() {
            None => return Ok(Step::Waiting),
            Some(Listed::Failed(failure)) => return self.fail(Trouble::from(&failure)),
            Some(Listed::End) => {
                self.phase = Phase::Surveying { after: String::new(), rows: 0, vanished: 0 };
            }
            Some(Listed::Page(page)) => {
                self.tally.scanned += page.scanned;
                self.tally.skipped += page.skipped;
                if !page.objects.is_empty() {
                    self.phase = Phase::Comparing(page);
                }
            }
        }
        Ok(Step::More)
    }

    fn compared(&mut self, differences: Vec<Difference>, network: &Network) -> Result<Step, PgError> {
        let new = differences.iter().filter(|d| d.new).map(|d| d.object.key.clone()).collect();
        if differences.is_empty() {
            self.phase = Phase::Reading;
            runs::progress(self.run, &self.tally)?;
        } else if asks_for_type(&self.entry) {
            let keys = differences.into_iter().map(|d| d.object.key).collect();
            let access = self.entry.declared.config.s3.clone();
            self.phase = Phase::Asking(Inquiry::start(network, self.scope.clone(), access, keys), new);
        } else {
            self.phase = Phase::Writing(differences.into_iter().map(|d| d.object).collect(), new);
        }
        Ok(Step::More)
    }

    fn answered(&mut self, answers: Vec<Answer>, mut new: HashSet<String>) {
        let mut objects = Vec::new();
        for Answer { key, state } in answers {
            match state {
                State::Present(object) => {
                    objects.push(object);
                    continue;
                }
                // Gone since it was listed: the next run removes its row, if there is one.
                State::Absent => {}
                State::Unknown(failure) => self.tally.fail(Trouble::from(&failure)),
            }
            new.remove(&key);
        }
        self.phase = Phase::Writing(objects, new);
    }

    fn written(&mut self, written: usize, new: usize, refused: &[Refused]) -> Result<Step, PgError> {
        let Phase::Writing(_, keys) = &self.phase else { return Ok(Step::More) };
        let is_new =
            |refused: &&Refused| self.scope.prefix().key(&refused.uri).is_some_and(|key| keys.contains(key));
        let refused_new = refused.iter().filter(is_new).count();
        // A server may list a key twice on a page.
        self.tally.new += new.saturating_sub(refused_new) as u64;
        let others = written.saturating_sub(new);
        self.tally.modified += others.saturating_sub(refused.len() - refused_new) as u64;
        for refused in refused {
            self.tally.fail(Trouble::from(refused));
        }
        self.phase = Phase::Reading;
        runs::progress(self.run, &self.tally)?;
        Ok(Step::More)
    }

    /// Counts the rows whose objects have vanished, before any of them is deleted.
    fn survey(&mut self) -> Result<Step, PgError> {
        let Phase::Surveying { after, rows, vanished } = &mut self.phase else { return Ok(Step::More) };
        let slice = self.table.slice(self.run, self.scope.prefix(), after)?;
        *rows += slice.rows;
        *vanished += slice.vanished.len() as u64;
        if let Some(last) = slice.last {
            *after = last;
            return Ok(Step::More);
        }
        let (rows, vanished) = (*rows, *vanished);
        if vanished == 0 {
            return self.succeed();
        }
        let most = (rows.saturating_mul(guc::s3_source_max_delete_percent()) / 100).max(FEW);
        if vanished > most && guc::s3_source_max_delete_percent() < 100 && !self.run.allow_mass_delete {
            return self.fail(too_many(&self.entry.name, vanished, rows));
        }
        self.phase = Phase::Sweeping { after: String::new() };
        Ok(Step::More)
    }

    fn sweep(&mut self) -> Result<Step, PgError> {
        let Phase::Sweeping { after } = &mut self.phase else { return Ok(Step::More) };
        let slice = self.table.slice(self.run, self.scope.prefix(), after)?;
        let vanished = slice.vanished.len();
        let refused = self.table.delete(slice.vanished)?;
        self.tally.deleted += vanished.saturating_sub(refused.len()) as u64;
        for refused in &refused {
            self.tally.fail(Trouble::from(refused));
        }
        let Some(last) = slice.last else { return self.succeed() };
        *after = last;
        runs::progress(self.run, &self.tally)?;
        Ok(Step::More)
    }

    fn succeed(&mut self) -> Result<Step, PgError> {
        if let Some(trouble) = &self.tally.trouble {
            pgrx::warning!(
                "S3 source {}: {} objects failed: {}",
                self.entry.name,
                self.tally.failed,
                trouble.message
            );
        }
        runs::finish(self.entry.id, self.run, &self.tally, false)?;
        self.tidy();
        Ok(Step::Done)
    }

    fn fail(&mut self, trouble: Trouble) -> Result<Step, PgError> {
        fail(&self.entry, self.run, std::mem::take(&mut self.tally), trouble)?;
        self.tidy();
        Ok(Step::Done)
    }

    /// Empties the table of seen keys. If that fails, the next run does it.
    fn tidy(&self) {
        if let Err(error) = self.table.forget_seen() {
            pgrx::log!(
                "S3 source {} keeps its list of seen keys until the next run: {error}",
                self.entry.name
            );
        }
    }
}

/// Returns the part of the bucket that a source lists. Errors if the source is not allowed.
fn permitted(entry: &Entry) -> Result<Scope, Trouble> {
    let declared = &entry.declared;
    transaction(|| access::require_allowed(&declared.config, &declared.uri, entry.owner))
        .map_err(|error| Trouble::from(&error))?;
    Scope::new(&declared.uri, &declared.config, &guc::pipeline()).map_err(|failure| Trouble::from(&failure))
}

fn fail(entry: &Entry, run: Run, mut tally: Tally, trouble: Trouble) -> Result<(), PgError> {
    pgrx::warning!("S3 source {} could not be synchronised: {}", entry.name, trouble.message);
    tally.trouble = Some(trouble);
    runs::finish(entry.id, run, &tally, true)
}

fn too_many(name: &str, vanished: u64, rows: u64) -> Trouble {
    Trouble {
        code: "too_many_deletes".to_owned(),
        message: format!(
            "the listing lacks {vanished} of {rows} objects that the table has; none was deleted"
        ),
        hint: Some(format!(
            "If they were removed on purpose: SELECT ai.sync_s3_source('{name}', allow_mass_delete => true); else \
             check the bucket, the endpoint and the globs. pgai_rs.s3_source_max_delete_percent is the limit."
        )),
    }
}
