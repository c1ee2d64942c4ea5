//! Requests of `ai.execute_vectorizer` to run a vectorizer now. A table carries them to the worker, so that
//! they become visible at commit, and the library need not be preloaded.

use std::collections::{BTreeSet, HashSet};

use crate::catalog::definitions::{self, Watch};
use crate::catalog::{own_rows, telling};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::pg::transaction::transaction;
use crate::trigger::wake;

/// The largest number of requests that are taken in a turn, so that nobody's keep the worker from others' work.
const MOST_AT_A_TIME: usize = 10_000;

/// Asks the worker to end a vectorizer's rest, once the transaction has committed. It only inserts, so that
/// requests do not wait for each other, and once a transaction.
pub fn run(id: i32) -> Result<(), PgError> {
    let ask = "INSERT INTO ai._vectorizer_run_request (vectorizer_id) VALUES ($1)";
    as_superuser(|| match own_rows::has_appended("_vectorizer_run_request", id)? {
        true => Ok(()),
        false => sql::execute(ask, &[id.into()]).map(drop),
    })?;
    wake::worker_at_commit();
    Ok(())
}

/// The vectorizers that were asked to run and are not taken up yet.
#[derive(Default)]
pub struct Requests {
    kept: BTreeSet<i32>,
    /// The watch over the table of requests; `None` if it has to be read each time.
    watch: Option<Watch>,
}

/// Requests that were made since the last call.
pub struct Taken {
    /// The ids of the enabled vectorizers that are to run.
    pub ids: BTreeSet<i32>,
    /// True if a vectorizer is among the others that was enabled after the catalog was read, or is disabled or
    /// gone.
    pub has_others: bool,
}

impl Requests {
    /// Takes the pending requests, with those that were kept. A request for a vectorizer that is not among the
    /// `enabled` is dropped. It must be called outside a transaction.
    pub fn take(&mut self, enabled: &HashSet<i32>) -> Taken {
        let requested = match self.watch.as_ref().is_some_and(Watch::is_undisturbed) {
            true => BTreeSet::new(),
            false => self.read().unwrap_or_else(|error| {
                pgrx::warning!("pgai_rs worker can't read which vectorizers are asked to run: {error}");
                BTreeSet::new()
            }),
        };
        let has_others = requested.iter().any(|id| !enabled.contains(id));

        let mut ids = std::mem::take(&mut self.kept);
        ids.retain(|id| enabled.contains(id));
        ids.extend(requested);
        Taken { ids, has_others }
    }

    /// Keeps a request for a vectorizer that is not taken up yet.
    pub fn keep(&mut self, id: i32) {
        self.kept.insert(id);
    }

    /// Takes the pending requests from the table, and watches it from now on.
    fn read(&mut self) -> Result<BTreeSet<i32>, PgError> {
        let before = self.watch.take();
        let (taken, watch) = transaction(|| {
            let since = definitions::generation();
            let tables = telling::of(&telling::OF_REQUESTS)?;
            Ok((take()?, tables.map(|tables| Watch::over_names(tables, since))))
        })?;
        // Where there were as many as are taken at a time, there may be more.
        self.watch = watch.filter(|_| taken.len() < MOST_AT_A_TIME);
        drop(before);
        Ok(taken.into_iter().collect())
    }
}

/// Takes pending requests and returns the ids of their vectorizers, as often as they were asked for. The worker calls it within a
/// transaction; it takes no transaction id if there are none.
fn take() -> Result<Vec<i32>, PgError> {
    let look = "SELECT FROM ai._vectorizer_run_request LIMIT 1";
    if !is_there()? || sql::read(look, &[], |_| Ok(()))?.is_empty() {
        return Ok(Vec::new());
    }
    let take = format!(
        "DELETE FROM ai._vectorizer_run_request
         WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM ai._vectorizer_run_request r LIMIT {MOST_AT_A_TIME}))
         RETURNING vectorizer_id"
    );
    sql::query(&take, &[], |row| row.get(1))
}

/// Returns whether the table exists. The library also runs with the SQL objects of version 0.1.0, which lack
/// it.
fn is_there() -> Result<bool, PgError> {
    let look = "SELECT pg_catalog.to_regclass('ai._vectorizer_run_request') IS NOT NULL";
    Ok(sql::read(look, &[], |row| row.get(1))?.first().copied().unwrap_or(false))
}
