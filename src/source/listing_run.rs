//! The run of a listing, from the first page to the last deletion. A step takes one or two transactions.
//!
//! ```text
//! Reading ─page─► Comparing ─changed─► Asking ─► Writing ─► Reading …
//!    └─end─► Pairing ─other sidecars─► Asking ─► Writing ─► Pairing …
//!               └─end─► Surveying ─something vanished─► Sweeping ─► done
//! ```
//!
//! A sidecar may be listed on another page than its document, before or after it, and one that is gone is listed nowhere.
//! So rows are compared with the sidecars that were seen when the whole listing has succeeded.
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

use super::batch::Batch;
use super::entry::S3Source;
use super::lock_backoff::LockBackoff;
use super::room::{self, Room};
use super::runs::{self, Problem, Run, RunCounts};
use super::table::{Difference, MirrorTable, Written, asks_about_objects};
use crate::access::source as access;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The number of deletions that is always allowed. The limit above it guards what can't be undone quickly.
const FEW: u64 = 1_000;
/// The largest number of objects that are asked about together of which S3 tells no metadata, if it tells that of no other. If
/// there are more, the cause is not in the objects, and asking for others would only cost.
const MOST_UNTOLD: usize = 16;

/// The largest number of addresses that are recorded for one object: its own, its sidecar's, and that of an event.
const SEEN_FOR_OBJECT: u64 = 3;

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
    room: Room,
    /// True if the table has no room for some objects, which were not written.
    lacks_room: bool,
    /// The number of objects, and of sidecars, that were recorded as seen.
    seen: u64,
}

enum Phase {
    /// Waits for the next page of the listing.
    Reading,
    /// Compares a page with the table.
    Comparing(ListingPage),
    /// Waits for what S3 tells about objects.
    Asking(Inquiry, Batch),
    /// Writes objects into the table.
    Writing(Vec<Object>, Batch),
    /// Looks, behind a key, for rows whose metadata is of another sidecar than the one that the run has seen.
    Pairing { after: String },
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
            room: Room::default(),
            lacks_room: false,
            seen: 0,
        })
    }

    /// Returns whether S3 is being asked about objects, so that its answers may be older than an event.
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(..) | Phase::Writing(..))
    }

    /// Records that these addresses exist, so that they are not taken for vanished.
    pub fn note_seen(&mut self, uris: Vec<String>) -> Result<(), PgError> {
        self.seen += uris.len() as u64;
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
                let differences = self.table.see(self.run, self.scope.prefix(), page)?;
                self.compared(differences, network)
            }
            Phase::Asking(inquiry, batch) => {
                let Some(answers) = inquiry.answers() else { return Ok(NextStep::Waiting) };
                let batch = std::mem::take(batch);
                self.answered(answers, batch)
            }
            Phase::Writing(objects, batch) => {
                let written = self.table.upsert(self.scope.prefix(), objects)?;
                let new = batch.count_new(self.scope.prefix(), objects, &written.refused);
                let batch = std::mem::take(batch);
                self.written(&written, new, batch, network)
            }
            Phase::Pairing { .. } => self.pair(network),
            Phase::Surveying { .. } => self.survey(),
            Phase::Sweeping { .. } => self.sweep(),
        }
    }

    fn read(&mut self) -> Result<NextStep, PgError> {
        match self.listing.try_next() {
            None => return Ok(NextStep::Waiting),
            Some(ListingPart::Failed(failure)) => return self.fail(Problem::from(&failure)),
            Some(ListingPart::End) if self.lacks_room => return self.fail(room::too_many()),
            Some(ListingPart::End) if self.scope.reads_sidecars() => {
                self.phase = Phase::Pairing { after: String::new() };
            }
            Some(ListingPart::End) => self.phase = Phase::surveying(),
            Some(ListingPart::Page(page)) => {
                self.counts.scanned += page.scanned;
                self.counts.skipped += page.skipped;
                self.seen += (page.objects.len() + page.sidecars.len()) as u64;
                if self.seen > guc::s3_source_max_objects().saturating_mul(SEEN_FOR_OBJECT) {
                    return self.fail(room::too_many());
                }
                if !page.objects.is_empty() || !page.sidecars.is_empty() {
                    self.phase = Phase::Comparing(page);
                }
            }
        }
        Ok(NextStep::More)
    }

    fn compared(&mut self, mut differences: Vec<Difference>, network: &Network) -> Result<NextStep, PgError> {
        let mut new: HashSet<String> =
            differences.iter().filter(|d| d.new).map(|d| d.object.key.clone()).collect();
        if !self.room.take(&self.table, new.len() as u64)? {
            // What has a row is kept in step.
            self.lacks_room = true;
            differences.retain(|d| !d.new);
            new.clear();
        }
        if differences.is_empty() {
            self.phase = Phase::Reading;
            runs::progress(self.run, &self.counts)?;
        } else if asks_about_objects(&self.entry) {
            let keys = differences.into_iter().map(|d| d.object.key).collect();
            self.ask(Batch::of_page(new, keys), network);
        } else {
            let objects = differences.into_iter().map(|d| d.object).collect();
            self.phase = Phase::Writing(objects, Batch::of_page(new, Vec::new()));
        }
        Ok(NextStep::More)
    }

    fn ask(&mut self, mut batch: Batch, network: &Network) {
        let config = &self.entry.declared.config;
        let (keys, access) = (batch.take_next(!config.metadata.is_empty()), config.s3.clone());
        self.phase = Phase::Asking(Inquiry::start(network, self.scope.clone(), access, keys), batch);
    }

    fn answered(&mut self, answers: Vec<ObjectAnswer>, batch: Batch) -> Result<NextStep, PgError> {
        let mut objects = Vec::new();
        let mut untold = Vec::new();
        for ObjectAnswer { state, invalid_metadata, .. } in answers {
            if let Some(failure) = invalid_metadata {
                self.counts.fail(Problem::from(&failure));
            }
            match state {
                ObjectState::Present(object) => objects.push(object),
                // Gone since it was listed: the next run removes its row, if there is one.
                ObjectState::Absent => {}
                ObjectState::Unknown(failure) => self.counts.fail(Problem::from(&failure)),
                ObjectState::MetadataUnknown(failure) => {
                    self.counts.fail(Problem::from(&failure));
                    untold.push(failure);
                }
            }
        }

        if let Some(failure) = untold.first().filter(|_| objects.is_empty() && untold.len() > MOST_UNTOLD) {
            return self.fail(Problem::from(failure));
        }
        self.phase = Phase::Writing(objects, batch);
        Ok(NextStep::More)
    }

    fn written(
        &mut self,
        written: &Written,
        new: u64,
        batch: Batch,
        network: &Network,
    ) -> Result<NextStep, PgError> {
        self.counts.new += new;
        self.counts.modified += written.rows.saturating_sub(new);
        for refused in &written.refused {
            self.counts.fail(Problem::from(refused));
        }

        if batch.has_more() {
            self.ask(batch, network);
        } else {
            self.phase = match batch.slice() {
                Some(after) => Phase::Pairing { after },
                None => Phase::Reading,
            };
        }
        runs::progress(self.run, &self.counts)?;
        Ok(NextStep::More)
    }

    /// Has S3 asked about the rows of a slice whose sidecars have changed.
    fn pair(&mut self, network: &Network) -> Result<NextStep, PgError> {
        let Phase::Pairing { after } = &mut self.phase else { return Ok(NextStep::More) };
        let prefix = self.scope.prefix();
        let slice = self.table.other_sidecars(self.run, prefix, after)?;
        let keys: Vec<String> =
            slice.uris.iter().filter_map(|uri| prefix.key(uri).map(str::to_owned)).collect();

        match slice.last {
            None => self.phase = Phase::surveying(),
            Some(last) if keys.is_empty() => *after = last,
            Some(last) => self.ask(Batch::of_slice(keys, last), network),
        }
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
        let deleted = self.table.delete(slice.vanished)?;
        self.counts.deleted += deleted.rows;
        for refused in &deleted.refused {
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

impl Phase {
    fn surveying() -> Phase {
        Phase::Surveying { after: String::new(), rows: 0, vanished: 0 }
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
