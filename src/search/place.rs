//! The place that a search reads: a store with its source beside it, the view of both, or the source itself.
//!
//! Whoever may read the store is given the store: a table runs nothing of its owner's, and a view does. The view is for
//! roles that were granted nothing else.

use std::iter;

use pgrx::pg_sys;

use pgai_rs_pipeline::config::{Destination, Loading};

use super::columns;
use crate::catalog::destination::{STORE_VECTORS, is_cited, store_columns};
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Vectorizer;
use crate::catalog::visibility::{may_read, may_read_columns};
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::sql::ident;

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

impl Place {
    /// Returns the place that the current user may read; if there is none, one that Postgres will refuse.
    pub fn of(vectorizer: &Vectorizer, is_filtered: bool) -> Place {
        let Destination::Table { .. } = vectorizer.config.destination else { return Place::Source };
        let relations = &vectorizer.relations;
        let (Some(store), Some(view)) = (&relations.store, &relations.view) else { return Place::Store };

        let role = current_user();
        let key = vectorizer.key.columns().iter().map(|column| column.name.as_str());
        let own = store_columns(is_cited(&vectorizer.config.destination));
        let may_filter = !is_filtered || may_read(role, relations.source.oid);
        let may_read_store = may_filter && may_read_columns(role, store.oid, key.chain(own));
        match may_read_store || !may_read(role, view.oid) {
            true => Place::Store,
            false => Place::View(view.clone()),
        }
    }

    /// Locks what is read, `with_words` also the table of words, as reading it would, so that its name means it until the transaction ends.
    pub fn lock(&self, vectorizer: &Vectorizer, with_words: bool) {
        self.tables(vectorizer, with_words).into_iter().for_each(|table| table.lock(pg_sys::AccessShareLock));
    }

    /// Errors (40001) if what is read has changed since its definition was read. It must be locked.
    pub fn require_unchanged(&self, vectorizer: &Vectorizer, with_words: bool) -> Result<(), PgError> {
        self.tables(vectorizer, with_words).into_iter().try_for_each(Table::require_unchanged)
    }

    fn tables<'a>(&'a self, vectorizer: &'a Vectorizer, with_words: bool) -> Vec<&'a Table> {
        let relations = &vectorizer.relations;
        let mut tables: Vec<&Table> = match self {
            Place::Store => relations.store.iter().chain(iter::once(&relations.source)).collect(),
            Place::View(view) => vec![view],
            Place::Source => vec![&relations.source],
        };
        tables.extend(vectorizer.words.iter().filter(|_| with_words).map(|words| &words.table));
        tables
    }

    /// Errors (42804) if a column of what is read, `with_words` also of the table of words, has a type of somebody's own; see
    /// [`columns`]. The relations must be held.
    pub fn require_types(&self, vectorizer: &Vectorizer, with_words: bool) -> Result<(), PgError> {
        if let Some(words) = vectorizer.words.as_ref().filter(|_| with_words) {
            columns::require_postgres_own(&words.table, &["embedding_uuid", "words"])?;
        }
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
        match self {
            Place::Store => format!("{} AS {}", vectorizer.vectors().0, self.alias(vectorizer)),
            Place::View(view) => by_name_of_source(vectorizer, &view.qualified()),
            Place::Source => from_source(vectorizer),
        }
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
    pub fn address(&self, vectorizer: &Vectorizer) -> String {
        const NONE: &str = "NULL::pg_catalog.text";
        let Loading::Uri { column_name, .. } = &vectorizer.config.loading else { return NONE.to_owned() };
        let key = vectorizer.key.columns();
        let found = found_alias(vectorizer);
        let oid = if let Place::View(view) = self { view.oid } else { vectorizer.relations.source.oid };
        if !columns::is_postgres_own(oid, column_name) {
            return NONE.to_owned();
        }
        if let Some(place) = key.iter().position(|column| column.name == *column_name) {
            return format!("{found}.k{place}::pg_catalog.text");
        }

        let relation = match self {
            Place::Store | Place::Source => from_source(vectorizer),
            Place::View(_) => self.relation(vectorizer),
        };
        // A view keeps the names that it was made with.
        let needed = key.iter().map(|column| &column.name).chain([column_name]).map(String::as_str);
        if !may_read_columns(current_user(), oid, needed) {
            return NONE.to_owned();
        }

        let alias = ident(&vectorizer.source.name);
        let same = key.iter().enumerate().map(|(place, column)| {
            column.equal(&format!("{alias}.{}", ident(&column.name)), &format!("{found}.k{place}"))
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        format!(
            "(SELECT {alias}.{}::pg_catalog.text FROM {relation} WHERE {same} LIMIT 1)",
            ident(column_name)
        )
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
    by_name_of_source(vectorizer, &vectorizer.source.qualified())
}

/// Returns a relation for a FROM clause, by the source's name.
fn by_name_of_source(vectorizer: &Vectorizer, relation: &str) -> String {
    format!("{relation} AS {}", ident(&vectorizer.source.name))
}
