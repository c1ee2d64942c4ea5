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

use pgai_rs_pipeline::source::{
    Inquiry, Listing, ListingPage, ListingPart, ListingScope, Network, Object, ObjectAnswer, ObjectState,
};

use super::entry::S3Source;
use super::lock_backoff::LockBackoff;
use super::runs::{self, Problem, Run, RunCounts};
use super::table::{Difference, MirrorTable, asks_for_type};
use super::write::Refused;
use crate::access::source as access;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The number of deletions that is always allowed. The limit above it guards what can't be undone quickly.
const FEW: u64 = 1_000;
/// The time of the next step.
#[derive(Debug, PartialEq)]
pub enum NextStep {
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
pub struct ListingRun {
    run: Run,
    counts: RunCounts,
    table: MirrorTable,
    scope: Arc<ListingScope>,
    entry: S3Source,
    listing: Listing,
    phase: Phase,
    backoff: LockBackoff,
}

enum Phase {
    /// Waits for the next page of the listing.
    Reading,
    /// Compares a page with the table.
    Comparing(ListingPage),
    /// Waits for the types of the objects of a page, as S3 tells them; with the keys of those that are new.
    Asking(Inquiry, HashSet<String>),
    /// Writes objects into the table; with the keys of those that are new.
    Writing(Vec<Object>, HashSet<String>),
    /// Counts, behind a key, the rows and those of them that the run has not seen.
    Surveying { after: String, rows: u64, vanished: u64 },
    /// Deletes, behind a key, the rows that the run has not seen.
    Sweeping { after: String },
}

impl ListingRun {
    /// Begins a run. Returns `None` if another process has begun it, or if it failed at once, which is
    /// recorded.
    pub fn begin(entry: &S3Source, network: &Network) -> Result<Option<ListingRun>, PgError> {
        let Some(run) = runs::begin(entry)? else { return Ok(None) };
        match ListingRun::start(entry, run, network) {
            Ok(listing_run) => Ok(Some(listing_run)),
            Err(problem) => {
                fail(entry, run, RunCounts::default(), problem)?;
                Ok(None)
            }
        }
    }

    fn start(entry: &S3Source, run: Run, network: &Network) -> Result<ListingRun, Problem> {
        let scope = Arc::new(permitted(entry)?);
        let table = MirrorTable::load(entry).map_err(|error| Problem::from(&error))?;
        table.forget_run(run).map_err(|error| Problem::from(&error))?;

        Ok(ListingRun {
            run,
            counts: RunCounts::default(),
            table,
            listing: Listing::start(network, scope.clone(), entry.declared.config.s3.clone()),
            scope,
            entry: entry.clone(),
            phase: Phase::Reading,
            backoff: LockBackoff::default(),
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
    pub fn step(&mut self, network: &Network) -> Result<NextStep, PgError> {
        if let Some(left) = self.backoff.left() {
            return Ok(NextStep::Later(left));
        }
        match self.advance(network) {
            Ok(step) => {
                self.backoff.renew();
                Ok(step)
            }
            Err(error) if error.is_contention() && !self.backoff.is_over() => {
                Ok(NextStep::Later(self.backoff.grow()))
            }
            Err(error) => self.fail(Problem::from(&error)),
        }
    }

    /// Ends the run if the current settings no longer allow it. Returns whether it goes on.
    pub fn is_still_allowed(&mut self) -> Result<bool, PgError> {
        match permitted(&self.entry) {
            Ok(_) => Ok(true),
            Err(problem) => self.fail(problem).map(|_| false),
        }
    }

    /// Ends the run as failed before it is complete; `why` completes the message.
    pub fn abandon(mut self, why: &str) -> Result<(), PgError> {
        let message = format!("the source was {why} meanwhile");
        self.fail(Problem { code: "interrupted".to_owned(), message, hint: None }).map(drop)
    }

    fn advance(&mut self, network: &Network) -> Result<NextStep, PgError> {
        match &mut self.phase {
            Phase::Reading => self.read(),
            Phase::Comparing(page) => {
                let differences = self.table.see(self.run, self.scope.prefix(), &page.objects)?;
                self.compared(differences, network)
            }
            Phase::Asking(inquiry, new) => {
                let Some(answers) = inquiry.answers() else { return Ok(NextStep::Waiting) };
                let new = std::mem::take(new);
                self.answered(answers, new);
                Ok(NextStep::More)
            }
            Phase::Writing(objects, new) => {
                let refused = self.table.upsert(self.scope.prefix(), objects)?;
                let written = objects.len();
                let new = new.len();
                self.written(written, new, &refused)
            }
            Phase::Surveying { .. } => self.survey(),
            Phase::Sweeping { .. } => self.sweep(),
        }
    }

    fn read(&mut self) -> Result<NextStep, PgError> {
        match self.listing.try_next() {
            None => return Ok(NextStep::Waiting),
            Some(ListingPart::Failed(failure)) => return self.fail(Problem::from(&failure)),
            Some(ListingPart::End) => {
                self.phase = Phase::Surveying { after: String::new(), rows: 0, vanished: 0 };
            }
            Some(ListingPart::Page(page)) => {
                self.counts.scanned += page.scanned;
                self.counts.skipped += page.skipped;
                if !page.objects.is_empty() {
                    self.phase = Phase::Comparing(page);
                }
            }
        }
        Ok(NextStep::More)
    }

    fn compared(&mut self, differences: Vec<Difference>, network: &Network) -> Result<NextStep, PgError> {
        let new = differences.iter().filter(|d| d.new).map(|d| d.object.key.clone()).collect();
        if differences.is_empty() {
            self.phase = Phase::Reading;
            runs::progress(self.run, &self.counts)?;
        } else if asks_for_type(&self.entry) {
            let keys = differences.into_iter().map(|d| d.object.key).collect();
            let access = self.entry.declared.config.s3.clone();
            self.phase = Phase::Asking(Inquiry::start(network, self.scope.clone(), access, keys), new);
        } else {
            self.phase = Phase::Writing(differences.into_iter().map(|d| d.object).collect(), new);
        }
        Ok(NextStep::More)
    }

    fn answered(&mut self, answers: Vec<ObjectAnswer>, mut new: HashSet<String>) {
        let mut objects = Vec::new();
        for ObjectAnswer { key, state } in answers {
            match state {
                ObjectState::Present(object) => {
                    objects.push(object);
                    continue;
                }
                // Gone since it was listed: the next run removes its row, if there is one.
                ObjectState::Absent => {}
                ObjectState::Unknown(failure) => self.counts.fail(Problem::from(&failure)),
            }
            new.remove(&key);
        }
        self.phase = Phase::Writing(objects, new);
    }

    fn written(&mut self, written: usize, new: usize, refused: &[Refused]) -> Result<NextStep, PgError> {
        let Phase::Writing(_, keys) = &self.phase else { return Ok(NextStep::More) };
        let is_new =
            |refused: &&Refused| self.scope.prefix().key(&refused.uri).is_some_and(|key| keys.contains(key));
        let refused_new = refused.iter().filter(is_new).count();

        // A server may list a key twice on a page.
        self.counts.new += new.saturating_sub(refused_new) as u64;
        let others = written.saturating_sub(new);
        self.counts.modified += others.saturating_sub(refused.len() - refused_new) as u64;
        for refused in refused {
            self.counts.fail(Problem::from(refused));
        }

        self.phase = Phase::Reading;
        runs::progress(self.run, &self.counts)?;
        Ok(NextStep::More)
    }

    /// Counts the rows whose objects have vanished, before any of them is deleted.
    fn survey(&mut self) -> Result<NextStep, PgError> {
        let Phase::Surveying { after, rows, vanished } = &mut self.phase else { return Ok(NextStep::More) };
        let slice = self.table.slice(self.run, self.scope.prefix(), after)?;
        *rows += slice.rows;
        *vanished += slice.vanished.len() as u64;

        if let Some(last) = slice.last {
            *after = last;
            return Ok(NextStep::More);
        }

        let rows = *rows;
        let vanished = *vanished;
        if vanished == 0 {
            return self.succeed();
        }
        let most = (rows.saturating_mul(guc::s3_source_max_delete_percent()) / 100).max(FEW);
        if vanished > most && guc::s3_source_max_delete_percent() < 100 && !self.run.allow_mass_delete {
            return self.fail(too_many(&self.entry.name, vanished, rows));
        }
        self.phase = Phase::Sweeping { after: String::new() };
        Ok(NextStep::More)
    }

    fn sweep(&mut self) -> Result<NextStep, PgError> {
        let Phase::Sweeping { after } = &mut self.phase else { return Ok(NextStep::More) };
        let slice = self.table.slice(self.run, self.scope.prefix(), after)?;
        let vanished = slice.vanished.len();
        let refused = self.table.delete(slice.vanished)?;
        self.counts.deleted += vanished.saturating_sub(refused.len()) as u64;
        for refused in &refused {
            self.counts.fail(Problem::from(refused));
        }
        let Some(last) = slice.last else { return self.succeed() };
        *after = last;
        runs::progress(self.run, &self.counts)?;
        Ok(NextStep::More)
    }

    fn succeed(&mut self) -> Result<NextStep, PgError> {
        if let Some(problem) = &self.counts.problem {
            pgrx::warning!(
                "{1} objects of S3 source \"{0}\" failed: {2}",
                self.entry.name,
                self.counts.failed,
                problem.message
            );
        }
        runs::finish(self.entry.id, self.run, &self.counts, false)?;
        self.tidy();
        Ok(NextStep::Done)
    }

    fn fail(&mut self, problem: Problem) -> Result<NextStep, PgError> {
        fail(&self.entry, self.run, std::mem::take(&mut self.counts), problem)?;
        self.tidy();
        Ok(NextStep::Done)
    }

    /// Empties the table of seen keys. If that fails, the next run does it.
    fn tidy(&self) {
        if let Err(error) = self.table.forget_seen() {
            pgrx::log!("could not delete the seen keys of S3 source \"{}\": {error}", self.entry.name);
        }
    }
}

/// Returns the part of the bucket that a source lists. Errors if the source is not allowed.
fn permitted(entry: &S3Source) -> Result<ListingScope, Problem> {
    let declared = &entry.declared;
    transaction(|| access::require_allowed(&declared.config, &declared.uri, entry.owner))
        .map_err(|error| Problem::from(&error))?;
    ListingScope::new(&declared.uri, &declared.config, &guc::pipeline())
        .map_err(|failure| Problem::from(&failure))
}

fn fail(entry: &S3Source, run: Run, mut counts: RunCounts, problem: Problem) -> Result<(), PgError> {
    pgrx::warning!("could not synchronize S3 source \"{}\": {}", entry.name, problem.message);
    counts.problem = Some(problem);
    runs::finish(entry.id, run, &counts, true)
}

fn too_many(name: &str, vanished: u64, rows: u64) -> Problem {
    Problem {
        code: "too_many_deletes".to_owned(),
        message: format!(
            "{vanished} of {rows} objects in the table are missing from the listing; none was deleted"
        ),
        hint: Some(format!(
            "If they were removed on purpose, run SELECT ai.sync_s3_source('{name}', allow_mass_delete => true); \
             otherwise check the bucket, the endpoint and the globs. The limit is \
             pgai_rs.s3_source_max_delete_percent."
        )),
    }
}
