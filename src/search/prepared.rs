//! A search whose relations are locked, with its statements.

use pgrx::datum::DatumWithOid;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::described::{self, VectorStatement};
use super::known::{Definitions, Known};
use super::ordering::Ordering;
use super::place::Place;
use super::request::Request;
use super::statement::{Statement, Way};
use super::steps::Steps;
use super::tuning::tune;
use super::words::without_words;
use crate::catalog::vectorizer::Vectorizer;
use crate::catalog::words::Configuration;
use crate::pg::error::PgError;
use crate::pg::result::{Reads, ResultRows, with_rows};
use crate::pg::settings::SettingsLevel;
use crate::pg::vector;

/// A search with what it needs of the catalog. What it reads is locked.
pub struct Search<'a> {
    /// The terms of the search.
    pub request: &'a Request,
    /// The steps that it takes.
    pub steps: &'a Steps,
    /// The vectorizer whose chunks are searched.
    pub vectorizer: &'a Vectorizer,
    /// The order by distance.
    pub ordering: &'a Ordering,
    /// The relation that is read.
    pub place: Place,
    /// The statements.
    pub statement: Statement,
    /// The text search configuration of the words; `None` if none are looked for.
    pub configuration: Option<Configuration>,
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
    if let Some(model) = &request.made_by
        && !vectorizer.config.embedding.makes_vectors_of(model)
    {
        return Err(model_changed(&vectorizer.name));
    }
    let place = Place::of(vectorizer, request.filter.is_some());
    place.lock(vectorizer, request.words.is_some());
    place.require_unchanged(vectorizer, request.words.is_some())?;
    place.require_types(vectorizer, request.words.is_some())?;
    match request.words.is_some() && vectorizer.words.is_none() {
        true => Err(without_words(&vectorizer.name)),
        false => Ok(()),
    }
}

/// The message for a search whose question was embedded by a model that the vectorizer does not have any more.
const MODEL_CHANGED: &str = "the model of a vectorizer was changed concurrently";

fn model_changed(vectorizer: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE, MODEL_CHANGED)
        .with_detail(format!("The vectorizer is \"{vectorizer}\"."))
        .with_hint("Repeat the search.")
}

/// Returns whether a search has found nothing yet, because the model has changed that embedded its question.
pub fn is_model_changed(error: &PgError) -> bool {
    error.code == PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE && error.message == MODEL_CHANGED
}

/// Writes the statements of a search whose relations are locked.
pub fn prepare<'a>(
    known: &'a mut Known,
    request: &'a Request,
    steps: &'a Steps,
) -> Result<Search<'a>, PgError> {
    let Definitions { vectorizer, ordering, configuration } = known.definitions()?;
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
    let configuration = if request.words.is_some() { configuration.clone()? } else { None };
    Ok(Search { request, steps, vectorizer, ordering, place, statement, configuration, vector })
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

    /// Returns the way in which the vectors are read first.
    pub fn first_way(&self) -> Way {
        if self.request.exact { Way::Exactly } else { Way::AsPlanned }
    }

    /// Sets, for as long as the level lasts, what lets an index find so many rows. Returns the number of candidates to
    /// compare exactly, if the index knows vectors only roughly.
    fn tune(&self, level: &SettingsLevel, rows: usize) -> Result<Option<usize>, PgError> {
        match self.ordering.is_indexed() {
            true => tune(level, rows, self.ordering.is_rough()),
            false => Ok(None),
        }
    }

    /// Reads so many of the nearest chunks with a statement, whose text `statement` returns, and returns what `read`
    /// makes of its rows. `read` is also told whether these are all that there are, and returns `None` if it wants more.
    /// If there are more because an index gave up, they are read without it, now and from now on; else the answer is
    /// `None`, and the caller may ask for more rows.
    pub fn nearest<T>(
        &self,
        way: &mut Way,
        limit: usize,
        statement: impl Fn(Way, usize, Option<usize>) -> String,
        read: impl Fn(&ResultRows, bool) -> Result<Option<T>, PgError>,
    ) -> Result<Option<T>, PgError> {
        loop {
            let level = SettingsLevel::open();
            let candidates = self.tune(&level, limit)?;
            let text = statement(*way, limit, candidates);

            let (answer, gave_up) = with_rows(&text, &[self.vector()], Reads::AsTheCaller, |rows| {
                let are_fewer = rows.len() < limit;
                let gave_up = are_fewer && *way == Way::AsPlanned && self.uses_index(&text)?;
                self.steps.note("vector", |step| {
                    step.candidates = Some(candidates.filter(|_| *way == Way::AsPlanned).unwrap_or(limit));
                    step.rows = Some(rows.len());
                    let (args, is_exact) = ([self.vector()], self.request.exact);
                    let ran = VectorStatement { text: &text, args: &args, way: *way, is_exact };
                    described::vectors(step, self.vectorizer, self.ordering, &ran)
                })?;
                Ok((read(rows, are_fewer && !gave_up)?, gave_up))
            })?;
            if answer.is_some() || !gave_up {
                return Ok(answer);
            }
            *way = Way::Exactly;
        }
    }

    /// Returns whether the statement with this text reads the vectors by an index, which may have given up before it
    /// found all. An index that filters only can't.
    fn uses_index(&self, text: &str) -> Result<bool, PgError> {
        if !self.ordering.is_indexed() {
            return Ok(false);
        }
        let plan = format!("EXPLAIN (COSTS OFF) {text}");
        with_rows(&plan, &[self.vector()], Reads::Anew, |lines| {
            let is_order = |line: String| line.trim_start().starts_with("Order By:");
            Ok((0..lines.len()).filter_map(|line| lines.value::<String>(line, 1)).any(is_order))
        })
    }
}
