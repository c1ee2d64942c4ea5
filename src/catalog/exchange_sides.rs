//! The two sides of an exchange, and whether they can be exchanged.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::binding::Relations;
use super::dependent_views::{self, Place, View};
use super::obstacles::{self, Replaced};
use super::table::Table;
use super::vectorizer::{self, Entry};
use super::{destination, exchange_columns, relation};
use crate::pg::error::PgError;
use crate::pg::sql;

/// A vectorizer that is exchanged.
pub struct Side<'a> {
    /// The vectorizer.
    pub entry: &'a Entry,
    /// The place of its vectors.
    pub vectors: Vectors<'a>,
}

/// The place of a vectorizer's vectors.
#[derive(Clone, Copy)]
pub enum Vectors<'a> {
    /// A store.
    Store(&'a Table),
    /// A column of the source.
    Column(&'a str),
}

impl<'a> Side<'a> {
    /// Returns a vectorizer as a side of an exchange. Errors (55000) if something of it is missing, and (42501) if its tables belong to
    /// several roles.
    pub fn of(entry: &'a Entry) -> Result<Self, PgError> {
        let vectors = match (&entry.relations.store, entry.embedding_column()) {
            (Some(store), _) => Vectors::Store(store),
            (None, Some(column)) => Vectors::Column(column),
            (None, None) => return Err(not_ready(entry, "its store does not exist")),
        };
        if !entry.bound {
            return Err(not_ready(entry, "its tables have not been found yet"));
        }
        entry.relations.require_one_owner()?;
        Ok(Side { entry, vectors })
    }

    /// Returns what is read of it by whoever reads its vectors.
    pub fn place(&self) -> Place<'a> {
        match self.vectors {
            Vectors::Store(store) => Place { table: store, column: None },
            Vectors::Column(column) => Place { table: &self.entry.relations.source, column: Some(column) },
        }
    }

    /// Locks all that is exchanged: those first that others read for long.
    pub fn hold(&self) -> Result<(), PgError> {
        let Relations { source, inbox, work, failed, origin, store, words, view } = &self.entry.relations;
        source.hold(match self.vectors {
            Vectors::Store(_) => pg_sys::AccessShareLock,
            Vectors::Column(_) => pg_sys::AccessExclusiveLock,
        })?;
        let read = view.iter().chain(store).chain(words);
        let written = [failed, work, inbox].into_iter().chain(origin);
        read.chain(written).try_for_each(|table| table.hold(pg_sys::AccessExclusiveLock))
    }

    /// Errors (40001) if the vectorizer is not as it was read.
    pub fn require_unchanged(&self) -> Result<(), PgError> {
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

/// Returns the error for a vectorizer that can't be exchanged.
pub fn not_ready(entry: &Entry, why: &str) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("cannot exchange vectorizer \"{}\": {why}", entry.name),
    )
    .with_hint("SELECT * FROM ai.vectorizer_health shows what is wrong with it.")
}

/// Errors (2BP01) if something depends on the vectors of a vectorizer, or on its `views`, that would not go over to those of another
/// one, and (42P16) if the stores have other columns. Returns whether the vectors of both have the same type, so that the views stay.
pub fn require_replaceable(side: &Side<'_>, opposite: &Side<'_>, views: &[View]) -> Result<bool, PgError> {
    dependent_views::require_none_of_both(views, opposite.place())?;
    let (store, other) = match (side.vectors, opposite.vectors) {
        (Vectors::Store(store), Vectors::Store(other)) => (store, other),
        (Vectors::Column(column), Vectors::Column(other)) => {
            let source = &side.entry.relations.source;
            let both = [side.entry.id, opposite.entry.id];
            exchange_columns::require_unshared(source, column, &both)?;
            return exchange_columns::require_replaceable(source, column, other, views);
        }
        _ => return Err(exchange_columns::different_kinds()),
    };

    require_same_columns(store, other)?;
    let (own, others) = (&side.entry.relations, &opposite.entry.relations);
    let followers = [(&own.words, &others.words), (&own.origin, &others.origin)];
    let pairs = followers.into_iter().filter_map(|(table, other)| Some((table.as_ref()?, other.as_ref()?)));
    let pairs: Vec<_> = pairs.chain([(store, other)]).collect();
    let all: Vec<pg_sys::Oid> = pairs.iter().flat_map(|(table, other)| [table.oid, other.oid]).collect();
    pairs.iter().try_for_each(|(table, other)| require_same_policies(table, other, &all))?;
    let vectors = destination::STORE_VECTORS;
    let same_type = relation::have_same_type((store.oid, vectors), (other.oid, vectors))?;
    let view = own.view.as_ref().filter(|_| !same_type).map(|view| view.oid);
    let mut dropped = if same_type { Vec::new() } else { dependent_views::oids(views) };
    dropped.retain(|dropped| Some(*dropped) != view);
    let stays = [store.oid].into_iter().chain(view).collect();
    let words = own.words.as_ref().map(|words| words.oid);
    obstacles::require_none_of(Replaced { stays, words, dropped }, &store.qualified())?;
    Ok(same_type)
}

/// Errors (42P16) unless both stores have the same columns but for the vectors, which must be pgvector's own: Postgres keeps the
/// columns that a view reads from changing their types, and so do we.
fn require_same_columns(store: &Table, other: &Table) -> Result<(), PgError> {
    const DIFFERENT: &str = "
        SELECT coalesce(a.attname, b.attname)::text
        FROM (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped) a
        FULL JOIN (SELECT * FROM pg_catalog.pg_attribute WHERE attrelid = $2 AND attnum > 0 AND NOT attisdropped) b
             ON a.attname = b.attname
        WHERE coalesce(a.attname, b.attname) <> $3::text
          AND (a.atttypid, a.atttypmod, a.attcollation) IS DISTINCT FROM (b.atttypid, b.atttypmod, b.attcollation)
        UNION ALL
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid IN ($1, $2) AND a.attname = $3::text AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'vector'
                          WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = a.atttypid AND d.deptype = 'e')
        ORDER BY 1 LIMIT 1";
    let args = [store.oid.into(), other.oid.into(), destination::STORE_VECTORS.to_owned().into()];
    let different = sql::read_now(DIFFERENT, &args, |row| row.get::<String>(1))?;
    let Some(column) = different.first() else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_TABLE_DEFINITION,
        format!(
            "cannot replace {} by {}, because column {} differs",
            store.qualified(),
            other.qualified(),
            sql::ident(column)
        ),
    )
    .with_hint("Give both tables the same columns, with the same types."))
}

/// Errors (2BP01) if a table has policies that the other one lacks, or has by other definitions: rows would be seen that they hide.
///
/// The extension's own policies name the tables, so that definitions are compared without names, and with the objects that they depend
/// on, where those that are exchanged (`exchanged`) count as one.
fn require_same_policies(store: &Table, other: &Table, exchanged: &[pg_sys::Oid]) -> Result<(), PgError> {
    const LACKING: &str = "
        WITH policies AS (
            SELECT p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles,
                   ARRAY(SELECT pg_catalog.regexp_replace(pg_catalog.regexp_replace(
                                    pg_catalog.pg_get_expr(e.expression, p.polrelid),
                                    '(\"([^\"]|\"\")*\"|[[:alpha:]_][[:alnum:]_$]*)\\.', '', 'g'),
                                    'FROM (\"([^\"]|\"\")*\"|[^[:space:]]+)', 'FROM', 'g')
                         FROM (VALUES (1, p.polqual), (2, p.polwithcheck)) AS e (place, expression) ORDER BY e.place) AS expressions,
                   ARRAY(SELECT DISTINCT d.refclassid || ' ' || CASE WHEN d.refobjid = ANY ($3) THEN 0 ELSE d.refobjid END
                         FROM pg_catalog.pg_depend d
                         WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid ORDER BY 1) AS uses
            FROM pg_catalog.pg_policy p WHERE p.polrelid IN ($1, $2))
        SELECT coalesce((SELECT p.polname::text FROM policies p
                         WHERE p.polrelid = a.oid
                           AND NOT EXISTS (SELECT FROM policies q
                                           WHERE q.polrelid = b.oid AND q.polname = p.polname AND q.polcmd = p.polcmd
                                             AND q.polpermissive = p.polpermissive AND q.polroles = p.polroles
                                             AND q.expressions IS NOT DISTINCT FROM p.expressions AND q.uses = p.uses)
                         ORDER BY 1 LIMIT 1),
                        CASE WHEN a.relrowsecurity AND NOT b.relrowsecurity OR a.relforcerowsecurity AND NOT b.relforcerowsecurity
                             THEN 'row security' END)
        FROM pg_catalog.pg_class a, pg_catalog.pg_class b WHERE a.oid = $1 AND b.oid = $2";
    let args = [store.oid.into(), other.oid.into(), exchanged.to_vec().into()];
    let lacking = sql::read_now(LACKING, &args, |row| row.get_opt::<String>(1))?;
    let Some(Some(policy)) = lacking.into_iter().next() else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("cannot replace {}, which has row security of its own", store.qualified()),
    )
    .with_detail(format!("{} lacks: {policy}.", other.qualified()))
    .with_hint(
        "Drop the policy, or put the condition on the source, whose row security holds for its chunks.",
    ))
}

/// Errors (55000) unless both are of one source, and their tables in the same schemas.
pub fn require_one_source(side: &Side<'_>, opposite: &Side<'_>) -> Result<(), PgError> {
    let (own, others) = (&side.entry.relations, &opposite.entry.relations);
    if own.source != others.source {
        return Err(not_ready(opposite.entry, "it has another source"));
    }
    let pairs = [(&own.inbox, &others.inbox), (&own.work, &others.work), (&own.failed, &others.failed)];
    let stores = own.store.iter().zip(&others.store);
    let moved = pairs.into_iter().chain(stores).find(|(a, b)| a.schema != b.schema);
    match moved {
        None => Ok(()),
        Some((a, b)) => Err(not_ready(
            side.entry,
            &format!("{} and {} are in different schemas", a.qualified(), b.qualified()),
        )
        .with_hint("Use ALTER TABLE ... SET SCHEMA to bring them together.")),
    }
}
