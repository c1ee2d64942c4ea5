//! Requests of `ai.execute_vectorizer` to run a vectorizer now. A table carries them to the worker, so that
//! they become visible at commit, and the library need not be preloaded.

use std::collections::BTreeSet;

use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// Asks the worker to end a vectorizer's rest, once the transaction has committed. It only inserts, so that
/// requests do not wait for each other.
pub fn run(id: i32) -> Result<(), PgError> {
    let ask = "INSERT INTO ai._vectorizer_run_request (vectorizer_id) VALUES ($1)";
    as_superuser(|| sql::execute(ask, &[id.into()]))?;
    super::wake::worker_at_commit();
    Ok(())
}

/// Takes the pending requests and returns the ids of their vectorizers. The worker calls it within a
/// transaction; it takes no transaction id if there are none.
pub fn take() -> Result<BTreeSet<i32>, PgError> {
    let look = "SELECT FROM ai._vectorizer_run_request LIMIT 1";
    if !is_there()? || sql::read(look, &[], |_| Ok(()))?.is_empty() {
        return Ok(BTreeSet::new());
    }
    let take = "WITH taken AS (DELETE FROM ai._vectorizer_run_request RETURNING vectorizer_id)
                SELECT DISTINCT vectorizer_id FROM taken";
    Ok(sql::query(take, &[], |row| row.get(1))?.into_iter().collect())
}

/// Returns whether the table exists. The library also runs with the SQL objects of version 0.1.0, which lack
/// it.
fn is_there() -> Result<bool, PgError> {
    let look = "SELECT pg_catalog.to_regclass('ai._vectorizer_run_request') IS NOT NULL";
    Ok(sql::read(look, &[], |row| row.get(1))?.first().copied().unwrap_or(false))
}
