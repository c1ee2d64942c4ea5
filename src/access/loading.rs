//! Checks whether documents may be loaded.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Author, Loading};

use super::s3;
use crate::catalog::rights::Right;
use crate::pg::error::PgError;

/// Errors if the administrator does not allow a role to have this loaded, as of the current settings.
pub fn require_allowed(loading: &Loading, role: pg_sys::Oid, author: Author) -> Result<(), PgError> {
    match loading {
        Loading::Column { .. } => Ok(()),
        Loading::Uri { s3, .. } => {
            Right::LoadingUri.require(role)?;
            s3::require_objects_allowed(&s3::declared_by(s3, author), None)
        }
    }
}
