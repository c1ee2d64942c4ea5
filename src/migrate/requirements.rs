//! Checks whether a vectorizer of pgai can be taken over.

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::Value;

use pgai_rs_pipeline::config::{Destination, VectorizerConfig};

use super::catalog::PgaiVectorizer;
use super::config::of_today;
use super::old_table;
use super::triggers;
use crate::catalog::destination::{column_type, require_vectors};
use crate::catalog::key::{self, Key};
use crate::catalog::relation::{self, Relation};
use crate::catalog::rights::{self, Right};
use crate::declare::declaration::ConfigParts;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, is_superuser, may_act_as};
use crate::pg::roles::role_name;
use crate::pg::sql::{self, qualified};

/// A vectorizer that can be taken over, with the information needed for it.
pub struct AdoptableVectorizer {
    /// The vectorizer in pgai's catalog.
    pub entry: PgaiVectorizer,
    /// Its source.
    pub source: Relation,
    /// The source's primary key.
    pub key: Key,
    /// Its config, converted to our form.
    pub config: Value,
    /// The same config, parsed.
    pub parsed: VectorizerConfig,
    /// Rights that it needs and that were granted to its owner, who lacked them.
    pub granted: Vec<Right>,
}

/// Returns the vectorizers if all of them can be taken over, else one error with all the reasons why not.
pub fn all(entries: Vec<PgaiVectorizer>) -> Result<Vec<AdoptableVectorizer>, PgError> {
    let mut reasons = Vec::new();
    let mut candidates = Vec::new();
    for entry in entries {
        let name = entry.name.clone();
        match candidate(entry) {
            Ok(candidate) => candidates.push(candidate),
            Err(found) => reasons.extend(found.iter().map(|error| reason(&name, error))),
        }
    }

    if reasons.is_empty() {
        return Ok(candidates);
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        "cannot take over all vectorizers of pgai",
    )
    .with_detail(reasons.join("\n"))
    .with_hint(
        "Nothing has been changed. Fix the problems, or drop those vectorizers with pgai's ai.drop_vectorizer() \
         before its schema is renamed.",
    ))
}

fn reason(name: &str, error: &PgError) -> String {
    let more = [&error.detail, &error.hint].into_iter().flatten();
    let more: String = more.map(|sentences| format!(" {sentences}")).collect();
    format!("{name}: {}.{more}", error.message)
}

fn candidate(entry: PgaiVectorizer) -> Result<AdoptableVectorizer, Vec<PgError>> {
    let (source, key) = source(&entry).map_err(|error| vec![error])?;
    let config = of_today(entry.config.clone());
    let parsed = serde_json::from_value::<VectorizerConfig>(config.clone())
        .map_err(|error| PgError::raised(format!("its config could not be read: {error}")));
    let granted = match &parsed {
        Ok(parsed) => grant_needed(parsed, source.owner).map_err(|error| vec![error])?,
        Err(_) => Vec::new(),
    };

    let mut reasons = config_reasons(&config, &source);
    reasons.extend(queue(&entry, &source, &key).err());
    reasons.extend(free(&entry).err());
    if let Ok(parsed) = &parsed {
        reasons.extend(destination(parsed, &source, &key).err());
    }

    match parsed {
        Ok(parsed) if reasons.is_empty() => {
            Ok(AdoptableVectorizer { entry, source, key, config, parsed, granted })
        }
        Ok(_) => Err(reasons),
        // The errors from the checks of its parts are clearer.
        Err(error) if reasons.is_empty() => Err(vec![error]),
        Err(_) => Err(reasons),
    }
}

fn source(entry: &PgaiVectorizer) -> Result<(Relation, Key), PgError> {
    let gone = || PgError::raised(format!("its source {} does not exist", entry.source_name));
    let source = entry.source.map(Relation::load).transpose()?.flatten().ok_or_else(gone)?;
    if !may_act_as(current_user(), source.owner) {
        return Err(PgError::raised(format!("you must be owner of its source {}", entry.source_name)));
    }

    let key = key::of(source.oid)?
        .ok_or_else(|| PgError::raised(format!("its source {} has no primary key", entry.source_name)))?;

    let mut now: Vec<&str> = key.columns().iter().map(|column| column.name.as_str()).collect();
    let mut then: Vec<&str> = entry.key.iter().map(String::as_str).collect();
    now.sort_unstable();
    then.sort_unstable();
    if now != then {
        return Err(PgError::raised(format!(
            "the primary keys of its source {} and its store differ",
            entry.source_name
        )));
    }
    Ok((source, key))
}

/// Errors unless its tables of keys exist and belong to it, and reading them runs no code of other roles.
fn queue(entry: &PgaiVectorizer, source: &Relation, key: &Key) -> Result<(), PgError> {
    let Some(queue) = &entry.queue else { return Err(PgError::raised("its queue does not exist")) };
    triggers::require(entry, source)?;
    entry.require_failed()?;
    for table in [queue].into_iter().chain(&entry.failed) {
        table.hold(pg_sys::AccessShareLock)?;
        old_table::require_trusted(table, source)?;
        old_table::require_plain(table, source, key)?;
    }
    Ok(())
}

/// If a superuser takes the vectorizer over, grants its owner the missing rights that it needs: this is the
/// administrator's decision. For other users they must have been granted before. Returns the rights that were
/// granted.
fn grant_needed(config: &VectorizerConfig, owner: pg_sys::Oid) -> Result<Vec<Right>, PgError> {
    let [by_superuser, to_superuser] = [current_user(), owner].map(is_superuser);
    if !by_superuser || to_superuser {
        return Ok(Vec::new());
    }

    let mut missing = Vec::new();
    for right in Right::to_embed(&config.embedding).into_iter().chain(Right::to_load(&config.loading)) {
        if !right.is_of(owner)? {
            missing.push(right);
        }
    }
    if !missing.is_empty() {
        rights::grant(&missing, &role_name(owner)?)?;
    }
    Ok(missing)
}

/// Returns the errors that a new vectorizer with this config would cause.
fn config_reasons(config: &Value, source: &Relation) -> Vec<PgError> {
    match config_checks(config, source) {
        Ok(results) => results.into_iter().filter_map(Result::err).collect(),
        Err(error) => vec![error],
    }
}

/// Returns the results of the checks of all parts of a config.
fn config_checks(config: &Value, source: &Relation) -> Result<Vec<Result<(), PgError>>, PgError> {
    let columns = relation::columns(source.oid)?;
    Ok(ConfigParts::of_stored(config).results(&columns, source.owner))
}

/// The largest id that is taken over: those beyond it must suffice for all vectorizers to come.
const LARGEST_ID: i32 = i32::MAX - (1 << 20);

fn free(entry: &PgaiVectorizer) -> Result<(), PgError> {
    if entry.id > LARGEST_ID {
        return Err(PgError::raised(format!("its id {} is greater than {LARGEST_ID}", entry.id)));
    }
    let look = "SELECT FROM ai.vectorizer WHERE id = $1 OR name::text = $2";
    let taken = as_superuser(|| sql::query(look, &[entry.id.into(), entry.name.clone().into()], |_| Ok(())))?;
    if taken.is_empty() {
        return Ok(());
    }
    Err(PgError::raised(format!("a vectorizer with its id {} or its name already exists", entry.id)))
}

/// Errors unless its destination exists, with the columns that a new one would have.
fn destination(config: &VectorizerConfig, source: &Relation, key: &Key) -> Result<(), PgError> {
    let vector = column_type(config.destination.vector_type(), config.embedding.dimensions())?;
    match &config.destination {
        Destination::Table { target_schema, target_table, view_schema, view_name, .. } => {
            let theirs = [(target_schema, target_table), (view_schema, view_name)];
            for (schema, name) in theirs {
                if let Some(table) = old_table::find(schema, name, &['r', 'p', 'v'])? {
                    old_table::require_trusted(&table, source)?;
                }
            }
            store(target_schema, target_table, vector, key)
        }
        Destination::Column { embedding_column, .. } => require_vectors(source, embedding_column, &vector),
    }
}

fn store(schema: &str, name: &str, vector: String, key: &Key) -> Result<(), PgError> {
    let mut wanted: Vec<(String, String)> =
        [("embedding_uuid", "uuid"), ("chunk_seq", "integer"), ("chunk", "text"), ("embedding", &vector)]
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .to_vec();
    wanted.extend(key.columns().iter().map(|column| (column.name.clone(), column.type_name.clone())));

    let store = qualified(schema, name);
    let found = columns_of(schema, name)?
        .ok_or_else(|| PgError::raised(format!("its store {store} does not exist")))?;
    match wanted.iter().find(|column| !found.contains(column)) {
        None => Ok(()),
        Some((name, kind)) => {
            Err(PgError::raised(format!("its store {store} has no column {name} of type {kind}")))
        }
    }
}

fn columns_of(schema: &str, name: &str) -> Result<Option<Vec<(String, String)>>, PgError> {
    let columns = sql::query(
        "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
         FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE n.nspname::text = $1 AND c.relname::text = $2 AND c.relkind IN ('r', 'p')",
        &[schema.to_owned().into(), name.to_owned().into()],
        |row| Ok((row.get(1)?, row.get(2)?)),
    )?;
    Ok((!columns.is_empty()).then_some(columns))
}
