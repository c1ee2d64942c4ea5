//! The exchange of two vectorizers of one source: each gets the config, the queue and the store of the other.
//!
//! Names, ids and triggers stay, so that whoever uses the one vectorizer uses from then on what was the other's. The tables change
//! their names with their places: a dump knows them by these, and a session whose trigger still knows the old ones sees by the
//! name that it has to look again. For all that, every table is locked as for DROP, in one short transaction: whoever has
//! written to the source in a transaction of before holds a lock on the inbox until its end.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::binding::{self, Relations};
use super::dependent_views::{self, View, copy_grants};
use super::key::{self, Key};
use super::relation::Relation;
use super::row_security;
use super::table::Table;
use super::vectorizer::{self, Entry};
use super::{destination, origin_name, queue_tables, words};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user_on};
use crate::pg::lock;
use crate::pg::random::random_u32;
use crate::pg::sql::{self, MAX_IDENTIFIER, qualified};

/// The endings of the names of the other vectorizer, its store and its view: before it takes the place, and after.
pub const NEW: &str = "_new";
pub const OLD: &str = "_old";

/// Returns a name with an ending, for which a long one is shortened.
pub fn beside(name: &str, ending: &str) -> String {
    let kept = name.floor_char_boundary(MAX_IDENTIFIER - ending.len());
    format!("{}{ending}", &name[..kept])
}

/// Returns a name with an ending that no relation of a schema has. If that is taken, perhaps by somebody who wants to be in the
/// way, it has a number that nobody can guess.
pub fn free_beside(schema: &str, name: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                   WHERE n.nspname::text = $1 AND c.relname::text = $2)";
    free(name, ending, |wanted| {
        let args = [schema.to_owned().into(), wanted.to_owned().into()];
        Ok(sql::read_now(is_taken, &args, |row| row.get::<bool>(1))? == [true])
    })
}

/// Returns a name with an ending that no vectorizer has.
pub fn free_vectorizer_beside(name: &str, ending: &str) -> Result<String, PgError> {
    let is_taken = "SELECT EXISTS (SELECT FROM ai.vectorizer WHERE name::text = $1)";
    free(name, ending, |wanted| {
        let look = || sql::read_now(is_taken, &[wanted.to_owned().into()], |row| row.get::<bool>(1));
        Ok(as_superuser(look)? == [true])
    })
}

fn free(
    name: &str,
    ending: &str,
    is_taken: impl Fn(&str) -> Result<bool, PgError>,
) -> Result<String, PgError> {
    let wanted = beside(name, ending);
    match is_taken(&wanted)? {
        true => Ok(beside(name, &format!("{ending}_{:08x}", random_u32()))),
        false => Ok(wanted),
    }
}

/// A vectorizer, and its tables that are exchanged.
struct Side<'a> {
    entry: &'a Entry,
    store: &'a Table,
}

impl<'a> Side<'a> {
    fn of(entry: &'a Entry) -> Result<Self, PgError> {
        let Some(store) = &entry.relations.store else {
            return Err(not_ready(entry, "its store does not exist"));
        };
        if !entry.bound {
            return Err(not_ready(entry, "its tables have not been found yet"));
        }
        entry.relations.require_one_owner()?;
        Ok(Side { entry, store })
    }

    /// Locks all that is exchanged: those first that others read for long.
    fn hold(&self) -> Result<(), PgError> {
        let Relations { inbox, work, failed, origin, words, view, .. } = &self.entry.relations;
        let read = view.iter().chain([self.store]).chain(words);
        let written = [failed, work, inbox].into_iter().chain(origin);
        read.chain(written).try_for_each(|table| table.hold(pg_sys::AccessExclusiveLock))
    }

    /// Errors (40001) if the vectorizer is not as it was read.
    fn require_unchanged(&self) -> Result<(), PgError> {
        let now = vectorizer::by_id(self.entry.id)?;
        let same = |now: Entry| now.version == self.entry.version && now.relations == self.entry.relations;
        if now.is_some_and(same) {
            return Ok(());
        }
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            format!("vectorizer \"{}\" was changed concurrently", self.entry.name),
        )
        .with_hint("Repeat the statement."))
    }
}

fn not_ready(entry: &Entry, why: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("cannot exchange vectorizer \"{}\": {why}", entry.name),
    )
    .with_hint("SELECT * FROM ai.vectorizer_health shows what is wrong with it.")
}

/// Exchanges two vectorizers of one source, each with a store. `other` and what it gets are named by the first one's names with
/// `ending`.
///
/// Views that read the store of the first one read its new store from then on. They keep their OIDs unless the type of the
/// vectors changes. Rights on tables are granted on those that take their places. Errors (55P03) if somebody uses one of the
/// tables for longer than a moment, (2BP01) if something depends on them that can't go over, and (40001) if they were changed
/// meanwhile.
pub fn exchange(first: &Entry, other: &Entry, ending: &str) -> Result<(), PgError> {
    let (side, opposite) = (Side::of(first)?, Side::of(other)?);
    require_one_source(&side, &opposite)?;
    let source =
        Relation::load(first.source())?.ok_or_else(|| not_ready(first, "its source does not exist"))?;
    let key = key::required(source.oid)?;
    hold_schemas(&side, &opposite, &source)?;

    lock::giving_way(|| {
        first.relations.source.hold(pg_sys::AccessShareLock)?;
        side.hold()?;
        opposite.hold()
    })?;
    side.require_unchanged()?;
    opposite.require_unchanged()?;
    let views = lock::giving_way(|| dependent_views::hold(side.store))?;
    let same_type = has_same_type(side.store, opposite.store)?;
    let anew: &[View] = if same_type { &[] } else { &views };
    dependent_views::require_replaceable(side.store, first.relations.words.as_ref(), anew)?;

    if let Some(view) = &other.relations.view {
        view.drop()?;
    }
    anew.iter().rev().try_for_each(|view| view.table.drop())?;
    let (mut own, mut others) = rename(&side, &opposite, ending)?;
    let mut created = Vec::new();
    for view in &views {
        match same_type {
            true => view.replace()?,
            false => created.push((view.table.oid, view.create()?)),
        }
    }
    own.view = match &first.relations.view {
        Some(view) => {
            Some(created.into_iter().find(|(oid, _)| *oid == view.oid).map_or(view.clone(), |(_, now)| now))
        }
        None => None,
    };

    others.view = match (&own.view, &others.store) {
        (Some(view), Some(store)) => {
            let name = free_beside(&view.schema, &view.name, ending)?;
            Some(destination::create_view((&view.schema, &name), store, &source, &key)?)
        }
        _ => None,
    };
    row_security::keep(&source, &key, &others)?;
    bind(&side, &opposite, &own, &others)?;
    name(other.id, &free_vectorizer_beside(&first.name, ending)?)?;
    grant(&first.relations, &own)?;
    [&own, &others].into_iter().try_for_each(|relations| release_leases(relations, &key))
}

/// Returns whether the vectors of two stores have the same type, with the same number of dimensions.
pub fn has_same_type(store: &Table, other: &Table) -> Result<bool, PgError> {
    let types = sql::read_now(
        "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid IN ($1, $2) AND a.attname = $3::text AND NOT a.attisdropped",
        &[store.oid.into(), other.oid.into(), destination::STORE_VECTORS.to_owned().into()],
        |row| row.get::<String>(1),
    )?;
    Ok(matches!(types.as_slice(), [one, another] if one == another))
}

fn require_one_source(side: &Side<'_>, opposite: &Side<'_>) -> Result<(), PgError> {
    let (own, others) = (&side.entry.relations, &opposite.entry.relations);
    if own.source != others.source {
        return Err(not_ready(opposite.entry, "it has another source"));
    }
    let pairs = [(&own.inbox, &others.inbox), (&own.work, &others.work), (&own.failed, &others.failed)];
    let moved = pairs.into_iter().chain([(side.store, opposite.store)]).find(|(a, b)| a.schema != b.schema);
    match moved {
        None => Ok(()),
        Some((a, b)) => Err(not_ready(
            side.entry,
            &format!("{} and {} are in different schemas", a.qualified(), b.qualified()),
        )
        .with_hint("Use ALTER TABLE ... SET SCHEMA to bring them together.")),
    }
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

/// Gives each table of the one side the name of its counterpart. Returns the tables of both sides after the exchange, without
/// their views.
fn rename(side: &Side<'_>, opposite: &Side<'_>, ending: &str) -> Result<(Relations, Relations), PgError> {
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

    let store_of_other = side.store.rename(&free_beside(&side.store.schema, &side.store.name, ending)?)?;
    let store = opposite.store.rename(&side.store.name)?;
    let named = words::table_name(&store_of_other.name);
    let words_of_other = match &own.words {
        Some(table) => Some(table.rename(&free_beside(&table.schema, &named, "")?)?),
        None => None,
    };
    let words = match (&others.words, &own.words) {
        (Some(table), Some(before)) => Some(table.rename(&before.name)?),
        (Some(table), None) => {
            Some(table.rename(&free_beside(&table.schema, &words::table_name(&store.name), "")?)?)
        }
        (None, _) => None,
    };

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

/// Gives two tables each other's name. Returns the one that has the first name now, and then the other.
fn swap_names(first: &Table, second: &Table) -> Result<(Table, Table), PgError> {
    let between = first.rename(&format!("_vectorizer_exchanged_{}", first.oid.to_u32()))?;
    let now_first = second.rename(&first.name)?;
    Ok((now_first, between.rename(&second.name)?))
}

/// Exchanges the configs, and binds the tables. The times at which each vectorizer runs stay its own.
fn bind(side: &Side<'_>, opposite: &Side<'_>, own: &Relations, others: &Relations) -> Result<(), PgError> {
    const CONFIGS: &str = "
        UPDATE ai.vectorizer v
        SET for_superuser = n.for_superuser,
            config = n.config || CASE WHEN v.config ? 'scheduling'
                                      THEN jsonb_build_object('scheduling', v.config -> 'scheduling') ELSE '{}' END
        FROM ai.vectorizer n
        WHERE v.id IN ($1, $2) AND n.id IN ($1, $2) AND n.id <> v.id";
    let ids = [side.entry.id, opposite.entry.id];
    as_superuser(|| {
        sql::execute(CONFIGS, &[ids[0].into(), ids[1].into()])?;
        let unbind = "DELETE FROM ai._vectorizer_binding WHERE vectorizer_id IN ($1, $2)";
        sql::execute(unbind, &[ids[0].into(), ids[1].into()])
    })?;

    for (id, relations, before) in [(ids[0], own, opposite.entry), (ids[1], others, side.entry)] {
        relations.bind(id)?;
        if let Some(words) = relations.words.as_ref().filter(|_| before.has_all_words) {
            binding::words_are_ready(id, words)?;
        }
    }
    binding::write_names().map(drop)
}

fn name(id: i32, name: &str) -> Result<(), PgError> {
    let update = "UPDATE ai.vectorizer SET name = $2 WHERE id = $1 AND name <> $2::text";
    as_superuser(|| sql::execute(update, &[id.into(), name.to_owned().into()])).map(drop)
}

/// Grants on the tables that have come to a vectorizer what is granted on those that it had.
fn grant(before: &Relations, now: &Relations) -> Result<(), PgError> {
    let pairs = [
        (Some(&before.store), Some(&now.store)),
        (Some(&before.words), Some(&now.words)),
        (Some(&before.origin), Some(&now.origin)),
    ];
    let optional = pairs.into_iter().filter_map(|(from, to)| Some((from?.as_ref()?, to?.as_ref()?)));
    let always = [(&before.inbox, &now.inbox), (&before.work, &now.work), (&before.failed, &now.failed)];
    optional.chain(always).try_for_each(|(from, to)| copy_grants(from.oid, to))
}

/// Gives the leases on rows up: whoever has claimed them has done so for the other vectorizer.
fn release_leases(relations: &Relations, key: &Key) -> Result<(), PgError> {
    let names = key.columns().iter().map(|column| column.name.clone()).collect();
    let own = queue_tables::own_columns(relations, names)?;
    let statement = format!(
        "UPDATE {work} SET {lease} = NULL, {leased_by} = NULL, {available_at} = pg_catalog.now(),
             {attempts} = GREATEST({attempts} - 1, 0)
         WHERE {lease} IS NOT NULL",
        work = qualified(&relations.work.schema, &relations.work.name),
        lease = own.name("lease"),
        leased_by = own.name("leased_by"),
        available_at = own.name("available_at"),
        attempts = own.name("attempts"),
    );
    let tables = [relations.work.oid].into();
    as_user_on(relations.source.owner, &tables, || sql::execute(&statement, &[])).map(drop)
}
