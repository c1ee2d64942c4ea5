//! Building a vectorizer beside another one, for a model whose vectors can't be compared with those that are there.
//!
//! It is an ordinary vectorizer on the same source, with a store, a queue and triggers of its own: it survives whatever the
//! first one survives, shows its progress, and can be searched and evaluated before it takes the place.

use pgrx::PgLogLevel;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use serde_json::{Value, json};

use super::{Changes, Plan, merged};
use crate::api::create_vectorizer::{VectorizerRequest, create};
use crate::catalog::exchange::grant_nothing;
use crate::catalog::exchange_names::{NEW, free_beside, free_vectorizer_beside};
use crate::catalog::exchange_sides::{Side, Vectors, require_replaceable};
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::{alteration, dependent_views, exchange_columns, registration};
use crate::declare::declaration::ConfigParts;
use crate::pg::error::PgError;
use crate::pg::lock;
use crate::pg::sql::with_ending;

/// Creates a vectorizer with the changes, to take the place of this one. Returns its name.
pub fn build(entry: &Entry, changes: Changes, plan: Plan) -> Result<String, PgError> {
    let side = Side::of(entry)?;
    let name = free_vectorizer_beside(&entry.name, NEW)?;
    let config = config(&side, &changes)?;
    let request = VectorizerRequest {
        source: entry.source(),
        name: Some(name.clone()),
        parts: ConfigParts::of_stored(&config),
        queue_schema: Some(entry.relations.inbox.schema.clone()),
        queue_table: None,
        grant_to: Vec::new(),
        enqueue_existing: true,
        if_not_exists: false,
    };
    let other = match side.vectors {
        Vectors::Store(_) => create(request)?,
        // Others read the source, and who waits for them to add a column keeps everybody else waiting.
        Vectors::Column(_) => lock::giving_way(|| create(request))?,
    };
    let made = vectorizer::by_id(other)?
        .ok_or_else(|| PgError::internal("a vectorizer that was just created is not there"))?;
    let opposite = Side::of(&made)?;
    // Postgres locks what a view names to tell its definition, and others may have locked it for long.
    let views = lock::giving_way(|| dependent_views::of(side.place()))?;
    require_replaceable(&side, &opposite, &views)?;
    // Others get rights at the switch. Until then they may lose those that they have.
    grant_nothing(&made.relations)?;
    registration::restrict_as(other, entry.id)?;
    alteration::begin(entry.id, other, plan.switches_by_itself, plan.keep_old)?;

    let then = match plan.switches_by_itself {
        true => "It takes the place when it is complete.".to_owned(),
        false => format!("Run SELECT ai.switch_vectorizer('{}'); when it shall take the place.", entry.name),
    };
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("vectorizer \"{name}\" is built beside \"{}\"", entry.name),
        "",
    )
    .set_detail(then)
    .set_hint("SELECT * FROM ai.vectorizer_alterations shows how far it is.")
    .report(PgLogLevel::NOTICE);
    Ok(name)
}

/// Returns the config of the new vectorizer, with names of its own for the store and the view, or for the column. It runs at once,
/// whatever the schedule of the first one is, which stays where it is.
fn config(side: &Side<'_>, changes: &Changes) -> Result<Value, PgError> {
    let mut config = merged(side.entry, changes)?;
    match side.vectors {
        Vectors::Store(store) => name_tables(&mut config["destination"], side.entry, store)?,
        Vectors::Column(column) => {
            let source = &side.entry.relations.source;
            config["destination"]["embedding_column"] =
                json!(exchange_columns::free_beside(source, column, NEW)?);
        }
    }

    config["scheduling"] = json!({"config_type": "scheduling", "implementation": "none"});
    if let Some(search) = &changes.search {
        config["search"] = search.clone();
    }
    if let Some(search) = config["search"].as_object_mut() {
        search.remove("words_schema");
        search.remove("words_table");
    }
    Ok(config)
}

/// Writes free names for a store and a view into a destination.
fn name_tables(destination: &mut Value, entry: &Entry, store: &Table) -> Result<(), PgError> {
    let view = entry.relations.view.as_ref();
    let view_name = view.map_or_else(|| store.name.clone() + "_view", |view| view.name.clone());
    destination["target_schema"] = json!(store.schema);
    destination["target_table"] = json!(free_beside(&store.schema, &store.name, NEW)?);
    let view_schema = view.map_or(&store.schema, |view| &view.schema);
    destination["view_schema"] = json!(view_schema);
    // Two long names that differ in their ends only would be the same.
    let ending = if destination["target_table"] == with_ending(&view_name, NEW) { "_view_new" } else { NEW };
    destination["view_name"] = json!(free_beside(view_schema, &view_name, ending)?);
    Ok(())
}
