//! Reaction to tables that become partitions of a source or inherit from it, or no longer do.

use pgrx::pg_sys;

use super::warned_of;
use crate::catalog::hierarchy::ANCESTORS;
use crate::catalog::triggers;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::pg::transaction::has_written;
use crate::queue::resync;
use crate::trigger::wake;

/// Reacts to CREATE TABLE … PARTITION OF and CREATE TABLE … INHERITS.
pub fn follow_new(table: pg_sys::Oid) -> Result<(), PgError> {
    let parents = "SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = $1";
    let parents = sql::query(parents, &[table.into()], |row| row.get::<pg_sys::Oid>(1))?;
    parents.into_iter().try_for_each(|parent| follow(parent, table))
}

/// Reacts to ATTACH PARTITION and DETACH PARTITION on this table where Postgres does not report the
/// partition, whose name may mean another table by now. An attached partition has a row in the catalog that
/// this transaction has written, and a detached one still has triggers.
pub fn follow_untold(parent: pg_sys::Oid) -> Result<(), PgError> {
    let look = "SELECT i.inhrelid, i.xmin::pg_catalog.text::pg_catalog.int8 FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1";
    let children =
        sql::read_now(look, &[parent.into()], |row| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<i64>(2)?)))?;
    for (child, xmin) in children {
        if has_written(xmin) {
            follow(parent, child)?;
        }
    }

    for entry in vectorizer::by_ancestor(parent)? {
        for table in triggers::elsewhere(&entry.identity(), entry.source())? {
            follow(parent, table)?;
        }
    }
    Ok(())
}

/// Reacts to ATTACH PARTITION and DETACH PARTITION, and to INHERIT and NO INHERIT.
pub fn follow(parent: pg_sys::Oid, partition: pg_sys::Oid) -> Result<(), PgError> {
    for entry in vectorizer::by_ancestor(parent)? {
        warned_of(&entry, "changed partitions", || {
            if descends(partition, entry.relations.source.oid)? {
                create_triggers(&entry, partition)?;
            } else {
                triggers::drop_on(&entry.identity(), partition)?;
            }
            // The worker makes chunks of new rows, and removes those of missing rows.
            resync::enqueue_rows_of(&entry.resolve()?, partition)?;
            wake::worker_at_commit();
            Ok(())
        });
    }

    // Writes through a parent do not fire the table's statement triggers.
    for entry in vectorizer::by_source(partition)? {
        warned_of(&entry, "the attachment of its source as a partition", || {
            triggers::drop_on(&entry.identity(), partition)?;
            triggers::create(&entry.identity(), &entry.resolve()?.source)
        });
    }
    Ok(())
}

/// Creates the triggers on a table that now contains rows of the source, and replaces statement triggers on
/// the source itself by row triggers.
fn create_triggers(entry: &Entry, partition: pg_sys::Oid) -> Result<(), PgError> {
    let identity = entry.identity();
    let source = entry.resolve()?.source;
    if triggers::are_for_rows(&identity, source.oid)? {
        return triggers::create_below(&identity, &source, partition);
    }
    triggers::drop_on(&identity, source.oid)?;
    triggers::create(&identity, &source)
}

fn descends(partition: pg_sys::Oid, source: pg_sys::Oid) -> Result<bool, PgError> {
    let found = sql::query(
        &format!("SELECT FROM ({ANCESTORS}) a WHERE a.relid = $2"),
        &[partition.into(), source.into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}
