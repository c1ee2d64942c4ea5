//! Words of a vectorizer that is there: added, changed or removed. Nothing is embedded again for it.

use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::Value;

use pgai_rs_pipeline::config::Search;

use crate::catalog::binding::Relations;
use crate::catalog::dropping;
use crate::catalog::registration::config_to_change;
use crate::catalog::row_security;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Entry;
use crate::catalog::{words, words_rights};
use crate::declare;
use crate::declare::config::ConfigPart;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::require_bounded;
use crate::pg::lock;
use crate::pg::sql;

/// Changes the words of a vectorizer to those that a part `search` declares. Its name must be locked.
pub fn alter(entry: &Entry, search: Option<Value>) -> Result<(), PgError> {
    let config = entry.config()?;
    let part = ConfigPart::parse("search", search);
    let wanted = declare::search::check(&part, &config.destination, entry.owner())?;
    let is_there = entry.relations.words.is_some() == (wanted != Search::None);
    if wanted == config.search && is_there {
        return Ok(());
    }

    let words = replace(entry, &wanted)?;
    let stored = words.as_ref().and_then(|words| words::to_json(&wanted, &words.schema, &words.name));
    write(entry.id, stored, words.as_ref())
}

/// Drops the table of words that is there, and creates the one that is wanted, under the same name. Returns it.
fn replace(entry: &Entry, wanted: &Search) -> Result<Option<Table>, PgError> {
    let Relations { store, words, .. } = &entry.relations;
    if let Some(words) = words {
        // The foreign key goes with it, for which Postgres locks the store as well.
        lock::writers_briefly(|| dropping::drop_own(words))?;
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
    let Some(mut config) = config_to_change(id)? else { return Ok(()) };
    match (config.as_object_mut(), search) {
        (Some(parts), Some(search)) => drop(parts.insert("search".to_owned(), search)),
        (Some(parts), None) => drop(parts.remove("search")),
        (None, _) => {}
    }
    require_bounded("vectorizer", &config)?;

    as_superuser(|| {
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
