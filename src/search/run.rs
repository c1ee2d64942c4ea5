//! Running a search, and choosing among what it finds.

use pgrx::datum::{DatumWithOid, IntoDatum};
use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::search::choice::{Candidate, Terms, choose};

use super::filter::Filter;
use super::ordering::Ordering;
use super::place::Place;
use super::reader::as_reader;
use super::statement::{Statement, Way, column};
use super::tuning::tune;
use crate::catalog::vectorizer::{Entry, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::pg::result::{Reads, ResultRows, ReturnedRows, with_rows};
use crate::pg::settings::SettingsLevel;
use crate::pg::vector;

/// Chunks that are looked at for each one that is wanted, where some are left out.
const FOUND_PER_ROW: usize = 4;

/// Factor by which more chunks are looked at if too few were left.
const GROWTH: usize = 4;

/// The least number of chunks among which unlike ones are looked for.
const LEAST_FOR_DIVERSITY: usize = 40;

/// The terms of a search.
#[derive(Debug, Clone)]
pub struct Request {
    /// The vector whose neighbours are looked for.
    pub vector: Vec<f32>,
    /// The number of rows that are wanted.
    pub k: usize,
    /// The condition on the rows of the source.
    pub filter: Option<Filter>,
    /// The least score.
    pub min_score: Option<f64>,
    /// The largest number of chunks of one document.
    pub per_document: Option<usize>,
    /// The weight of being unlike the rows before, from 0 to 1.
    pub diversity: Option<f64>,
    /// True if no index of the vectors may be used.
    pub exact: bool,
}

/// A search with what it needs of the catalog.
struct Search<'a> {
    request: &'a Request,
    /// The owner of the tables.
    owner: pg_sys::Oid,
    ordering: Ordering,
    statement: Statement,
    vector: pg_sys::Datum,
}

/// What becomes of the rows of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// They were returned.
    Returned,
    /// They are too few, and there are more to look at.
    More,
    /// They are too few, for the index gave up.
    IndexGaveUp,
}

/// Searches as the current user, and returns the rows that are found: rank, score, distance, and the columns of
/// [`column::RETURNED`].
pub fn search(entry: &Entry, request: &Request, returned: &ReturnedRows) -> Result<(), PgError> {
    // Under the caller's own path only the statement itself is read, for the sake of the filter.
    let search = with_pinned_path(|| prepare(entry, request))?;
    search.run(returned)
}

/// Reads the catalog, and locks what will be read.
fn prepare<'a>(entry: &Entry, request: &'a Request) -> Result<Search<'a>, PgError> {
    let vectorizer = &entry.resolve()?;
    require_dimensions(vectorizer, request)?;
    let place = Place::of(vectorizer, request.filter.is_some())?;
    place.hold(vectorizer)?;
    place.require_types(vectorizer)?;

    let ordering = Ordering::of(vectorizer)?;
    let with_vectors = request.diversity.is_some();
    let statement = Statement::new(vectorizer, &place, &ordering, request.filter.as_ref(), with_vectors)?;
    let vector = vector::datum(&request.vector)?;
    Ok(Search { request, owner: vectorizer.owner, ordering, statement, vector })
}

/// Errors if the vector could be compared with none.
fn require_dimensions(vectorizer: &Vectorizer, request: &Request) -> Result<(), PgError> {
    let (given, wanted) = (request.vector.len(), vectorizer.config.embedding.dimensions() as usize);
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
    fn run(&self, returned: &ReturnedRows) -> Result<(), PgError> {
        let mut way = if self.request.exact { Way::Exactly } else { Way::AsPlanned };
        let mut limit = self.first_limit();
        loop {
            match as_reader(self.owner, || self.attempt(way, limit, returned))? {
                Outcome::Returned => return Ok(()),
                Outcome::More => limit = limit.saturating_mul(GROWTH),
                Outcome::IndexGaveUp => way = Way::Exactly,
            }
        }
    }

    /// Returns the number of chunks to look at first.
    fn first_limit(&self) -> usize {
        let Request { k, per_document, diversity, .. } = *self.request;
        match (per_document, diversity) {
            (None, None) => k,
            (Some(_), None) => FOUND_PER_ROW * k,
            (_, Some(_)) => (FOUND_PER_ROW * k).max(LEAST_FOR_DIVERSITY),
        }
    }

    /// Looks at so many chunks, and returns those that are chosen unless there is more to be done.
    fn attempt(&self, way: Way, limit: usize, returned: &ReturnedRows) -> Result<Outcome, PgError> {
        let text = self.statement.text(way, limit);
        let level = SettingsLevel::open();
        if self.ordering.is_indexed {
            tune(&level, limit)?;
        }

        with_rows(&text, &self.arguments(), Reads::AsTheCaller, |rows| {
            let found = self.candidates(rows);
            let chosen = self.choose(&found);
            let is_enough = chosen.len() == self.request.k || found.has_worse;
            if !is_enough && rows.len() == limit {
                return Ok(Outcome::More);
            }
            if !is_enough && way == Way::AsPlanned && self.uses_index(&text)? {
                return Ok(Outcome::IndexGaveUp);
            }
            chosen
                .into_iter()
                .enumerate()
                .try_for_each(|(place, index)| self.put(rows, found.rows[index], place, returned))?;
            Ok(Outcome::Returned)
        })
    }

    fn arguments(&self) -> [DatumWithOid<'static>; 1] {
        // SAFETY: a `vector`, of that type, which lives as long as the call.
        [unsafe { DatumWithOid::new(self.vector, self.ordering.vector) }]
    }

    /// Returns the rows that may be chosen, the best first.
    fn candidates(&self, rows: &ResultRows) -> Found {
        let request = self.request;
        let score = |distance: f64| self.ordering.metric.score(distance);
        let least = request.min_score.unwrap_or(f64::NEG_INFINITY);
        let mut distances: Vec<(usize, f64)> = (0..rows.len())
            .filter_map(|row| rows.value::<f64>(row, column::DISTANCE).map(|distance| (row, distance)))
            // A vector of zeros has no angle to any other.
            .filter(|(_, distance)| distance.is_finite() && score(*distance) >= least)
            .collect();
        // A stable sort: of equals the first comes first, in whatever order Postgres found them.
        distances.sort_by(|(_, left), (_, right)| left.total_cmp(right));

        let candidate = |&(row, distance): &(usize, f64)| Candidate {
            score: score(distance),
            document: request
                .per_document
                .and_then(|_| rows.value(row, column::DOCUMENT))
                .unwrap_or_default(),
            vector: request.diversity.and_then(|_| rows.value(row, column::VECTOR)).unwrap_or_default(),
        };
        Found {
            candidates: distances.iter().map(candidate).collect(),
            rows: distances.iter().map(|(row, _)| *row).collect(),
            has_worse: distances.len() < rows.len(),
        }
    }

    fn choose(&self, found: &Found) -> Vec<usize> {
        let Request { k, per_document, diversity, .. } = *self.request;
        let terms = Terms { k, per_document, diversity, metric: self.ordering.metric };
        choose(&found.candidates, &terms, || {
            pgrx::check_for_interrupts!();
        })
    }

    /// Returns whether the statement with this text reads the vectors by an index, which may have given up before it
    /// found all. An index that filters only can't.
    fn uses_index(&self, text: &str) -> Result<bool, PgError> {
        if !self.ordering.is_indexed {
            return Ok(false);
        }
        let plan = format!("EXPLAIN (COSTS OFF) {text}");
        with_rows(&plan, &self.arguments(), Reads::Anew, |lines| {
            let is_order = |line: String| line.trim_start().starts_with("Order By:");
            Ok((0..lines.len()).filter_map(|line| lines.value::<String>(line, 1)).any(is_order))
        })
    }

    /// Returns a row that was chosen.
    fn put(
        &self,
        rows: &ResultRows,
        row: usize,
        place: usize,
        returned: &ReturnedRows,
    ) -> Result<(), PgError> {
        let distance = rows.value::<f64>(row, column::DISTANCE);
        let score = distance.map(|distance| self.ordering.metric.score(distance));
        let rank = i32::try_from(place + 1).ok();
        let own = [rank.into_datum(), score.into_datum(), distance.into_datum()];
        let values: Vec<_> =
            own.into_iter().chain(column::RETURNED.map(|column| rows.datum(row, column))).collect();
        // SAFETY: an int4, two float8, and what the statement makes of the types that are declared.
        unsafe { returned.push(&values) }
    }
}

/// The rows of an attempt that may be chosen.
struct Found {
    candidates: Vec<Candidate>,
    /// Of each candidate, the row of the result.
    rows: Vec<usize>,
    /// True if there were rows that may not be chosen: of all that follow none may.
    has_worse: bool,
}
