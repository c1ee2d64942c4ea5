//! The names of two vectorizers and their tables in an exchange: each table gets its counterpart's, so that a dump finds it.

use pgrx::pg_sys;

use super::binding::Relations;
use super::exchange_sides::{Side, Vectors};
use super::table::Table;
use super::{destination, exchange_columns, origin_name, words};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::random::unforeseen;
use crate::pg::sql::{self, with_ending};
use crate::pg::transaction::subtransaction;

/// The endings of the names of the other vectorizer, its store and its view: before it takes the place, and after.
pub const NEW: &str = "_new";
pub const OLD: &str = "_old";

/// Returns a name with an ending that neither a relation nor a type of a schema has.
pub fn free_beside(schema: &str, name: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = "
        SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname::text = $1 AND c.relname::text = $2)
            OR EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                       WHERE n.nspname::text = $1 AND t.typname::text = $2)";
    let wanted = with_ending(name, ending);
    let args = [schema.to_owned().into(), wanted.clone().into()];
    let taken = sql::read_now(is_taken, &args, |row| row.get::<bool>(1))? == [true];
    Ok(if taken { unforeseen(name, ending) } else { wanted })
}

/// Returns a name with an ending that no vectorizer has.
pub fn free_vectorizer_beside(name: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = "SELECT EXISTS (SELECT FROM ai.vectorizer WHERE name::text = $1)";
    let wanted = with_ending(name, ending);
    let taken = as_superuser(|| sql::read_now(is_taken, &[wanted.clone().into()], |row| row.get::<bool>(1)))?
        == [true];
    Ok(if taken { unforeseen(name, ending) } else { wanted })
}

/// Gives a relation, which must be held, a name with an ending. If somebody has that name, or is just taking it, it gets one that
/// nobody could foresee.
pub fn rename_beside(relation: &Table, name: &str, ending: &str) -> Result<Table, PgError> {
    let wanted = with_ending(name, ending);
    subtransaction(|| relation.rename(&wanted)).or_else(|_| relation.rename(&unforeseen(name, ending)))
}

/// The tables and columns of two vectorizers after an exchange, without their views.
pub struct Renamed {
    /// The tables of the first one.
    pub own: Relations,
    /// The tables of the other one.
    pub others: Relations,
    /// The columns of the source with the vectors of the first one and of the other one; `None` if they are in stores.
    pub columns: Option<[String; 2]>,
}

/// Gives each table of the one side, or each column, the name of its counterpart.
pub fn rename(side: &Side<'_>, opposite: &Side<'_>, ending: &str) -> Result<Renamed, PgError> {
    let (own, others) = (&side.entry.relations, &opposite.entry.relations);
    let (inbox, inbox_of_other) = swap_names(&own.inbox, &others.inbox)?;
    let (work, work_of_other) = swap_names(&own.work, &others.work)?;
    let (failed, failed_of_other) = swap_names(&own.failed, &others.failed)?;
    let (origin, origin_of_other) = rename_origins(side, opposite)?;

    let source = own.source.clone();
    let none = None::<Table>;
    let mut renamed = Renamed {
        own: Relations {
            source: source.clone(),
            inbox,
            work,
            failed,
            origin,
            store: none.clone(),
            view: none.clone(),
            words: none.clone(),
        },
        others: Relations {
            source,
            inbox: inbox_of_other,
            work: work_of_other,
            failed: failed_of_other,
            origin: origin_of_other,
            store: none.clone(),
            view: none.clone(),
            words: none,
        },
        columns: None,
    };
    match (side.vectors, opposite.vectors) {
        (Vectors::Store(before), Vectors::Store(after)) => {
            rename_stores((side, before), (opposite, after), ending, &mut renamed)?;
        }
        (Vectors::Column(column), Vectors::Column(other)) => {
            let (source, first, second) = (&own.source, side.entry.id, opposite.entry.id);
            let (before, after) = (built(source, first)?, built(source, second)?);
            let aside = exchange_columns::rename(source, column, other, ending)?;
            rename_indexes(&before, &source.name, &aside, second)?;
            rename_indexes(&after, &source.name, column, first)?;
            renamed.columns = Some([column.to_owned(), aside]);
        }
        _ => return Err(exchange_columns::different_kinds()),
    }
    Ok(renamed)
}

/// Exchanges the names of the stores and of their words.
fn rename_stores(
    (side, before): (&Side<'_>, &Table),
    (opposite, after): (&Side<'_>, &Table),
    ending: &str,
    renamed: &mut Renamed,
) -> Result<(), PgError> {
    let store_of_other = rename_beside(before, &before.name, ending)?;
    let store = after.rename(&before.name)?;
    let named = words::table_name(&store_of_other.name);
    let words_before = &side.entry.relations.words;
    renamed.others.words = words_before.as_ref().map(|table| rename_beside(table, &named, "")).transpose()?;
    renamed.own.words = match (&opposite.entry.relations.words, words_before) {
        (Some(table), Some(before)) => Some(table.rename(&before.name)?),
        (Some(table), None) => Some(rename_beside(table, &words::table_name(&store.name), "")?),
        (None, _) => None,
    };

    let vectors = destination::STORE_VECTORS;
    let (first, other) = (side.entry.id, opposite.entry.id);
    rename_indexes(&built(before, first)?, &store_of_other.name, vectors, other)?;
    rename_indexes(&built(after, other)?, &store.name, vectors, first)?;
    (renamed.own.store, renamed.others.store) = (Some(store), Some(store_of_other));
    Ok(())
}

/// Exchanges the names of what is remembered of the rows, which one of the two may lack.
fn rename_origins(side: &Side<'_>, opposite: &Side<'_>) -> Result<(Option<Table>, Option<Table>), PgError> {
    let (own, others) = (&side.entry.relations.origin, &opposite.entry.relations.origin);
    if let (Some(one), Some(other)) = (own, others) {
        let (one, other) = swap_names(one, other)?;
        return Ok((Some(one), Some(other)));
    }
    let named = |table: &Option<Table>, id: i32| {
        table.as_ref().map(|table| table.rename(&origin_name(id))).transpose()
    };
    Ok((named(others, side.entry.id)?, named(own, opposite.entry.id)?))
}

/// An index of vectors, and its access method.
type Index = (Table, String);

/// Returns the vector indexes that the worker has built on a table for a vectorizer, or begun to: their names end with its id.
fn built(table: &Table, id: i32) -> Result<Vec<Index>, PgError> {
    const BUILT: &str = "
        SELECT c.oid, m.amname::text
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = c.relam
        WHERE i.indrelid = $1 AND c.relname::text LIKE '%\\_' || m.amname || '\\_' || $2";
    let args = [table.oid.into(), id.to_string().into()];
    let found = sql::read_now(BUILT, &args, |row| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<String>(2)?)))?;
    Ok(found.into_iter().filter_map(|(index, method)| Some((Table::look(index)?, method))).collect())
}

/// Gives vector indexes the names that the worker looks for on this column of this table, for a vectorizer with this id.
fn rename_indexes(indexes: &[Index], table: &str, column: &str, id: i32) -> Result<(), PgError> {
    for (index, method) in indexes {
        let name = destination::index_name(table, column, method, id);
        subtransaction(|| index.rename_index(&name))
            .or_else(|_| index.rename_index(&unforeseen(&name, "")))?;
    }
    Ok(())
}

/// Gives two tables each other's name. Returns the one that has the first name now, and then the other.
fn swap_names(first: &Table, second: &Table) -> Result<(Table, Table), PgError> {
    let between = first.rename(&unforeseen("_vectorizer_exchanged", ""))?;
    let now_first = second.rename(&first.name)?;
    Ok((now_first, between.rename(&second.name)?))
}
