//! A vectorizer that this worker serves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::pg_sys::AccessShareLock;

use pgai_rs_pipeline::config::Loading;
use pgai_rs_pipeline::document;
use pgai_rs_pipeline::embed;
use pgai_rs_queue::cursor::Cursor;
use pgai_rs_queue::definition::Definition;

use super::counters::Counters;
use super::definition;
use super::filling::Filling;
use super::looks::Looks;
use super::pause::Pause;
use super::schedule::Schedule;
use crate::access;
use crate::catalog::binding::{self, Relations};
use crate::catalog::definitions::{Told, Watch};
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::catalog::words::{self, Configuration};
use crate::catalog::{secret, spending, usage};
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::identity::{as_user, as_user_on};
use crate::pg::sql::{self, ident};
use crate::pg::transaction::{make_constraints_immediate, transaction};
use crate::pg::turn;

/// A vectorizer that this worker serves.
pub struct Active {
    version: String,
    /// The watch over its relations and what they depend on; `None` if they are to be read again.
    watch: Option<Watch>,
    /// The definition in the catalog.
    pub vectorizer: Vectorizer,
    /// The definition as the queue's statements need it.
    pub definition: Definition,
    /// The definition as the pipeline takes it.
    pub shared: Arc<document::Vectorizer>,
    /// The pause after an error of its own, during which its queue is not read.
    pub paused: Pause,
    /// The pause after statements that took too long. It grows until rows are written.
    pub overrun: Pause,
    /// The number of the last claim for it, counted over all vectorizers. The lowest is served first.
    pub claimed_for: u64,
    /// The time until which no rows are claimed, so that a vectorizer beside it catches up.
    pub held_until: Option<Instant>,
    /// Its schedule, with the current position.
    pub schedule: Schedule,
    /// The position in the inbox from which the next scan starts.
    pub cursor: Cursor,
    /// The times at which its queue is looked at.
    pub looks: Looks,
    /// The words that its older chunks are still to be given; `None` if all have some, or none are kept.
    pub filling: Option<Filling>,
    /// The time from which rows are looked for that a worker held when it ended; `None` if there are none.
    pub suspects_from: Option<Instant>,
    /// The number of claims left that take a row by itself, because one of these can't be read.
    pub singly: usize,
    /// The number of rows in a row that could not be read.
    pub unreadable: usize,
    /// The mean size in bytes of the rows that were claimed last, which limits the rows of the next claim; 0
    /// if it is unknown.
    pub mean_size: u64,
}

impl Active {
    /// Reads a vectorizer. Parts of `known` that have not changed are shared, because the pipeline groups and
    /// caches by identity. Errors if the definition is invalid, or no longer allowed.
    pub fn take_up(
        entry: &Entry,
        known: Option<&Active>,
        counters: &Counters,
        comes_last: bool,
    ) -> Result<Active, PgError> {
        let (watch, vectorizer, author, api_key, account, meter, definition) = transaction(|| {
            let mut watch = Watch::over(entry.relations.all(), entry.generation)?;
            let mut vectorizer = entry.resolve()?;
            require_its_model(entry, &vectorizer)?;
            let api_key = secret::api_key_of(&vectorizer.config.embedding)?;
            let Vectorizer { config, owner, author, .. } = &vectorizer;
            access::vectorizer::require_allowed(config, *owner, *author, api_key.as_ref())?;
            let author = vectorizer.author;
            if let Loading::Uri { s3, .. } = &mut vectorizer.config.loading {
                s3.author = author;
            }
            let account = spending::account_of(&counters.quotas, vectorizer.owner);
            let model = embed::model_name(&vectorizer.config.embedding, &guc::pipeline()).ok();
            let meter = usage::meter_of(&counters.ledger, entry, model);
            let configuration = words::configuration_of(&vectorizer.config.search, vectorizer.owner)?;
            watch.add(configuration.iter().flat_map(Configuration::basis));
            let definition = definition::of(&vectorizer, configuration.as_ref())?;
            Ok((watch, vectorizer, author, api_key, account, meter, definition))
        })?;
        let fresh = document::Vectorizer {
            id: entry.id,
            name: entry.name.clone(),
            config: vectorizer.config.clone(),
            author,
            api_key,
            account,
            meter,
            comes_last,
        };
        let shared = match known {
            Some(s)
                if s.shared.config == fresh.config
                    && s.shared.author == fresh.author
                    && s.shared.api_key == fresh.api_key
                    && s.shared.account == fresh.account
                    && s.shared.meter == fresh.meter
                    && s.shared.comes_last == fresh.comes_last =>
            {
                s.shared.clone()
            }
            _ => Arc::new(fresh),
        };
        let schedule = Schedule::of(&vectorizer.config.scheduling).or_known(known.map(|s| &s.schedule));
        let filling = Filling::of(vectorizer.words.as_ref(), known.and_then(|known| known.filling.as_ref()));
        Ok(Active {
            version: entry.version.clone(),
            watch: Some(watch),
            vectorizer,
            definition,
            shared,
            paused: Pause::default(),
            // Whoever changes a definition may have mended it, but can do so again and again.
            overrun: known.map_or_else(Pause::of_overrun, |known| known.overrun.over()),
            claimed_for: known.map_or(0, |known| known.claimed_for),
            held_until: known.and_then(|known| known.held_until),
            schedule,
            cursor: Cursor::default(),
            looks: Looks::default(),
            filling,
            suspects_from: known.and_then(|known| known.suspects_from),
            singly: known.map_or(0, |known| known.singly),
            unreadable: known.map_or(0, |known| known.unreadable),
            mean_size: 0,
        })
    }

    /// Returns whether its catalog row is the version that was read.
    pub fn is_same_version(&self, entry: &Entry) -> bool {
        self.version == entry.version
    }

    /// Returns whether neither its definition nor its tables have changed since it was read.
    pub fn is_current(&self, entry: &Entry) -> bool {
        self.is_same(entry) && self.is_undisturbed()
    }

    /// Returns whether its definition and the names of its tables are those of this entry, and words are added if some are
    /// missing.
    pub fn is_same(&self, entry: &Entry) -> bool {
        self.is_same_version(entry)
            && self.vectorizer.relations == entry.relations
            && (self.filling.is_some() || self.definition.words.is_none() || entry.has_all_words)
    }

    /// Returns the generation of the definitions from which it was read, if something has changed since of which it is not
    /// known what. It need not be read again at once: whoever settles something asks [`is_outdated`](Self::is_outdated).
    pub fn doubted_since(&self) -> Option<u64> {
        self.watch.as_ref().filter(|watch| watch.told() == Told::OfAll).map(Watch::since)
    }

    /// Returns whether nothing was heard of a change of its relations since it was read.
    fn is_undisturbed(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_undisturbed)
    }

    /// Returns whether its definition or its tables have changed in the catalog, so that names in its
    /// statements may mean other objects. It must be called within a transaction, after statements whose
    /// locks prevent later changes.
    pub fn is_outdated(&self) -> Result<bool, PgError> {
        if self.is_undisturbed() {
            return Ok(false);
        }
        let now = vectorizer::by_id(self.vectorizer.id)?;
        Ok(now.is_none_or(|now| now.version != self.version || now.relations != self.vectorizer.relations))
    }

    /// Has it read again at the next refresh, because a setting may have changed.
    pub fn forget(&mut self) {
        self.watch = None;
    }

    /// Returns whether the provider sees another API key than for `known`, or the vectorizer was not served
    /// before: rows that failed for lack of access may then succeed.
    pub fn is_permitted_anew(&self, known: Option<&Active>) -> bool {
        known.is_none_or(|known| known.shared.api_key != self.shared.api_key)
    }

    /// Returns a row limit for a claim of `bytes` bytes: twice what fits at the mean size, so that a claim of
    /// a few large rows does not look at a thousand. A limit that is too low does no harm, because the next
    /// claim follows at once.
    pub fn likely_to_fit(&self, bytes: u64) -> u64 {
        bytes.checked_div(self.mean_size).map_or(u64::MAX, |count| count.saturating_mul(2).saturating_add(1))
    }

    /// Returns the longer of the times that are left of its two pauses, or `None` if it may be looked at now.
    pub fn rest(&self) -> Option<Duration> {
        self.paused.left().max(self.overrun.left())
    }

    /// Returns whether it pauses now.
    pub fn rests(&self) -> bool {
        self.rest().is_some()
    }

    /// Returns whether it pauses, or its statements took too long and no rows were written since.
    pub fn has_overrun(&self) -> bool {
        self.rests() || self.overrun.has_grown()
    }

    /// Resets the pause after statements that took too long, because rows were written.
    pub fn wrote(&mut self) {
        self.overrun = Pause::of_overrun();
    }

    /// Runs statements as the vectorizer's owner. Its tables are locked first, and errors are raised if their
    /// owner or names have changed. Constraints are immediate, so that nothing is left to run at commit.
    pub fn as_owner<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        let relations = &self.vectorizer.relations;
        self.waiting_for_locks(|| relations.hold())?;
        as_user_on(self.vectorizer.owner, &relations.oids(), || {
            make_constraints_immediate();
            f()
        })
    }

    /// Runs `f`, which takes locks on its tables. The time for which it waits for them counts as the owner's, whose turn has
    /// not begun.
    fn waiting_for_locks<R>(&self, f: impl FnOnce() -> R) -> R {
        turn::on_account_of(self.vectorizer.owner, f)
    }

    /// Determines the first time of its schedule, if it is not known. It runs as the owner, like the
    /// declaration, and within the owner's share of time.
    pub fn begin_schedule(&mut self) -> Result<(), PgError> {
        if self.schedule.has_begun() {
            return Ok(());
        }
        let owner = self.vectorizer.owner;
        transaction(|| as_user(owner, || self.schedule.begin()))
    }

    /// Ends the run of its schedule because the queue is empty. Returns the time until the next run, or
    /// `None` without a schedule.
    pub fn end_run(&mut self) -> Result<Option<Duration>, PgError> {
        let owner = self.vectorizer.owner;
        transaction(|| as_user(owner, || self.schedule.end_run()))
    }

    /// Runs a read of the queue as the vectorizer's owner. The inbox and the work table are locked first, and
    /// errors are raised if they have changed.
    pub fn as_owner_of_queue<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        let Relations { inbox, work, .. } = &self.vectorizer.relations;
        self.waiting_for_locks(|| {
            [inbox, work].into_iter().try_for_each(|table| table.hold(AccessShareLock))
        })?;
        as_user_on(self.vectorizer.owner, &[inbox.oid, work.oid].into(), f)
    }
}

/// Errors (55000) if there are vectors of another model than the config names. If there are none, whoever has changed the config
/// has mended the name of a model that nothing came of, and the new one is recorded.
fn require_its_model(entry: &Entry, vectorizer: &Vectorizer) -> Result<(), PgError> {
    let Err(error) = entry.model() else { return Ok(()) };
    vectorizer.relations.hold()?;
    let (table, column) = vectorizer.vectors();
    let look = format!("SELECT EXISTS (SELECT FROM {table} WHERE {} IS NOT NULL)", ident(column));
    let has_vectors = as_user_on(vectorizer.owner, &vectorizer.relations.oids(), || sql::yes(&look))?;
    if has_vectors { Err(error) } else { binding::record_named_model(entry.id) }
}
