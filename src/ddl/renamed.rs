//! Reaction to a new name of a source, a store, a view, a queue, or of the schema of one.

use crate::catalog::binding;
use crate::pg::error::PgError;
use crate::trigger::wake;

/// Writes the current names into the catalog.
pub fn follow() -> Result<(), PgError> {
    if binding::write_names(None)? > 0 {
        wake::worker_at_commit();
    }
    Ok(())
}
