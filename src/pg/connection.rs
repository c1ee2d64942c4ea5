//! The queue's connection, over SPI.
//!
//! Statements with a few keys, of which there are most while rows come one by one, are prepared and kept. Those with
//! many are planned for their number.

use pgai_rs_queue::session::{Connection, Param, QueueError, Row, Sqlstate};
use pgrx::datum::{DatumWithOid, Uuid};
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::memory::freed_after;
use super::plan::Planning;
use super::{plan_cache, sql, vector};

/// The maximum length of an array, and the maximum limit, for which a plan is right that was made for an unknown one: of an
/// array Postgres assumes 10 elements (`estimate_array_length`).
pub const FEW: usize = 32;

/// The current process's connection to itself.
pub struct Spi;

impl Connection for Spi {
    type Error = PgError;

    fn execute(&mut self, sql: &str, args: &[Param<'_>]) -> Result<u64, PgError> {
        let execute = || match planning(args) {
            Some(planning) => plan_cache::execute(sql, &datums(args)?, planning),
            None => sql::execute(sql, &datums(args)?),
        };
        // Vectors are large, and there may be several statements with some in a transaction.
        match has_vectors(args) {
            // SAFETY: a number and an error hold nothing of Postgres's memory.
            true => unsafe { freed_after(execute) },
            false => execute(),
        }
    }

    fn query<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        mut row: impl FnMut(&dyn Row<Error = PgError>) -> Result<T, PgError>,
    ) -> Result<Vec<T>, PgError> {
        let mut query = || match planning(args) {
            Some(planning) => plan_cache::query(sql, &datums(args)?, planning, false, |found| row(found)),
            None => sql::query(sql, &datums(args)?, |found| row(found)),
        };
        match has_vectors(args) {
            // SAFETY: what a row is read as is copied, and an error holds nothing of Postgres's memory.
            true => unsafe { freed_after(query) },
            false => query(),
        }
    }

    fn read<T>(
        &mut self,
        sql: &str,
        args: &[Param<'_>],
        mut row: impl FnMut(&dyn Row<Error = PgError>) -> Result<T, PgError>,
    ) -> Result<Vec<T>, PgError> {
        match planning(args) {
            Some(planning) => plan_cache::query(sql, &datums(args)?, planning, true, |found| row(found)),
            None => sql::read(sql, &datums(args)?, |found| row(found)),
        }
    }
}

/// Returns whether there are vectors among the parameters.
fn has_vectors(args: &[Param<'_>]) -> bool {
    args.iter().any(|arg| matches!(arg, Param::Vectors(_)))
}

/// Returns how a statement with these parameters is planned if it is kept; `None` if it is not kept, because one
/// of its arrays is long. One with a limit is planned for it, unless that is of a few rows.
fn planning(args: &[Param<'_>]) -> Option<Planning> {
    let longest = args.iter().map(length).max().unwrap_or_default();
    let has_limit = args.iter().any(|arg| matches!(arg, Param::Limit(rows) if *rows > FEW as i64));
    match (longest > FEW, has_limit) {
        (true, _) => None,
        (false, true) => Some(Planning::EachTime),
        (false, false) => Some(Planning::Once),
    }
}

/// Returns the number of elements of a parameter that is an array; 0 for others.
fn length(param: &Param<'_>) -> usize {
    match param {
        Param::Int4s(values) => values.len(),
        Param::Int8s(values) => values.len(),
        Param::Texts(values) => values.len(),
        Param::OptionalTexts(values) => values.len(),
        Param::OptionalBytes(values) => values.len(),
        Param::Uuids(values) => values.len(),
        Param::Vectors(values) => values.len(),
        Param::Bool(_)
        | Param::Int4(_)
        | Param::Int8(_)
        | Param::Limit(_)
        | Param::Float8(_)
        | Param::Oid(_)
        | Param::Text(_)
        | Param::Jsonb(_) => 0,
    }
}

fn datums<'a>(args: &[Param<'a>]) -> Result<Vec<DatumWithOid<'a>>, PgError> {
    args.iter().map(datum).collect()
}

/// Returns a parameter as a datum, in the current memory context.
fn datum<'a>(param: &Param<'a>) -> Result<DatumWithOid<'a>, PgError> {
    Ok(match *param {
        Param::Bool(value) => value.into(),
        Param::Int4(value) => value.into(),
        Param::Int8(value) | Param::Limit(value) => value.into(),
        Param::Float8(value) => value.into(),
        Param::Oid(value) => pg_sys::Oid::from(value).into(),
        Param::Text(value) => value.into(),
        Param::Jsonb(value) => JsonB(value.clone()).into(),
        Param::Int4s(values) => values.to_vec().into(),
        Param::Int8s(values) => values.to_vec().into(),
        Param::Texts(values) => values.to_vec().into(),
        Param::OptionalTexts(values) => values.to_vec().into(),
        Param::OptionalBytes(values) => values.to_vec().into(),
        Param::Uuids(values) => values.iter().map(|id| Uuid::from_bytes(*id)).collect::<Vec<_>>().into(),
        Param::Vectors(values) => vector::array(values.iter().copied())?,
    })
}

impl Row for sql::Row<'_> {
    type Error = PgError;

    fn bool(&self, ordinal: usize) -> Result<Option<bool>, PgError> {
        self.get_opt(ordinal)
    }

    fn int4(&self, ordinal: usize) -> Result<Option<i32>, PgError> {
        self.get_opt(ordinal)
    }

    fn int8(&self, ordinal: usize) -> Result<Option<i64>, PgError> {
        self.get_opt(ordinal)
    }

    fn oid(&self, ordinal: usize) -> Result<Option<u32>, PgError> {
        Ok(self.get_opt::<pg_sys::Oid>(ordinal)?.map(|oid| oid.to_u32()))
    }

    fn text(&self, ordinal: usize) -> Result<Option<String>, PgError> {
        self.get_opt(ordinal)
    }

    fn bytes(&self, ordinal: usize) -> Result<Option<Vec<u8>>, PgError> {
        self.get_opt(ordinal)
    }

    fn uuid(&self, ordinal: usize) -> Result<Option<[u8; 16]>, PgError> {
        Ok(self.get_opt::<Uuid>(ordinal)?.map(|id| *id.as_bytes()))
    }
}

impl QueueError for PgError {
    fn new(sqlstate: Sqlstate, message: String) -> Self {
        let code = match sqlstate {
            Sqlstate::NullValueNotAllowed => PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            Sqlstate::SerializationFailure => PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            Sqlstate::InternalError => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        };
        PgError::new(code, message)
    }

    fn sqlstate(&self) -> String {
        self.sqlstate()
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
