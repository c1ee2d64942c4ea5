//! The exchange of two vectorizers of one source: each gets the config, the queue and the store of the other.
//!
//! Names, ids and triggers stay, so that whoever uses the one vectorizer uses from then on what was the other's. The tables, or the
//! columns with the vectors, change their names with their places: a dump knows them by these, and a session whose trigger still knows
//! the old ones sees by the name that it has to look again. For all that, every table is locked as for DROP, in one short transaction: whoever has
//! written to the source in a transaction of before holds a lock on the inbox until its end.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::batch;
use super::binding::{self, Relations};
use super::dependent_views::{self, View};
use super::exchange_names::{Renamed, rename, rename_beside};
use super::exchange_sides::{Side, not_ready, require_one_source, require_replaceable};
use super::key::{self, Key};
use super::relation::Relation;
use super::row_security;
use super::table::Table;
use super::vectorizer::Entry;
use super::{destination, grants, queue_tables, words_rights};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::lock;
use crate::pg::random::unforeseen;
use crate::pg::sql::{self, with_ending};
use crate::pg::transaction::subtransaction;

/// Exchanges two vectorizers of one source, both with a store, or both with a column of the source. `other` and what it gets are named
/// by the first one's names with `ending`.
///
/// Views that read the vectors of the first one read its new vectors from then on. They keep their OIDs unless the type of the
/// vectors changes. Tables that take another's place have the rights that were granted on that. Errors (55P03) if somebody uses one
/// of the tables for longer than a moment, (2BP01) if something depends on them that can't go over, and (40001) if they were changed
/// meanwhile.
pub fn exchange(first: &Entry, other: &Entry, ending: &str) -> Result<(), PgError> {
    let (side, opposite) = (Side::of(first)?, Side::of(other)?);
    require_one_source(&side, &opposite)?;
    let source =
        Relation::load(first.source())?.ok_or_else(|| not_ready(first, "its source does not exist"))?;
    let key = key::required(source.oid)?;

    lock::giving_way(|| {
        hold_schemas(&side, &opposite, &source)?;
        // What others have made is locked first, and what everybody writes to last.
        let views = dependent_views::hold(side.place())?;
        side.hold()?;
        opposite.hold()?;
        side.require_unchanged()?;
        opposite.require_unchanged()?;
        let same_type = require_replaceable(&side, &opposite, &views)?;
        change_places(&side, &opposite, Views { views: &views, same_type }, &source, &key, ending)
    })
}

/// The views that read the vectors of the first one.
#[derive(Clone, Copy)]
struct Views<'a> {
    views: &'a [View],
    /// True if the vectors of both have the same type.
    same_type: bool,
}

/// Exchanges all that is held.
fn change_places(
    side: &Side<'_>,
    opposite: &Side<'_>,
    read: Views<'_>,
    source: &Relation,
    key: &Key,
    ending: &str,
) -> Result<(), PgError> {
    let (first, other) = (side.entry, opposite.entry);
    let Views { views, same_type } = read;
    let before: Vec<pg_sys::Oid> = views.iter().map(|view| view.table.oid).collect();
    let used = dependent_views::used(&before)?;

    let own_view = first.relations.view.as_ref();
    let anew = |view: &&View| !same_type && own_view.is_none_or(|own| own.oid != view.table.oid);
    views.iter().rev().filter(anew).try_for_each(|view| view.table.drop())?;
    let Renamed { mut own, mut others, columns } = rename(side, opposite, ending)?;
    (own.view, others.view) = exchange_views(side, opposite, &others, read, source, key, ending)?;

    let mut now = Vec::with_capacity(views.len());
    for view in views {
        now.push(match &own.view {
            Some(own) if own_view.is_some_and(|before| before.oid == view.table.oid) => own.oid,
            _ if !same_type => made_anew(view)?,
            _ if view.is_direct() => {
                view.define(&view.table)?;
                view.table.oid
            }
            _ => view.table.oid,
        });
    }
    dependent_views::require_same_uses(&used, &dependent_views::used(&now)?)?;

    row_security::keep(source, key, &others)?;
    bind(side, opposite, &own, &others)?;
    columns
        .into_iter()
        .flatten()
        .zip([first.id, other.id])
        .try_for_each(|(column, id)| name_column(id, column))?;
    name(other.id, &first.name, ending)?;
    grant(&first.relations, &own)?;
    // A right that is taken back on what it has now must not be left on what it had, which is kept in step.
    grant_nothing(&others)?;
    [&own, &others].into_iter().try_for_each(|relations| release_leases(relations, key))
}

/// Creates a view anew. If it is another vectorizer's, on whose source the vectors are, that vectorizer's it stays.
fn made_anew(view: &View) -> Result<pg_sys::Oid, PgError> {
    const FOLLOW: &str = "UPDATE ai._vectorizer_binding SET view = $2 WHERE view = $1";
    let made = view.create()?.oid;
    as_superuser(|| sql::execute(FOLLOW, &[view.table.oid.into(), made.into()]))?;
    Ok(made)
}

/// Has each vectorizer's view read its new store. Where the type of the vectors changes, each gets the other's view, for a view's
/// columns can't change their types. Returns the views of both.
fn exchange_views(
    side: &Side<'_>,
    opposite: &Side<'_>,
    others: &Relations,
    read: Views<'_>,
    source: &Relation,
    key: &Key,
    ending: &str,
) -> Result<(Option<Table>, Option<Table>), PgError> {
    let (Some(view), Some(view_of_other)) = (&side.entry.relations.view, &opposite.entry.relations.view)
    else {
        return Ok((side.entry.relations.view.clone(), None));
    };
    if let Some(strange) = [view, view_of_other].into_iter().find(|view| view.owner != source.owner) {
        return Err(not_ready(side.entry, &format!("{} belongs to another role", strange.qualified())));
    }
    let defined = read.views.iter().find(|found| found.table.oid == view.oid);
    if !read.same_type {
        let put_aside = rename_beside(view, &view.name, ending)?;
        let own = view_of_other.rename(&view.name)?;
        if let Some(defined) = defined {
            defined.define(&own)?;
            defined.bestow(&own)?;
        }
        return Ok((Some(own), Some(put_aside)));
    }

    if let Some(defined) = defined {
        defined.define(view)?;
    }
    if let Some(store) = &others.store {
        destination::redefine_view(view_of_other, store, source, key)?;
    }
    Ok((Some(view.clone()), Some(rename_beside(view_of_other, &view.name, ending)?)))
}

/// Keeps the schemas of all tables from being renamed until the transaction ends. Errors (42501) if the owner may not give
/// names in one of them.
fn hold_schemas(side: &Side<'_>, opposite: &Side<'_>, source: &Relation) -> Result<(), PgError> {
    let tables = |side: &Side<'_>| {
        let Relations { source, view, .. } = &side.entry.relations;
        let renamed = side.entry.relations.tables().filter(|table| table.oid != source.oid).chain(view);
        renamed.into_iter().map(|table| table.schema.clone()).collect::<Vec<_>>()
    };
    let renamed = [tables(side), tables(opposite)].concat();
    let all = [renamed.clone(), vec![source.schema.clone()]].concat();
    lock::schema_names(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
    key::hold_schemas(source.oid)?;

    let denied = "SELECT s FROM pg_catalog.unnest($1::text[]) s
                  WHERE s <> 'ai' AND NOT pg_catalog.has_schema_privilege($2, s, 'CREATE')";
    let args = [renamed.into(), source.owner.into()];
    let Some(schema) = sql::read_now(denied, &args, |row| row.get::<String>(1))?.into_iter().next() else {
        return Ok(());
    };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("the source's owner lacks the privilege CREATE on schema {}", sql::ident(&schema)),
    )
    .with_detail("Tables and views of the vectorizer change their names there."))
}

/// Exchanges the configs, and binds the tables. The times at which each vectorizer runs stay its own.
fn bind(side: &Side<'_>, opposite: &Side<'_>, own: &Relations, others: &Relations) -> Result<(), PgError> {
    const CONFIGS: &str = "
        UPDATE ai.vectorizer v
        SET for_superuser = v.for_superuser AND n.for_superuser,
            config = n.config || CASE WHEN v.config ? 'scheduling'
                                      THEN jsonb_build_object('scheduling', v.config -> 'scheduling') ELSE '{}' END
        FROM ai.vectorizer n
        WHERE v.id IN ($1, $2) AND n.id IN ($1, $2) AND n.id <> v.id";
    let (first, other) = (side.entry, opposite.entry);
    let args = [first.id.into(), other.id.into()];
    let models = [binding::unbind(other.id)?, binding::unbind(first.id)?];
    as_superuser(|| {
        sql::execute(CONFIGS, &args)?;
        // What is recorded of either belongs to its store.
        for (table, id) in [("_vectorizer_missed", "vectorizer_id"), ("_vectorizer_errors", "id")] {
            let exchange = format!("UPDATE ai.{table} SET {id} = $1 + $2 - {id} WHERE {id} IN ($1, $2)");
            sql::execute(&exchange, &args)?;
        }
        Ok::<_, PgError>(())
    })?;

    batch::exchange(first.id, other.id)?;

    for ((id, relations, before), model) in
        [(first.id, own, other), (other.id, others, first)].into_iter().zip(models)
    {
        relations.bind(id)?;
        binding::record_model(id, model)?;
        if let Some(words) = relations.words.as_ref().filter(|_| before.has_all_words) {
            binding::words_are_ready(id, words)?;
        }
    }
    binding::write_names(Some(&[first.id, other.id])).map(drop)
}

/// Writes the column with the vectors into the config. An event trigger has followed its new name already, where these are not
/// switched off.
fn name_column(id: i32, column: String) -> Result<(), PgError> {
    const WRITE: &str = "
        UPDATE ai.vectorizer SET config = jsonb_set(config, '{destination,embedding_column}', to_jsonb($2))
        WHERE id = $1 AND config #>> '{destination,embedding_column}' <> $2";
    as_superuser(|| sql::execute(WRITE, &[id.into(), column.into()])).map(drop)
}

/// Names the other vectorizer after the first one.
fn name(id: i32, first: &str, ending: &str) -> Result<(), PgError> {
    let write = |name: String| {
        let update = "UPDATE ai.vectorizer SET name = $2 WHERE id = $1 AND name::text <> $2";
        as_superuser(|| sql::execute(update, &[id.into(), name.into()])).map(drop)
    };
    subtransaction(|| write(with_ending(first, ending))).or_else(|_| write(unforeseen(first, ending)))
}

/// Grants on the tables that have come to a vectorizer what is granted on those that it had, and nothing else: neither what default
/// privileges have given nor, on tables that it did not have, anything but that who may read the store may read its words.
fn grant(before: &Relations, now: &Relations) -> Result<(), PgError> {
    let pairs = [
        (Some(&before.inbox), Some(&now.inbox)),
        (Some(&before.work), Some(&now.work)),
        (Some(&before.failed), Some(&now.failed)),
        (before.origin.as_ref(), now.origin.as_ref()),
        (before.view.as_ref(), now.view.as_ref()),
        (before.store.as_ref(), now.store.as_ref()),
        (before.words.as_ref(), now.words.as_ref()),
    ];
    for (from, to) in pairs {
        let Some(to) = to else { continue };
        let wanted = from.map_or_else(|| Ok(Vec::new()), |from| grants::of(from.oid))?;
        grants::have(to, &wanted)?;
    }
    match (&now.store, &now.words) {
        (Some(store), Some(words)) if before.words.is_none() => words_rights::grant(store, words, None),
        _ => Ok(()),
    }
}

/// Takes all rights on a vectorizer's tables from others than their owner.
pub fn grant_nothing(relations: &Relations) -> Result<(), PgError> {
    let Relations { inbox, work, failed, origin, view, store, words, .. } = relations;
    let optional = origin.iter().chain(view).chain(store).chain(words);
    [inbox, work, failed].into_iter().chain(optional).try_for_each(|table| grants::have(table, &[]))
}

/// Gives the leases on rows up: whoever has claimed them has done so for the other vectorizer.
fn release_leases(relations: &Relations, key: &Key) -> Result<(), PgError> {
    let names = key.columns().iter().map(|column| column.name.clone()).collect();
    let own = queue_tables::own_columns(relations, names)?;
    let statement = format!(
        "UPDATE {work} SET {lease} = NULL, {leased_by} = NULL, {available_at} = pg_catalog.now(),
             {attempts} = GREATEST({attempts} - 1, 0)
         WHERE {lease} IS NOT NULL",
        work = relations.work.qualified(),
        lease = own.name("lease"),
        leased_by = own.name("leased_by"),
        available_at = own.name("available_at"),
        attempts = own.name("attempts"),
    );
    let tables = [relations.work.oid].into();
    as_user_on(relations.source.owner, &tables, || sql::execute(&statement, &[])).map(drop)
}
