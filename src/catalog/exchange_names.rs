//! The names of two vectorizers and their tables in an exchange: each table gets its counterpart's, so that a dump finds it.

use pgrx::pg_sys;

use super::binding::Relations;
use super::exchange_sides::Side;
use super::table::Table;
use super::{destination, origin_name, words};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::random::random_u32;
use crate::pg::sql::{self, with_ending};
use crate::pg::transaction::subtransaction;

/// The endings of the names of the other vectorizer, its store and its view: before it takes the place, and after.
pub const NEW: &str = "_new";
pub const OLD: &str = "_old";

/// Returns a name with an ending, and a number that nobody can guess and take in advance.
pub fn unforeseen(name: &str, ending: &str) -> String {
    with_ending(name, &format!("{ending}_{:08x}", random_u32()))
}

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

/// Gives each table of the one side the name of its counterpart. Returns the tables of both sides after the exchange, without
/// their views.
pub fn rename(side: &Side<'_>, opposite: &Side<'_>, ending: &str) -> Result<(Relations, Relations), PgError> {
    let (own, others) = (&side.entry.relations, &opposite.entry.relations);
    let (inbox, inbox_of_other) = swap_names(&own.inbox, &others.inbox)?;
    let (work, work_of_other) = swap_names(&own.work, &others.work)?;
    let (failed, failed_of_other) = swap_names(&own.failed, &others.failed)?;
    let (origin, origin_of_other) = match (&own.origin, &others.origin) {
        (Some(one), Some(other)) => {
            let (one, other) = swap_names(one, other)?;
            (Some(one), Some(other))
        }
        (one, other) => (
            other.as_ref().map(|table| table.rename(&origin_name(side.entry.id))).transpose()?,
            one.as_ref().map(|table| table.rename(&origin_name(opposite.entry.id))).transpose()?,
        ),
    };

    let store_of_other = rename_beside(side.store, &side.store.name, ending)?;
    let store = opposite.store.rename(&side.store.name)?;
    let named = words::table_name(&store_of_other.name);
    let words_of_other = own.words.as_ref().map(|table| rename_beside(table, &named, "")).transpose()?;
    let words = match (&others.words, &own.words) {
        (Some(table), Some(before)) => Some(table.rename(&before.name)?),
        (Some(table), None) => Some(rename_beside(table, &words::table_name(&store.name), "")?),
        (None, _) => None,
    };
    rename_indexes(side, &store_of_other, opposite.entry.id)?;
    rename_indexes(opposite, &store, side.entry.id)?;

    let source = own.source.clone();
    Ok((
        Relations {
            source: source.clone(),
            inbox,
            work,
            failed,
            origin,
            store: Some(store),
            view: None,
            words,
        },
        Relations {
            source,
            inbox: inbox_of_other,
            work: work_of_other,
            failed: failed_of_other,
            origin: origin_of_other,
            store: Some(store_of_other),
            view: None,
            words: words_of_other,
        },
    ))
}

/// Gives the vector indexes that the worker has built on a store, or begun to, the names that it looks for: these have the name of
/// the store and the id of its vectorizer, both of which change.
fn rename_indexes(side: &Side<'_>, store: &Table, id: i32) -> Result<(), PgError> {
    const BUILT: &str = "
        SELECT c.oid, m.amname::text
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = c.relam
        WHERE i.indrelid = $1 AND c.relname::text LIKE '%\\_' || m.amname || '\\_' || $2";
    let args = [store.oid.into(), side.entry.id.to_string().into()];
    let built = sql::read_now(BUILT, &args, |row| Ok((row.get::<pg_sys::Oid>(1)?, row.get::<String>(2)?)))?;
    for (index, method) in built {
        let Some(index) = Table::look(index) else { continue };
        let name = destination::index_name(&store.name, destination::STORE_VECTORS, &method, id);
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
