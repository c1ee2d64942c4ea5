//! A search whose relations are locked, with its statements.

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::known::{Definitions, Known};
use super::ordering::Ordering;
use super::place::Place;
use super::request::Request;
use super::statement::Statement;
use super::words::without_words;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::result::{Reads, with_rows};
use crate::pg::vector;

/// A search with what it needs of the catalog. What it reads is locked.
pub struct Search<'a> {
    /// The terms of the search.
    pub request: &'a Request,
    /// The vectorizer whose chunks are searched.
    pub vectorizer: &'a Vectorizer,
    /// The order by distance.
    pub ordering: &'a Ordering,
    /// The relation that is read.
    pub place: Place,
    /// The statements.
    pub statement: Statement,
    /// The vector as Postgres has it; `None` if there is none.
    vector: Option<pg_sys::Datum>,
}

/// Locks what will be read, and looks whether the vectorizer is still as it was known.
pub fn lock(known: &mut Known, request: &Request) -> Result<(), PgError> {
    let vectorizer = &known.definitions()?.vectorizer;
    Place::of(vectorizer, request.filter.is_some()).lock(vectorizer, request.words.is_some());
    // Whoever has a lock has heard of all changes that were made before.
    known.refresh()?;

    let vectorizer = &known.definitions()?.vectorizer;
    let place = Place::of(vectorizer, request.filter.is_some());
    place.lock(vectorizer, request.words.is_some());
    place.require_unchanged(vectorizer, request.words.is_some())?;
    place.require_types(vectorizer, request.words.is_some())?;
    match request.words.is_some() && vectorizer.words.is_none() {
        true => Err(without_words(&vectorizer.name)),
        false => Ok(()),
    }
}

/// Writes the statements of a search whose relations are locked.
pub fn prepare<'a>(known: &'a mut Known, request: &'a Request) -> Result<Search<'a>, PgError> {
    let Definitions { vectorizer, ordering } = known.definitions()?;
    let vector = match &request.vector {
        Some(vector) => {
            require_dimensions(vectorizer, vector)?;
            Some(vector::datum(vector)?)
        }
        None => None,
    };

    let place = Place::of(vectorizer, request.filter.is_some());
    let with_vectors = request.diversity.is_some();
    let statement = Statement::new(vectorizer, &place, ordering, request.filter.as_ref(), with_vectors);
    Ok(Search { request, vectorizer, ordering, place, statement, vector })
}

/// Errors if the vector could be compared with none.
fn require_dimensions(vectorizer: &Vectorizer, vector: &[f32]) -> Result<(), PgError> {
    let (given, wanted) = (vector.len(), vectorizer.config.embedding.dimensions() as usize);
    if given == wanted {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DATA_EXCEPTION,
        format!("different vector dimensions {wanted} and {given}"),
    )
    .with_detail(format!(
        "The vectors of vectorizer \"{}\" have {wanted} dimensions, and the one that is searched for has {given}.",
        vectorizer.name
    ))
    .with_hint("Embed the question with ai.vectorizer_embed and the same vectorizer."))
}

impl Search<'_> {
    /// Returns the vector as the parameter `$1` of a statement: NULL if there is none.
    pub fn vector(&self) -> DatumWithOid<'static> {
        let kind = self.ordering.vector;
        match self.vector {
            // SAFETY: a `vector`, of that type, which lives as long as the call.
            Some(vector) => unsafe { DatumWithOid::new(vector, kind) },
            None => DatumWithOid::null_oid(kind),
        }
    }

    /// Returns whether the statement with this text reads the vectors by an index, which may have given up before it
    /// found all. An index that filters only can't.
    pub fn uses_index(&self, text: &str) -> Result<bool, PgError> {
        if !self.ordering.is_indexed {
            return Ok(false);
        }
        let plan = format!("EXPLAIN (COSTS OFF) {text}");
        with_rows(&plan, &[self.vector()], Reads::Anew, |lines| {
            let is_order = |line: String| line.trim_start().starts_with("Order By:");
            Ok((0..lines.len()).filter_map(|line| lines.value::<String>(line, 1)).any(is_order))
        })
    }
}
