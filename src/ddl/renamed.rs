//! What goes by another name now: a source, a store, a view, a queue, or the schema of one.

use crate::catalog::binding;
use crate::pg::error::PgError;
use crate::queue::wake;

/// Writes the names of today into the catalog.
pub fn follow() -> Result<(), PgError> {
    if binding::write_names()? > 0 {
        wake::worker_at_commit();
    }
    Ok(())
}
