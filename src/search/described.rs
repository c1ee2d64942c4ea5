//! The statements of a search, described for `ai.explain_search`: by which index they were run, and how it was set.
//!
//! It is told what Postgres tells whoever may run the statement, and nothing about rows.

use std::ffi::CStr;

use pgrx::datum::DatumWithOid;

use super::ordering::Ordering;
use super::plan::Plan;
use super::statement::Way;
use super::steps::Step;
use super::tuning;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::pg::sql::{self, Row};

/// The settings of access methods that decide how many vectors are looked at.
const SETTINGS: [(&str, &[&CStr]); 3] = [
    ("hnsw", &[c"hnsw.ef_search", c"hnsw.iterative_scan", c"hnsw.max_scan_tuples"]),
    ("ivfflat", &[c"ivfflat.probes", c"ivfflat.iterative_scan", c"ivfflat.max_probes"]),
    ("diskann", &[c"diskann.query_search_list_size", c"diskann.query_rescore"]),
];

/// The access methods of the indexes with these names, in the schema of the table `$2`.
const METHODS: &str = "
    SELECT DISTINCT a.amname::pg_catalog.text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
    JOIN pg_catalog.pg_class t ON t.relnamespace OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1) AND t.oid OPERATOR(pg_catalog.=) $2";

/// An index of the column `$2` of vectors of the table `$1`, or of an expression, the one that is nearest to serving first: its
/// name, whether it is valid, and whether it is on a part of the rows. Postgres's own access methods know no distance.
const CANDIDATE: &str = "
    SELECT c.relname::pg_catalog.text, x.indisvalid, x.indpred IS NOT NULL
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) x.indexrelid
    JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
    LEFT JOIN pg_catalog.pg_attribute v ON v.attrelid OPERATOR(pg_catalog.=) x.indrelid
         AND v.attname::pg_catalog.text OPERATOR(pg_catalog.=) $2
    WHERE x.indrelid OPERATOR(pg_catalog.=) $1
      AND (x.indkey[0] OPERATOR(pg_catalog.=) v.attnum OR x.indkey[0] OPERATOR(pg_catalog.=) 0)
      AND a.amname::pg_catalog.text OPERATOR(pg_catalog.<>) ALL (ARRAY['btree', 'hash', 'gist', 'spgist', 'gin', 'brin'])
    ORDER BY x.indisvalid DESC, x.indpred IS NULL DESC, x.indexrelid LIMIT 1";

/// A statement that has found the nearest vectors.
pub struct VectorStatement<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its arguments.
    pub args: &'a [DatumWithOid<'a>],
    /// The way in which it reads the vectors.
    pub way: Way,
    /// True if the caller wants no index of the vectors to be used.
    pub is_exact: bool,
}

/// Describes a step in which the nearest vectors of a vectorizer were found by this statement. The settings must still be those
/// under which it was run.
pub fn vectors(
    step: &mut Step,
    vectorizer: &Vectorizer,
    ordering: &Ordering,
    statement: &VectorStatement<'_>,
) -> Result<(), PgError> {
    let Some(plan) = plan(step, statement.text, statement.args)? else { return Ok(()) };
    let indexes = plan.indexes_in_order();
    if indexes.is_empty() {
        step.detail("exact", reason_for_exactness(vectorizer, ordering, statement)?);
        return Ok(());
    }
    step.index = Some(indexes.join(", "));
    if ordering.is_rough() {
        step.detail("precision", "bit");
    }
    for (setting, value) in settings(vectorizer, &indexes)? {
        step.detail(setting, value);
    }
    Ok(())
}

/// Describes a step in which words were looked for by this statement.
pub fn words(step: &mut Step, alias: &str, text: &str) -> Result<(), PgError> {
    let none: [DatumWithOid<'_>; 0] = [];
    let Some(plan) = plan(step, text, &none)? else { return Ok(()) };
    let indexes = plan.indexes_of(alias);
    match indexes.is_empty() {
        true => step.detail("exact", "Postgres has planned it without an index"),
        false => step.index = Some(indexes.join(", ")),
    }
    Ok(())
}

/// Returns the plan of a statement, or says that it can't be read.
fn plan(step: &mut Step, text: &str, args: &[DatumWithOid<'_>]) -> Result<Option<Plan>, PgError> {
    let plan = Plan::of(text, args)?;
    if plan.is_none() {
        step.detail("plan", "has too many levels to be read");
    }
    Ok(plan)
}

/// Returns the values of the settings of these indexes' access methods.
fn settings(vectorizer: &Vectorizer, indexes: &[&str]) -> Result<Vec<(&'static str, String)>, PgError> {
    let names: Vec<String> = indexes.iter().map(|&name| name.to_owned()).collect();
    let args = [names.into(), vectorizer.table_of_vectors().into()];
    let methods = with_pinned_path(|| sql::read_now(METHODS, &args, |row| row.get::<String>(1)))?;
    let used = SETTINGS.into_iter().filter(|(method, _)| methods.iter().any(|found| found == method));
    let value = |&setting: &&'static CStr| Some((setting.to_str().ok()?, tuning::current(setting)?));
    Ok(used.flat_map(|(_, settings)| settings.iter().filter_map(value)).collect())
}

/// Returns why no index of the vectors was used.
fn reason_for_exactness(
    vectorizer: &Vectorizer,
    ordering: &Ordering,
    statement: &VectorStatement<'_>,
) -> Result<String, PgError> {
    if statement.is_exact {
        return Ok("exact => true".to_owned());
    }
    if statement.way == Way::Exactly {
        return Ok("the index gave up before it had found enough".to_owned());
    }
    if ordering.is_indexed() {
        return Ok("Postgres has planned it without an index".to_owned());
    }

    let (_, column) = vectorizer.vectors();
    let args = [vectorizer.table_of_vectors().into(), column.to_owned().into()];
    let read = |row: &Row<'_>| Ok((row.get::<String>(1)?, row.get::<bool>(2)?, row.get::<bool>(3)?));
    let found = with_pinned_path(|| sql::read_now(CANDIDATE, &args, read))?;
    Ok(match found.first() {
        None => "the vectors have no index".to_owned(),
        Some((name, false, _)) => format!("index \"{name}\" is being built, or its build has failed"),
        Some((name, true, true)) => format!("index \"{name}\" is on a part of the rows"),
        Some((name, true, false)) => format!("index \"{name}\" is on another expression than a search has"),
    })
}
