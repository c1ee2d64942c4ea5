//! Runs that somebody asks for: `ai.execute_vectorizer`. A table carries them to the worker, so that
//! they come with the commit, and without preloading.

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

/// Takes what was asked for. To be called by the worker, within a transaction; takes no transaction
/// id if there is nothing.
pub fn take() -> Result<Vec<i32>, PgError> {
    if sql::read("SELECT FROM ai._vectorizer_run_request LIMIT 1", &[], |_| Ok(()))?.is_empty() {
        return Ok(Vec::new());
    }
    sql::query("DELETE FROM ai._vectorizer_run_request RETURNING vectorizer_id", &[], |row| row.get(1))
}
