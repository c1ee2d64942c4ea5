//! `ai.alter_vectorizer`: changes what is kept beside a vectorizer's vectors. Nothing is embedded again for it.

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use pgai_rs_pipeline::config::Search;

use crate::catalog::binding::Relations;
use crate::catalog::ownership::require_owner;
use crate::catalog::row_security;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::{words, words_rights};
use crate::declare;
use crate::declare::config::ConfigPart;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user};
use crate::pg::json::{Json, require_bounded};
use crate::pg::lock::{self, Named};
use crate::pg::sql;
use crate::trigger::wake;

#[pg_extern(sql = false)]
fn alter_vectorizer_by_id(
    vectorizer: Option<i32>,
    search: Option<Json>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let id = vectorizer.ok_or_else(null)?;
    let entry = vectorizer::by_id(id)?;
    Ok(alter(seen(entry, || format!("vectorizer with id {id}"))?, search)?)
}

#[pg_extern(sql = false)]
fn alter_vectorizer_by_name(
    vectorizer: Option<&str>,
    search: Option<Json>,
) -> Result<(), pg_sys::panic::ErrorReport> {
    let name = vectorizer.ok_or_else(null)?;
    let entry = vectorizer::by_name(name)?;
    Ok(alter(seen(entry, || format!("vectorizer {name:?}"))?, search)?)
}

fn null() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer must not be null")
        .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
}

/// Returns a vectorizer that the caller sees. Errors (42704) if there is none.
fn seen(entry: Option<Entry>, named: impl FnOnce() -> String) -> Result<Entry, PgError> {
    entry.filter(|entry| entry.is_seen_by(current_user())).ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("{} does not exist", named()))
            .with_hint("SELECT id, name FROM ai.vectorizer shows those that there are.")
    })
}

/// Changes what is given; NULL leaves a part as it is.
fn alter(found: Entry, search: Option<Json>) -> Result<(), PgError> {
    require_owner(found.id)?;
    let Some(search) = search else { return Ok(()) };

    // Two sessions that change it do so one after the other.
    lock::on(Named::Vectorizer, &found.name);
    let entry = seen(vectorizer::by_id(found.id)?, || format!("vectorizer {:?}", found.name))?;
    require_owner(entry.id)?;
    entry.relations.require_one_owner()?;
    if !entry.bound {
        return Err(not_bound(&entry));
    }

    let config = entry.config()?;
    let part = ConfigPart::parse("search", Some(search.0));
    let wanted = declare::search::check(&part, &config.destination, entry.owner())?;
    let is_there = entry.relations.words.is_some() == (wanted != Search::None);
    if wanted == config.search && is_there {
        return Ok(());
    }

    let words = replace(&entry, &wanted)?;
    let stored = words.as_ref().and_then(|words| words::to_json(&wanted, &words.schema, &words.name));
    write(entry.id, stored, words.as_ref())?;
    wake::worker_at_commit();
    Ok(())
}

fn not_bound(entry: &Entry) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the tables of vectorizer {:?} have not been found yet", entry.name),
    )
    .with_hint("The worker finds them after a restore. Run SELECT ai.start_worker(); if there is none, and repeat the statement.")
}

/// Drops the table of words that is there, and creates the one that is wanted, under the same name. Returns it.
fn replace(entry: &Entry, wanted: &Search) -> Result<Option<Table>, PgError> {
    let Relations { store, words, .. } = &entry.relations;
    if let Some(words) = words {
        // The foreign key goes with it, for which Postgres locks the store as well.
        lock::writers_briefly(|| words.drop())?;
    }
    if *wanted == Search::None {
        return Ok(None);
    }

    let store = store.as_ref().ok_or_else(|| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("the store of vectorizer {:?} does not exist", entry.name),
        )
        .with_hint("Drop the vectorizer and create it again.")
    })?;
    let name = words.as_ref().map_or_else(|| words::table_name(&store.name), |words| words.name.clone());
    declare::search::require_free(&store.schema, &name)?;
    lock::schema_names(&[&store.schema])?;

    let made = words::create(store, &name)?;
    let relations = Relations { words: Some(made.clone()), ..entry.relations.clone() };
    words_rights::grant(store, &made, None)?;
    // Default privileges may be for others than those who have the store by now.
    words_rights::revoke_from_others(&relations)?;
    row_security::keep_words(&relations)?;
    made.hold(pg_sys::AccessShareLock)?;
    Ok(Some(made))
}

/// Writes the config of words, or removes it, and binds the table. Whether all chunks have words, the worker finds out.
fn write(id: i32, search: Option<Value>, words: Option<&Table>) -> Result<(), PgError> {
    let config = "SELECT config FROM ai.vectorizer WHERE id = $1 FOR NO KEY UPDATE";
    as_superuser(|| {
        let found = sql::query_row(config, &[id.into()], |row| Ok(row.get::<JsonB>(1)?.0))?;
        let Some(mut config) = found else { return Ok(()) };
        match (config.as_object_mut(), search) {
            (Some(parts), Some(search)) => drop(parts.insert("search".to_owned(), search)),
            (Some(parts), None) => drop(parts.remove("search")),
            (None, _) => {}
        }
        require_bounded("vectorizer", &config)?;
        sql::execute(
            "UPDATE ai.vectorizer SET config = $2 WHERE id = $1",
            &[id.into(), JsonB(config).into()],
        )?;
        sql::execute(
            "UPDATE ai._vectorizer_binding SET words = $2, words_ready = NULL WHERE vectorizer_id = $1",
            &[id.into(), words.map(|words| words.oid).into()],
        )
        .map(drop)
    })
}
