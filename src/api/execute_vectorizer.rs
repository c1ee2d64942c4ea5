//! `ai.execute_vectorizer`: processing now, whatever the schedule says.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::drop_vectorizer::require_id;
use crate::catalog::ownership::require_owner;
use crate::queue::requests;

#[pg_extern(sql = false)]
fn execute_vectorizer(vectorizer_id: Option<i32>) -> Result<(), pg_sys::panic::ErrorReport> {
    let id = require_id(vectorizer_id)?;
    require_owner(id)?;
    Ok(requests::run(id)?)
}
