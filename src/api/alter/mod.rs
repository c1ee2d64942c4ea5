//! `ai.alter_vectorizer`, and the functions for what comes of it.
//!
//! * `in_place`: changes of what a vectorizer does; its rows are read again where chunks may change
//! * `beside`: another model, for which a vectorizer is built beside it
//! * [`switch`]: `ai.switch_vectorizer`, `ai.revert_vectorizer` and `ai.cancel_alteration`
//! * `words`: the words of its chunks

mod beside;
mod in_place;
pub mod switch;
mod words;

use pgrx::datum::Interval;
use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use pgai_rs_pipeline::config::{Destination, VectorizerConfig};

use super::named;
use super::requirements::require_fresh_snapshots;
use crate::catalog::alteration;
use crate::catalog::ownership::require_owner;
use crate::catalog::queue_tables::Remembered;
use crate::catalog::relation::{self, Relation};
use crate::catalog::vectorizer::{self, Entry};
use crate::declare::declaration::{CheckedConfig, ConfigParts};
use crate::declare::{embedding, source as asked_source};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::interval::HAS_NO_NEGATIVE_PART;
use crate::pg::json::Json;
use crate::pg::lock::{self, Named};
use crate::pg::sql;
use crate::trigger::wake;

/// The parts of a config that a call changes.
pub(super) struct Changes {
    /// The parts by their kinds; what was NULL is not among them.
    parts: Vec<(&'static str, Value)>,
    /// The change of the words of its chunks.
    search: Option<Value>,
}

/// The way to a new model.
struct Plan {
    /// The time for which the old vectors are kept.
    keep_old: Interval,
    /// True if the new ones take their place without being asked.
    switches_by_itself: bool,
}

impl Changes {
    /// Returns the changes of parts, given by their kinds, and of words. NULL leaves a part as it is.
    pub fn of<const N: usize>(parts: [(&'static str, Option<Json>); N], search: Option<Json>) -> Changes {
        let given = parts.into_iter().filter_map(|(kind, part)| Some((kind, part?.0)));
        Changes { parts: given.collect(), search: search.map(|search| search.0) }
    }

    /// Returns whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.search.is_none()
    }

    /// Returns whether it may depend on them what the chunks of a row are, or their vectors.
    fn may_concern_chunks(&self) -> bool {
        self.has("embedding") || in_place::OF_CHUNKS.iter().any(|kind| self.has(kind))
    }

    fn has(&self, kind: &str) -> bool {
        self.parts.iter().any(|(given, _)| *given == kind)
    }
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn alter_vectorizer_by_id(
    vectorizer: Option<i32>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
    scheduling: Option<Json>,
    processing: Option<Json>,
    search: Option<Json>,
    keep_old: Option<Interval>,
    switch_when_ready: Option<bool>,
) -> Result<Option<String>, pg_sys::panic::ErrorReport> {
    let parts = [
        ("loading", loading),
        ("parsing", parsing),
        ("embedding", embedding),
        ("chunking", chunking),
        ("indexing", indexing),
        ("formatting", formatting),
        ("scheduling", scheduling),
        ("processing", processing),
    ];
    Ok(alter(named::by_id(vectorizer)?, Changes::of(parts, search), keep_old, switch_when_ready)?)
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn alter_vectorizer_by_name(
    vectorizer: Option<&str>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
    scheduling: Option<Json>,
    processing: Option<Json>,
    search: Option<Json>,
    keep_old: Option<Interval>,
    switch_when_ready: Option<bool>,
) -> Result<Option<String>, pg_sys::panic::ErrorReport> {
    let id = named::by_name(vectorizer)?.id;
    alter_vectorizer_by_id(
        Some(id),
        loading,
        parsing,
        embedding,
        chunking,
        indexing,
        formatting,
        scheduling,
        processing,
        search,
        keep_old,
        switch_when_ready,
    )
}

/// Returns a vectorizer of the caller's as it is when nobody else is changing it, and makes others wait who want to.
fn locked(found: &Entry) -> Result<Entry, PgError> {
    require_owner(found.id)?;
    lock::on(Named::Alteration, &found.id.to_string());
    let entry = named::seen(vectorizer::by_id(found.id)?, || format!("vectorizer {:?}", found.name))?;
    require_owner(entry.id)?;
    entry.relations.require_one_owner()?;
    if entry.bound { Ok(entry) } else { Err(not_bound(&entry)) }
}

fn not_bound(entry: &Entry) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the tables of vectorizer {:?} have not been found yet", entry.name),
    )
    .with_hint("The worker finds them after a restore. Run SELECT ai.start_worker(); if there is none, and repeat the statement.")
}

/// Changes what is given. Returns the name of the vectorizer that is built beside this one; `None` if there is no need for one.
fn alter(
    found: Entry,
    changes: Changes,
    keep_old: Option<Interval>,
    switch_when_ready: Option<bool>,
) -> Result<Option<String>, PgError> {
    let plan = Plan { keep_old: kept_for(keep_old)?, switches_by_itself: switch_when_ready.unwrap_or(true) };
    let entry = locked(&found)?;
    if changes.is_empty() {
        return Ok(None);
    }
    require_no_other(&entry)?;

    if !changes.parts.is_empty() {
        // A row that is written meanwhile would be read by the old config, and not again.
        let source = match changes.may_concern_chunks() {
            true => {
                require_fresh_snapshots("alter_vectorizer")?;
                lock::writers_briefly(|| asked_source::lock(entry.source()))?
            }
            false => asked_source::require(entry.source())?,
        };
        let declared = declared(&entry, &changes, &source)?;
        if needs_another(entry.config()?, &declared.config) {
            return beside::build(&entry, changes, plan).map(Some);
        }
        in_place::change(&entry, &changes, declared)?;
    }
    if let Some(search) = changes.search {
        let now = vectorizer::by_id(entry.id)?;
        words::alter(now.as_ref().unwrap_or(&entry), Some(search))?;
    }
    wake::worker_at_commit();
    Ok(None)
}

/// Returns the time for which old vectors are kept. Errors (22023) if it, or a part of it, is negative, or it is too long to add to a
/// time.
fn kept_for(interval: Option<Interval>) -> Result<Interval, PgError> {
    let look =
        format!("SELECT i <= interval '100 years' AND {HAS_NO_NEGATIVE_PART} FROM (SELECT $1 AS i) given");
    let interval = interval.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "keep_old must not be null").with_hint(
            "With interval '0', the old vectors are dropped when the new ones have taken their place.",
        )
    })?;
    let valid = as_superuser(|| sql::query_row(&look, &[interval.into()], |row| row.get::<bool>(1)))?;
    if valid == Some(true) {
        return Ok(interval);
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "keep_old must be between 0 and 100 years, and no part of it negative",
    ))
}

/// Errors (55000) while another vectorizer is built beside this one, or is kept from before.
fn require_no_other(entry: &Entry) -> Result<(), PgError> {
    let Some(alteration) = alteration::of(entry.id)? else { return Ok(()) };
    let name = &entry.name;
    let busy = |message: String, hint: String| {
        PgError::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message).with_hint(hint)
    };

    if alteration.other == entry.id {
        return Err(busy(
            format!("vectorizer {name:?} is part of another one's alteration"),
            "SELECT * FROM ai.vectorizer_alterations shows of which. Alter that one when it is over."
                .to_owned(),
        ));
    }
    if alteration.is_switched {
        let drop = format!("SELECT ai.drop_vectorizer({}, drop_all => true);", alteration.other);
        return Err(busy(
            format!("the state of vectorizer {name:?} before its last alteration is still kept"),
            format!("If it is not needed any more: {drop}"),
        ));
    }
    Err(busy(
        format!("vectorizer {name:?} is being altered"),
        format!("Wait until that is done, or give it up: SELECT ai.cancel_alteration({});", entry.id),
    ))
}

/// Returns the config with the changes, checked as a declaration.
pub(super) fn declared(
    entry: &Entry,
    changes: &Changes,
    source: &Relation,
) -> Result<CheckedConfig, PgError> {
    let parts = ConfigParts::of_stored(&merged(entry, changes)?);
    let dimensions = embedding::dimensions(&parts.embedding)?;
    parts.require_given()?;
    parts.check(dimensions, source, &relation::columns(source.oid)?)
}

/// Returns the config as the catalog has it, with the changes.
fn merged(entry: &Entry, changes: &Changes) -> Result<Value, PgError> {
    const CONFIG: &str = "SELECT config FROM ai.vectorizer WHERE id = $1";
    let read = || sql::read_now(CONFIG, &[entry.id.into()], |row| Ok(row.get::<JsonB>(1)?.0));
    let mut config = as_superuser(read)?.into_iter().next().unwrap_or_default();
    for (kind, part) in &changes.parts {
        config[*kind] = part.clone();
    }
    if changes.has("embedding")
        && let Some(destination) = config["destination"].as_object_mut()
    {
        // It is chosen by the number of dimensions again.
        destination.remove("vector_type");
    }
    Ok(config)
}

/// Returns whether a changed config needs other vectors, or other tables beside the store.
fn needs_another(now: &VectorizerConfig, changed: &VectorizerConfig) -> bool {
    let remembered =
        |config: &VectorizerConfig| Remembered::of(&config.destination, &config.loading, config.parsing);
    let is_table = matches!(now.destination, Destination::Table { .. });
    !changed.embedding.makes_vectors_of(&now.embedding) || is_table && remembered(now) != remembered(changed)
}
