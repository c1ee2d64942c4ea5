//! Tables that a crash empties. An UNLOGGED source loses its rows without firing a trigger, an UNLOGGED store
//! its chunks.
//!
//! `ai._compared_since_crash` is UNLOGGED, too. A vectorizer that has such tables and no row there was not
//! compared since the last crash, or since a standby was promoted, and is compared now.

use pgrx::pg_sys;

use super::resync;
use crate::catalog::binding::{self, Relations};
use crate::catalog::hierarchy::DESCENDANTS;
use crate::catalog::queue_tables::Remembered;
use crate::catalog::schema;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The kinds of a vectorizer's tables, true where one of them is UNLOGGED.
#[derive(Default)]
struct Unlogged {
    source: bool,
    store: bool,
    queue: bool,
    words: bool,
}

/// Returns the columns of [`Unlogged`]. `$1`: the source and the tables that have its rows, `$2`: the tables
/// of chunks, `$3`: the queue's tables, `$4`: the table of words, or NULL.
const UNLOGGED: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relpersistence = 'u' AND c.oid = ANY ($1)),
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relpersistence = 'u' AND c.oid = ANY ($2)),
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relpersistence = 'u' AND c.oid = ANY ($3)),
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relpersistence = 'u' AND c.oid = $4)";

/// Compares source and store if a crash may have emptied one of a vectorizer's tables. The worker calls it
/// within a transaction.
pub fn compare_after_crash(v: &Vectorizer) -> Result<(), PgError> {
    let unlogged = look(v)?;
    let Unlogged { source, store, queue, words } = unlogged;
    if !(source || store || queue || words) || is_compared(v.id)? {
        return Ok(());
    }
    if words {
        binding::words_may_be_missing(v.id)?;
    }
    let mut enqueued = resync::enqueue_extra(v)?;
    if queue {
        enqueued += resync::enqueue_all(v)?;
    } else if store {
        enqueued += resync::enqueue_missing(v)?;
    }
    sql::execute("INSERT INTO ai._compared_since_crash (vectorizer_id) VALUES ($1)", &[v.id.into()])?;
    if enqueued > 0 {
        pgrx::log!("vectorizer {} has UNLOGGED tables: enqueued {enqueued} keys after a crash", v.name);
    }
    Ok(())
}

fn look(v: &Vectorizer) -> Result<Unlogged, PgError> {
    let Relations { inbox, work, store, origin, words, .. } = &v.relations;
    let origin = origin.iter().filter(|_| v.remembered != Remembered::Nothing);
    let of_chunks: Vec<pg_sys::Oid> = store.iter().chain(origin).map(|table| table.oid).collect();
    let queue = vec![inbox.oid, work.oid];
    let of_rows = sql::read(DESCENDANTS, &[v.source.oid.into()], |row| row.get::<pg_sys::Oid>(1))?;
    let words = words.as_ref().map(|words| words.oid);
    let args = [of_rows.into(), of_chunks.into(), queue.into(), words.into()];
    let found = sql::read(UNLOGGED, &args, |row| {
        Ok(Unlogged { source: row.get(1)?, store: row.get(2)?, queue: row.get(3)?, words: row.get(4)? })
    })?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Returns whether a vectorizer was compared since the last crash. The SQL objects of version 0.1.0 lack the
/// table; with them it is always true.
fn is_compared(id: i32) -> Result<bool, PgError> {
    if !schema::has(c"_compared_since_crash") {
        return Ok(true);
    }
    let look = "SELECT FROM ai._compared_since_crash WHERE vectorizer_id = $1 LIMIT 1";
    Ok(!sql::read(look, &[id.into()], |_| Ok(()))?.is_empty())
}
