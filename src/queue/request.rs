//! Runs that somebody asks for: `ai.execute_vectorizer`. A table carries them to the worker, so that
//! they come with the commit, and without preloading.

use std::collections::BTreeSet;

use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// Asks the worker to look at a vectorizer that rests, once the transaction has committed. Appends
/// only: nobody waits for another who asks.
pub fn run(id: i32) -> Result<(), PgError> {
    let ask = "INSERT INTO ai._vectorizer_run_request (vectorizer_id) VALUES ($1)";
    as_superuser(|| sql::execute(ask, &[id.into()]))?;
    super::wake::worker_at_commit();
    Ok(())
}

/// Takes what was asked for, each vectorizer once. To be called by the worker, within a transaction; takes no transaction
/// id if there is nothing.
pub fn take() -> Result<BTreeSet<i32>, PgError> {
    let look = "SELECT FROM ai._vectorizer_run_request LIMIT 1";
    if !is_there()? || sql::read(look, &[], |_| Ok(()))?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let take = "WITH taken AS (DELETE FROM ai._vectorizer_run_request RETURNING vectorizer_id)
                SELECT DISTINCT vectorizer_id FROM taken";
    Ok(sql::query(take, &[], |row| row.get(1))?.into_iter().collect())
}

/// The objects of version 0.1.0 serve as well, and have no such table.
fn is_there() -> Result<bool, PgError> {
    let look = "SELECT pg_catalog.to_regclass('ai._vectorizer_run_request') IS NOT NULL";
    Ok(sql::read(look, &[], |row| row.get(1))?.first().copied().unwrap_or(false))
}
