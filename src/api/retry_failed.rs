//! `ai.retry_failed`: moves rows that were set aside back to the queue.

use pgai_rs_pipeline::failure::Step;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::given_key::{self, KEY_HINT};
use crate::catalog::key::{GivenKeys, KeyValues};
use crate::catalog::ownership::require_owner;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::as_user_on;
use crate::pg::json::Json;
use crate::pg::sql;
use crate::pg::transaction::subtransaction;
use crate::trigger::wake;

/// The selection among the rows that were set aside: those that match everything that is given.
struct Chosen {
    keys: Option<Vec<KeyValues>>,
    step: Option<String>,
    code: Option<String>,
}

#[pg_extern(sql = false)]
fn retry_failed(
    vectorizer_id: Option<i32>,
    key: Option<Json>,
    step: Option<String>,
    code: Option<String>,
) -> Result<i64, pg_sys::panic::ErrorReport> {
    let id = vectorizer_id.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer_id must not be null")
            .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
    })?;
    require_owner(id)?;
    let vectorizer = vectorizer::by_id(id)?.ok_or_else(|| lost(id))?.resolve()?;

    let keys = key.map(|Json(key)| given_key::all(&vectorizer.key, &key)).transpose()?;
    if let Some(step) = &step {
        require_step(step)?;
    }

    let moved = requeue(&vectorizer, &Chosen { keys, step, code })?;
    wake::worker_at_commit();
    Ok(i64::try_from(moved).unwrap_or(i64::MAX))
}

/// Returns the error for a vectorizer that has lost some of its relations.
pub fn lost(id: i32) -> PgError {
    PgError::raised(format!("vectorizer {id} lacks its queue table or its trigger"))
        .with_hint("Drop the vectorizer with ai.drop_vectorizer() and create it again.")
}

fn require_step(step: &str) -> Result<(), PgError> {
    let known: Vec<String> = Step::ALL.iter().map(Step::to_string).collect();
    if known.iter().any(|known| known == step) {
        return Ok(());
    }
    let error = PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "invalid step");
    Err(error.with_hint(format!("The steps are {}.", known.join(", "))))
}

fn requeue(v: &Vectorizer, chosen: &Chosen) -> Result<u64, PgError> {
    let key = &v.key;
    let names = key.names(None);
    let mut args: Vec<DatumWithOid<'_>> = Vec::new();
    let mut conditions: Vec<String> = Vec::new();
    if let Some(keys) = &chosen.keys {
        args.extend(GivenKeys::new(keys.iter(), key.len()).into_columns().map(DatumWithOid::from));
        conditions.push(format!("EXISTS (SELECT FROM {} k WHERE {})", key.given(&[]), key.same_given("f")));
    }
    for (column, value) in [("failure_step", &chosen.step), ("failure_code", &chosen.code)] {
        if let Some(value) = value {
            args.push(value.clone().into());
            conditions.push(format!("f.{} = ${}", v.own.name(column), args.len()));
        }
    }

    let which = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let statement = format!(
        "WITH failed AS (DELETE FROM {} f WHERE {which} RETURNING {})
         INSERT INTO {} ({names}) SELECT DISTINCT {names} FROM failed",
        v.queue.failed,
        key.names(Some("f")),
        v.queue.inbox,
    );
    // A subtransaction, to add the hint: a value may be invalid for its column's type.
    subtransaction(|| {
        v.relations.hold()?;
        as_user_on(v.owner, &v.relations.oids(), || sql::execute(&statement, &args))
    })
    .map_err(|error| match error.hint {
        None if error.sqlstate().starts_with("22") => error.with_hint(KEY_HINT),
        _ => error,
    })
}
