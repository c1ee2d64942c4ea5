//! Changes for which no vector is made by another model: they are written into the config, and where chunks may change, the
//! rows are read again. Each row's chunks are replaced in one transaction, and those that stay the same keep their vectors.

use pgrx::JsonB;
use serde_json::Value;

use super::Changes;
use crate::catalog::batch;
use crate::catalog::key;
use crate::catalog::objects;
use crate::catalog::registration::config_to_change;
use crate::catalog::vectorizer::Entry;
use crate::declare::declaration::CheckedConfig;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::require_bounded;
use crate::pg::sql;

/// The parts on which it depends what the chunks of a row are.
pub const OF_CHUNKS: [&str; 4] = ["loading", "parsing", "chunking", "formatting"];

/// Writes the changed parts of a config, and enqueues all rows if their chunks may change.
pub fn change(entry: &Entry, changes: &Changes, declared: CheckedConfig) -> Result<(), PgError> {
    let before =
        config_to_change(entry.id)?.ok_or_else(|| PgError::internal("a vectorizer has no config"))?;
    let mut config = before.clone();
    for (kind, _) in &changes.parts {
        config[*kind] = declared.stored.get(*kind).cloned().unwrap_or(Value::Null);
    }
    if config == before {
        return Ok(());
    }
    require_bounded("vectorizer", &config)?;

    let changes_chunks = OF_CHUNKS.iter().any(|kind| config[*kind] != before[*kind]);
    let update = "UPDATE ai.vectorizer SET config = $2 WHERE id = $1";
    as_superuser(|| sql::execute(update, &[entry.id.into(), JsonB(config).into()]))?;
    if !changes_chunks {
        return Ok(());
    }

    batch::note_backfill(entry.id)?;
    let rows = objects::enqueue_existing(&entry.relations, &key::required(entry.source())?)?;
    pgrx::notice!("{rows} rows will be read again; chunks that stay the same are not embedded again");
    Ok(())
}
