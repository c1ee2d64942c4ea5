//! Choosing rows, as the owner of their table.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_queue::definition::Sampled;
use pgai_rs_queue::sample::{self, Bounds, Chosen, Weighed};

use super::source::ExplainedSource;
use crate::guc;
use crate::pg::connection::Spi;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::sql;

/// The number of rows up to which all are counted and weighed.
const MOST_WEIGHED: f64 = 1_000_000.0;

/// The number of rows of a larger table that are, on so large a part of its pages.
const WEIGHED_OF_MORE: f64 = 200_000.0;

/// The bytes of documents that are read of a table.
const MOST_READ: f64 = (64 << 20) as f64;

/// The least number of rows that is looked at, however large they are.
const FEWEST: f64 = 20.0;

/// The facts that are known of all rows.
pub struct Frame {
    /// The number of rows that have a document.
    pub rows: f64,
    /// Their weights together.
    pub weight: f64,
    /// The part of the table's pages from which that is known; 1 for all.
    pub part: f64,
    /// The bytes of their documents together, where the table knows them.
    pub bytes: Option<f64>,
    /// The weights of the rows that were chosen are taken times this, at most 1, for the probability of having been chosen.
    pub rate: f64,
}

/// Rows that were chosen, and what is known of all.
pub struct Sample {
    /// The facts that are known of all.
    pub frame: Frame,
    /// The rows.
    pub chosen: Vec<Chosen>,
}

/// Chooses about so many rows.
pub fn choose(source: &ExplainedSource, rows: usize) -> Result<Sample, PgError> {
    source.table.hold(pg_sys::AccessShareLock)?;
    let part = part_to_weigh(source.table.oid)?;
    let qualified = source.table.qualified();
    let sampled = Sampled {
        source: &qualified,
        loaded: &source.loaded,
        by_address: source.by_address,
        size: source.size.as_ref(),
        fields: &source.fields,
    };
    let settings = guc::pipeline();

    as_user_on(source.table.owner, &[source.table.oid].into(), || {
        let weighed = sample::weigh(&mut Spi, &sampled, part)?;
        let rate = rate(&weighed, rows, source.by_address);
        let bounds = Bounds {
            rows: rows.saturating_mul(4).max(1_000),
            document: settings.max_document_size,
            bytes: settings.document_memory(),
        };
        let (chosen, left_out) = match weighed.rows {
            0 => (Vec::new(), 0),
            _ => sample::choose(&mut Spi, &sampled, part, rate, bounds)?,
        };
        if chosen.is_empty() && left_out > 0 {
            return Err(too_large(bounds.bytes));
        }
        let knows_sizes = !source.by_address || source.size.is_some();
        let bytes = knows_sizes.then(|| weighed.documents() / part);
        let frame =
            Frame { rows: weighed.rows as f64 / part, weight: weighed.weight / part, part, bytes, rate };
        Ok(Sample { frame, chosen })
    })
}

fn too_large(most: u64) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        "the rows of the source are too large to be looked at",
    )
    .with_detail(format!(
        "With the columns that the template names, the first one that was chosen has more than {} MB.",
        most >> 20
    ))
    .with_hint("Have the template name fewer columns, or increase pgai_rs.worker_memory_limit.")
}

/// Returns the probability with which a row is chosen for each byte of its weight, so that about so many rows are, and no more
/// bytes than there is room for.
fn rate(weighed: &Weighed, rows: usize, by_address: bool) -> f64 {
    if weighed.weight <= 0.0 {
        return 1.0;
    }
    // The chosen rows have so many bytes for each row that is wanted.
    let bytes_a_row = weighed.norm * weighed.norm / weighed.weight;
    let most = if by_address { f64::INFINITY } else { (MOST_READ / bytes_a_row.max(1.0)).max(FEWEST) };
    (rows as f64).min(most) / weighed.weight
}

/// Returns the part of a table's pages on which rows are weighed: all, unless there are very many by Postgres's estimate.
fn part_to_weigh(table: pg_sys::Oid) -> Result<f64, PgError> {
    const ESTIMATE: &str = "
        SELECT coalesce(sum(c.reltuples / c.relpages
                            * (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8)), 0)::float8
        FROM pg_catalog.pg_class c
        WHERE (c.oid = $1 OR c.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree($1) t))
          AND c.relkind = 'r' AND c.relpages > 0 AND c.reltuples > 0";
    let estimate = as_superuser(|| sql::read_now(ESTIMATE, &[table.into()], |row| row.get::<f64>(1)))?;
    let rows = estimate.first().copied().unwrap_or_default();
    Ok(if rows <= MOST_WEIGHED { 1.0 } else { WEIGHED_OF_MORE / rows })
}
