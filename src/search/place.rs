//! The place that a search reads: a store with its source beside it, the view of both, or the source itself.
//!
//! Whoever may read the store is given the store: a table runs nothing of its owner's, and a view does. The view is for
//! roles that were granted nothing else.

use std::iter;

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Destination, Loading};

use super::columns;
use crate::catalog::destination::{STORE_VECTORS, is_cited, store_columns};
use crate::catalog::relation;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::sql::{self, ident};

/// The relation that a search reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The store. A filter looks at the row of the source.
    Store,
    /// The view of store and source.
    View(Table),
    /// The source, which has a column of vectors.
    Source,
}

/// The query that tells whether a role may use the schema of a relation and read these columns of it, or any if none are
/// named.
const MAY_READ: &str = "
    SELECT pg_catalog.has_schema_privilege($1, c.relnamespace, 'USAGE')
           AND CASE WHEN pg_catalog.cardinality($3::pg_catalog.text[]) OPERATOR(pg_catalog.=) 0
                    THEN pg_catalog.has_any_column_privilege($1, c.oid, 'SELECT')
                    ELSE (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege($1, c.oid, n, 'SELECT'))
                          FROM pg_catalog.unnest($3::pg_catalog.text[]) AS n) END
    FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) $2";

/// Returns whether the current user may read these columns of a relation, or any if none are named.
fn may_read(relation: pg_sys::Oid, columns: Vec<String>) -> Result<bool, PgError> {
    let args = [current_user().into(), relation.into(), columns.into()];
    let may = sql::read_now(MAY_READ, &args, |row| row.get_opt::<bool>(1))?;
    Ok(may == [Some(true)])
}

impl Place {
    /// Returns the place that the current user may read; if there is none, one that Postgres will refuse.
    pub fn of(vectorizer: &Vectorizer, is_filtered: bool) -> Result<Place, PgError> {
        let Destination::Table { .. } = vectorizer.config.destination else { return Ok(Place::Source) };
        let relations = &vectorizer.relations;
        let (Some(store), Some(view)) = (&relations.store, &relations.view) else { return Ok(Place::Store) };

        let key = vectorizer.key.columns().iter().map(|column| column.name.clone());
        let own = store_columns(is_cited(&vectorizer.config.destination)).into_iter().map(str::to_owned);
        if may_read(store.oid, key.chain(own).collect())?
            && (!is_filtered || may_read(relations.source.oid, Vec::new())?)
        {
            return Ok(Place::Store);
        }
        match may_read(view.oid, Vec::new())? {
            true => Ok(Place::View(view.clone())),
            false => Ok(Place::Store),
        }
    }

    /// Locks what is read, as reading it would, so that its name means it until the transaction ends. Errors (40001)
    /// if it has changed since it was read.
    pub fn hold(&self, vectorizer: &Vectorizer) -> Result<(), PgError> {
        let relations = &vectorizer.relations;
        let read: Vec<&Table> = match self {
            Place::Store => relations.store.iter().chain(iter::once(&relations.source)).collect(),
            Place::View(view) => vec![view],
            Place::Source => vec![&relations.source],
        };
        read.into_iter().try_for_each(|table| table.hold(pg_sys::AccessShareLock))
    }

    /// Errors (42804) if a column of what is read has a type of somebody's own; see [`columns`]. The relation must be held.
    pub fn require_types(&self, vectorizer: &Vectorizer) -> Result<(), PgError> {
        let relation = match self {
            Place::Store => vectorizer.relations.store.as_ref(),
            Place::View(view) => Some(view),
            Place::Source => None,
        };
        let Some(relation) = relation else { return Ok(()) };
        let mut own = store_columns(is_cited(&vectorizer.config.destination));
        own.retain(|column| *column != STORE_VECTORS);
        columns::require_postgres_own(relation, &own)
    }

    /// Returns the alias of the relation in a statement. What has the source's columns goes by the source's name, by
    /// which a filter may call them.
    pub fn alias(&self, vectorizer: &Vectorizer) -> String {
        match self {
            Place::Store if vectorizer.source.name == "_chunk" => "_chunk_of".to_owned(),
            Place::Store => "_chunk".to_owned(),
            Place::View(_) | Place::Source => ident(&vectorizer.source.name),
        }
    }

    /// Returns the relation for a FROM clause, with its alias.
    pub fn relation(&self, vectorizer: &Vectorizer) -> String {
        let name = match self {
            Place::Store => vectorizer.vectors().0,
            Place::View(view) => view.qualified(),
            Place::Source => vectorizer.source.qualified(),
        };
        format!("{name} AS {}", self.alias(vectorizer))
    }

    /// Returns the condition that a row of the source satisfies a filter, which is in parentheses.
    pub fn condition(&self, vectorizer: &Vectorizer, filter: &str) -> String {
        match self {
            Place::Store => {
                let source = &vectorizer.source;
                let same = vectorizer.key.same(&self.alias(vectorizer), &ident(&source.name));
                format!("EXISTS (SELECT FROM {} WHERE {same} AND {filter})", from_source(vectorizer))
            }
            Place::View(_) | Place::Source => filter.to_owned(),
        }
    }

    /// Returns the address of the document, as part of a query whose rows are called [`found_alias`] and have the key in
    /// columns `k0`, `k1` …; NULL if documents have none, or the current user may not read it, or its type is not Postgres's own.
    pub fn address(&self, vectorizer: &Vectorizer) -> Result<String, PgError> {
        const NONE: &str = "NULL::pg_catalog.text";
        let Loading::Uri { column_name, .. } = &vectorizer.config.loading else { return Ok(NONE.to_owned()) };
        let key = vectorizer.key.columns();
        let found = found_alias(vectorizer);
        let oid = if let Place::View(view) = self { view.oid } else { vectorizer.relations.source.oid };
        if !columns::is_postgres_own(oid, column_name) {
            return Ok(NONE.to_owned());
        }
        if let Some(place) = key.iter().position(|column| column.name == *column_name) {
            return Ok(format!("{found}.k{place}::pg_catalog.text"));
        }

        let relation = match self {
            Place::Store | Place::Source => from_source(vectorizer),
            Place::View(view) => format!("{} AS {}", view.qualified(), ident(&vectorizer.source.name)),
        };
        let needed: Vec<String> =
            key.iter().map(|column| &column.name).chain([column_name]).cloned().collect();
        // A view keeps the names that it was made with.
        let has = relation::columns(oid)?;
        let has_all = needed.iter().all(|name| has.iter().any(|column| column.name == *name));
        if !has_all || !may_read(oid, needed)? {
            return Ok(NONE.to_owned());
        }

        let alias = ident(&vectorizer.source.name);
        let same = key.iter().enumerate().map(|(place, column)| {
            column.equal(&format!("{alias}.{}", ident(&column.name)), &format!("{found}.k{place}"))
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        Ok(format!(
            "(SELECT {alias}.{}::pg_catalog.text FROM {relation} WHERE {same} LIMIT 1)",
            ident(column_name)
        ))
    }
}

/// Returns the alias of the rows that are found, which is not the name of the source.
pub fn found_alias(vectorizer: &Vectorizer) -> &'static str {
    match vectorizer.source.name.as_str() {
        "_found" => "_found_of",
        _ => "_found",
    }
}

/// Returns the source for a FROM clause, by its own name whatever its schema is.
fn from_source(vectorizer: &Vectorizer) -> String {
    format!("{} AS {}", vectorizer.source.qualified(), ident(&vectorizer.source.name))
}
