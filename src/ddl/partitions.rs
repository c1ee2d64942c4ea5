//! Tables that became partitions of a source, or no longer are.

use pgrx::pg_sys;

use super::warned;
use crate::catalog::{triggers, vectorizer};
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::queue::{resync, wake};

/// Follows ATTACH PARTITION, DETACH PARTITION and CREATE TABLE … PARTITION OF.
pub fn follow(parent: pg_sys::Oid, partition: pg_sys::Oid) -> Result<(), PgError> {
    for entry in vectorizer::by_ancestor(parent)? {
        warned("a change of its partitions", || {
            if descends(partition, entry.relations.source.oid)? {
                triggers::create_on_partitions(&entry.identity(), partition)?;
            } else {
                triggers::drop_on(&entry.identity(), partition)?;
            }
            // Of a row that is new the worker makes chunks, of one that is not there he removes them.
            resync::enqueue_rows_of(&entry.understand()?, partition)?;
            wake::worker_at_commit();
            Ok(())
        });
    }
    // What is now written through a parent its statement triggers do not see.
    for entry in vectorizer::by_source(partition)? {
        warned("its source's becoming a partition", || {
            triggers::drop_on(&entry.identity(), partition)?;
            triggers::create(&entry.identity(), &entry.understand()?.source)
        });
    }
    Ok(())
}

fn descends(partition: pg_sys::Oid, source: pg_sys::Oid) -> Result<bool, PgError> {
    let found = sql::query(
        "SELECT FROM pg_catalog.pg_partition_ancestors($1) a WHERE a.relid = $2",
        &[partition.into(), source.into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}
