//! A vectorizer that this worker works for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::AccessShareLock;

use pgai_rs_pipeline::backoff::Backoff;
use pgai_rs_pipeline::config::Loading;
use pgai_rs_pipeline::document;
use pgai_rs_pipeline::quota::Quotas;
use pgai_rs_pipeline::secret::ApiKey;

use super::fold;
use super::schedule::Schedule;
use super::statements::Statements;
use crate::api::validate;
use crate::catalog::binding::Relations;
use crate::catalog::definitions;
use crate::catalog::key::{transpose, KeyValues};
use crate::catalog::vectorizer::{self, Entry, Vectorizer};
use crate::catalog::{secret, spending};
use crate::pg::error::PgError;
use crate::pg::identity::{as_user, as_user_on};
use crate::pg::sql;
use crate::pg::transaction::transaction;
use crate::pg::turn;

/// How many times longer than usual a statement may take that reads a whole table, once.
pub const WHOLE_TABLE: u32 = 6;

/// A vectorizer that this worker works for.
pub struct Served {
    version: String,
    generation: u64,
    /// As it stands in the catalog.
    pub vectorizer: Vectorizer,
    /// Its queue's SQL.
    pub statements: Statements,
    /// As the pipeline sees it.
    pub shared: Arc<document::Vectorizer>,
    /// Not to be looked at before this, after an error of its own.
    pub paused: Pause,
    /// The same after statements that took too long, until some rows are written.
    pub overrun: Pause,
    /// When it was claimed for last, as a number that grows.
    pub claimed_for: u64,
    /// When it is worked on.
    pub schedule: Schedule,
    /// Where in the inbox to go on.
    pub fold_place: fold::Place,
    /// Mean bytes of the rows that were claimed last: how many to look at for the next claim.
    pub mean_size: u64,
}

/// A growing pause after errors that concern a whole vectorizer.
#[derive(Clone)]
pub struct Pause {
    until: Option<Instant>,
    backoff: Backoff,
}

impl Default for Pause {
    fn default() -> Self {
        Pause { until: None, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) }
    }
}

impl Pause {
    /// A pause that grows up to ten minutes, for what costs the others time each time that it is tried.
    fn of_overrun() -> Self {
        Pause { until: None, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(600)) }
    }

    /// The same, over for now: the next will be as long as if it had not been.
    pub fn over(&self) -> Self {
        Pause { until: None, backoff: self.backoff.clone() }
    }

    /// Begins one, longer than the last.
    pub fn begin(&mut self) {
        self.until = Some(Instant::now() + self.backoff.grow());
    }

    /// Whether there was one.
    fn has_grown(&self) -> bool {
        self.backoff.times() > 0
    }

    /// How long it lasts yet, if it does.
    pub fn left(&self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then_some(left)
    }
}

impl Served {
    /// Reads a vectorizer; what is `known` of it and did not change stays the same, for the pipeline groups
    /// and caches by identity.
    pub fn take_up(entry: &Entry, known: Option<&Served>, quotas: &Arc<Quotas>) -> Result<Served, PgError> {
        let generation = definitions::generation();
        let (vectorizer, author, api_key, account, statements) = transaction(|| {
            let mut vectorizer = entry.understand()?;
            let api_key = secret::api_key_of(&vectorizer.config.embedding)?;
            require_allowed(&vectorizer, api_key.as_ref())?;
            let author = vectorizer.author;
            if let Loading::Uri { s3, .. } = &mut vectorizer.config.loading {
                s3.author = author;
            }
            let account = spending::account_of(quotas, vectorizer.owner);
            let statements = Statements::new(&vectorizer)?;
            Ok((vectorizer, author, api_key, account, statements))
        })?;
        let fresh = document::Vectorizer {
            id: entry.id,
            name: entry.name.clone(),
            config: vectorizer.config.clone(),
            author,
            api_key,
            account,
        };
        let shared = match known {
            Some(s)
                if s.shared.config == fresh.config
                    && s.shared.author == fresh.author
                    && s.shared.api_key == fresh.api_key
                    && s.shared.account == fresh.account =>
            {
                s.shared.clone()
            }
            _ => Arc::new(fresh),
        };
        let schedule = Schedule::of(&vectorizer.config.scheduling).or_known(known.map(|s| &s.schedule));
        Ok(Served {
            version: entry.version.clone(),
            generation,
            vectorizer,
            statements,
            shared,
            paused: Pause::default(),
            // Whoever changes a definition may have mended it, but can do so again and again.
            overrun: known.map_or_else(Pause::of_overrun, |known| known.overrun.over()),
            claimed_for: known.map_or(0, |known| known.claimed_for),
            schedule,
            fold_place: fold::Place::default(),
            mean_size: 0,
        })
    }

    /// Whether its row of the catalog is the one that was read.
    pub fn is_same_version(&self, entry: &Entry) -> bool {
        self.version == entry.version
    }

    /// Whether nothing has changed since it was read.
    pub fn is_current(&self, entry: &Entry) -> bool {
        self.is_same_version(entry)
            && self.vectorizer.relations == entry.relations
            && self.generation == definitions::generation()
    }

    /// Whether the catalog says something else by now: then what its statements name may be something else,
    /// too. To be called within a transaction, after statements whose locks keep it so.
    pub fn is_outdated(&self) -> Result<bool, PgError> {
        if self.generation == definitions::generation() {
            return Ok(false);
        }
        let now = vectorizer::by_id(self.vectorizer.id)?;
        Ok(now.is_none_or(|now| now.version != self.version || now.relations != self.vectorizer.relations))
    }

    /// That it is not.
    pub fn require_unchanged(&self) -> Result<(), PgError> {
        match self.is_outdated()? {
            false => Ok(()),
            true => Err(PgError::new(
                pgrx::PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
                "its definition has changed meanwhile",
            )),
        }
    }

    /// Makes it be read again: a setting may have changed.
    pub fn forget(&mut self) {
        self.generation = 0;
    }

    /// Gives back what dead workers hold of it.
    pub fn recover(&self) -> Result<(), PgError> {
        let pid = std::process::id() as i32;
        turn::allowing(WHOLE_TABLE, || {
            transaction(|| self.as_owner(|| sql::execute(&self.statements.recover, &[pid.into()])))
        })
        .map(drop)
    }

    /// Tells whether what the provider is shown is not what it was for `known`: another key, or a right that was missing.
    pub fn is_permitted_anew(&self, known: Option<&Served>) -> bool {
        known.is_none_or(|known| known.shared.api_key != self.shared.api_key)
    }

    /// Has rows tried at once that wait for no fault of their own.
    pub fn resume(&self) -> Result<(), PgError> {
        turn::allowing(WHOLE_TABLE, || {
            transaction(|| self.as_owner(|| sql::execute(&self.statements.resume, &[])))
        })
        .map(drop)
    }

    /// How many rows to look at for a claim of so many bytes, lest a claim of a few large rows look
    /// at a thousand. Too few is no harm: the next claim follows at once.
    pub fn likely_to_fit(&self, bytes: u64) -> u64 {
        bytes.checked_div(self.mean_size).map_or(u64::MAX, |count| count.saturating_mul(2).saturating_add(1))
    }

    /// How long it is not to be looked at, after an error of its own.
    pub fn rest(&self) -> Option<Duration> {
        self.paused.left().max(self.overrun.left())
    }

    /// Whether it is not to be looked at now.
    pub fn rests(&self) -> bool {
        self.rest().is_some()
    }

    /// Whether it rests, or its statements took too long and no rows were written since.
    pub fn has_overrun(&self) -> bool {
        self.rests() || self.overrun.has_grown()
    }

    /// Rows were written: what took too long did so no more.
    pub fn wrote(&mut self) {
        self.overrun = Pause::of_overrun();
    }

    /// Runs statements as the vectorizer's owner, without leaving anything to run at commit. Its tables are locked
    /// first, and looked at: they are still that owner's, and called as they were when the statements were written.
    pub fn as_owner<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        let relations = &self.vectorizer.relations;
        relations.hold()?;
        as_user_on(self.vectorizer.owner, &relations.oids(), || {
            sql::execute("SET CONSTRAINTS ALL IMMEDIATE", &[])?;
            f()
        })
    }

    /// Finds out the first time of its schedule, if that is not known. In its owner's time, as whom it was declared.
    pub fn begin_schedule(&mut self) -> Result<(), PgError> {
        if self.schedule.has_begun() {
            return Ok(());
        }
        let owner = self.vectorizer.owner;
        transaction(|| as_user(owner, || self.schedule.begin()))
    }

    /// Returns how long it rests by its schedule, if it has one, now that its queue is empty.
    pub fn end_run(&mut self) -> Result<Option<Duration>, PgError> {
        let owner = self.vectorizer.owner;
        transaction(|| as_user(owner, || self.schedule.end_run()))
    }

    /// Looks into the queue as the vectorizer's owner. Its tables are locked first, and looked at.
    pub fn looking<R>(&self, f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
        let Relations { inbox, work, .. } = &self.vectorizer.relations;
        [inbox, work].into_iter().try_for_each(|table| table.hold(AccessShareLock))?;
        as_user_on(self.vectorizer.owner, &[inbox.oid, work.oid].into(), f)
    }

    /// The parameters of [`Key::given`](crate::catalog::key::Key::given), to which more can be added.
    pub fn keys<'a>(&self, keys: impl Iterator<Item = &'a KeyValues>) -> Vec<DatumWithOid<'static>> {
        transpose(keys, self.vectorizer.key.len()).into_iter().map(DatumWithOid::from).collect()
    }
}

/// What was allowed when the vectorizer was declared may not be any more.
fn require_allowed(vectorizer: &Vectorizer, key: Option<&ApiKey>) -> Result<(), PgError> {
    let Vectorizer { config, owner, author, .. } = vectorizer;
    validate::embedding_egress(&config.embedding, *owner, *author, key)?;
    validate::loading_egress(&config.loading, *owner, *author)
}
