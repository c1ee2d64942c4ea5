//! The binding of a vectorizer to its relations in this database: its source, the tables of its queue, and
//! its store.
//!
//! Relations are identified by OID, in `ai._vectorizer_binding`, because a name may come to mean something
//! else. A dump does not carry OIDs. It carries the vectorizer's UUID, in `ai.vectorizer` and in the
//! arguments of the triggers on its source. The relations of a restored vectorizer are found by these, by
//! their names at the time of the dump and by their owner; then the worker binds them. A dump of the source
//! alone restores triggers with a UUID that no vectorizer has here; they do nothing.

use pgrx::{JsonB, PgSqlErrorCode, pg_sys};

use super::schema;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, is_superuser};
use crate::pg::sql::{self, Row};
use crate::pg::statement::Tables;

/// The tables of a queue that was just made.
pub struct QueueRelations {
    /// The inbox, which the triggers append to.
    pub inbox: Table,
    /// The work table.
    pub work: Table,
    /// The table of keys that were set aside.
    pub failed: Table,
    /// The record of what each key's vectors were made of; `None` if nothing is remembered.
    pub origin: Option<Table>,
}

/// The relations of a vectorizer as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// The table whose rows are embedded.
    pub source: Table,
    /// The table that its triggers append to.
    pub inbox: Table,
    /// The table with one row per source key that is pending or being processed.
    pub work: Table,
    /// The table of keys that were set aside.
    pub failed: Table,
    /// The record of what each key's vectors were made of; `None` if nothing is remembered, or the table is
    /// gone.
    pub origin: Option<Table>,
    /// The table of chunks; `None` if the vectors go to a column of the source, or the table is gone.
    pub store: Option<Table>,
    /// The view that joins the chunks with their rows; `None` if there is none, or it is gone.
    pub view: Option<Table>,
    /// The table of the chunks' words; `None` if none are kept, or the table is gone.
    pub words: Option<Table>,
}

impl Relations {
    /// Returns the relations of a vectorizer that was just created.
    pub fn new(
        source: Table,
        queue: QueueRelations,
        store: Option<Table>,
        view: Option<Table>,
        words: Option<Table>,
    ) -> Self {
        let QueueRelations { inbox, work, failed, origin } = queue;
        Relations { source, inbox, work, failed, origin, store, view, words }
    }

    /// Returns the tables that the vectorizer's work uses, in the order in which they are locked.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        [&self.source].into_iter().chain(self.keyed()).chain(&self.words)
    }

    /// Returns those that have the columns of the source's key besides the source.
    pub fn keyed(&self) -> impl Iterator<Item = &Table> {
        let needed = [&self.inbox, &self.work, &self.failed];
        needed.into_iter().chain(&self.origin).chain(&self.store)
    }

    /// Returns the OIDs of all relations that exist.
    pub fn all(&self) -> impl Iterator<Item = pg_sys::Oid> {
        self.tables().chain(&self.view).map(|table| table.oid)
    }

    /// Returns the OIDs of [`Relations::tables`].
    pub fn oids(&self) -> Tables {
        self.tables().map(|table| table.oid).collect()
    }

    /// Locks all tables (ACCESS SHARE) so that nobody can rename them or change their owner until the
    /// transaction ends. Errors (40001) if a table has changed since it was read.
    pub fn hold(&self) -> Result<(), PgError> {
        self.tables().try_for_each(|table| table.hold(pg_sys::AccessShareLock))
    }

    /// Does the same for the tables and the view. It is called after operations on their names, such as
    /// GRANT, which run none of the owner's code and are undone with the transaction.
    pub fn require_names(&self) -> Result<(), PgError> {
        self.tables().chain(&self.view).try_for_each(|table| table.hold(pg_sys::AccessShareLock))
    }

    /// Errors unless all tables belong to the owner of the source. A vectorizer's work is done as that role:
    /// reading a table evaluates what its owner put there, and must not happen with another role's rights.
    pub fn require_one_owner(&self) -> Result<(), PgError> {
        let owner = self.source.owner;
        let others: Vec<String> =
            self.tables().filter(|table| table.owner != owner).map(Table::qualified).collect();
        if others.is_empty() {
            return Ok(());
        }

        let source = self.source.qualified();
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("its source {source} and {} have different owners", others.join(", ")),
        )
        .with_hint("Use ALTER TABLE ... OWNER TO to give all of them to one role."))
    }

    /// Returns the tables of the queue.
    pub fn queue(&self) -> Vec<Table> {
        [&self.inbox, &self.work, &self.failed].into_iter().chain(&self.origin).cloned().collect()
    }

    /// Binds these relations to the vectorizer. Does nothing if it is bound already.
    pub fn bind(&self, id: i32) -> Result<(), PgError> {
        if !has_bindings() {
            return Ok(());
        }

        let optional = |table: &Option<Table>| table.as_ref().map(|table| table.oid).into();
        as_superuser(|| {
            sql::execute(
                "INSERT INTO ai._vectorizer_binding (vectorizer_id, source, inbox, work, failed, origin, store, view, words, embedding)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, v.config -> 'embedding' FROM ai.vectorizer v WHERE v.id = $1
                 ON CONFLICT (vectorizer_id) DO NOTHING",
                &[
                    id.into(),
                    self.source.oid.into(),
                    self.inbox.oid.into(),
                    self.work.oid.into(),
                    self.failed.oid.into(),
                    optional(&self.origin),
                    optional(&self.store),
                    optional(&self.view),
                    optional(&self.words),
                ],
            )
        })?;

        self.note_declarer(id)
    }

    /// Records whether the owner is a superuser, unless that is recorded already. The vectorizer is being
    /// created now, or comes from a version or a dump without this information; what a dump contains is kept.
    fn note_declarer(&self, id: i32) -> Result<(), PgError> {
        let for_superuser = is_superuser(self.source.owner);
        as_superuser(|| {
            sql::execute(
                "UPDATE ai.vectorizer SET for_superuser = $2 WHERE id = $1 AND for_superuser IS NULL",
                &[id.into(), for_superuser.into()],
            )
        })
        .map(drop)
    }

    /// Reads eight OIDs from a row, from column `first` on. Returns `None` if a relation that a vectorizer
    /// can't be without is gone or is no longer a table.
    pub fn read(row: &Row<'_>, first: usize) -> Result<Option<Relations>, PgError> {
        let mut found = Vec::with_capacity(8);
        for column in first..first + 8 {
            found.push(row.get_opt::<pg_sys::Oid>(column)?.and_then(Table::look));
        }
        let [source, inbox, work, failed, origin, store, view, words] = <[Option<Table>; 8]>::try_from(found)
            .map_err(|_| PgError::internal("unexpected number of relations"))?;

        let table = |found: Option<Table>| found.filter(|table| table.kind == 'r');
        let source = source.filter(|table| matches!(table.kind, 'r' | 'p'));
        let (Some(source), Some(inbox), Some(work), Some(failed)) =
            (source, table(inbox), table(work), table(failed))
        else {
            return Ok(None);
        };
        let view = view.filter(|view| view.kind == 'v');
        let [origin, store, words] = [origin, store, words].map(table);
        Ok(Some(Relations { source, inbox, work, failed, origin, store, view, words }))
    }
}

/// Removes the binding of a vectorizer. Returns the config of the model that its vectors are of; `None` if that is not known.
pub fn unbind(id: i32) -> Result<Option<JsonB>, PgError> {
    let delete = "DELETE FROM ai._vectorizer_binding WHERE vectorizer_id = $1 RETURNING embedding";
    let found = as_superuser(|| sql::query_row(delete, &[id.into()], |row| row.get_opt::<JsonB>(1)))?;
    Ok(found.flatten())
}

/// Records the config of the model that a vectorizer's vectors are of; `None` if that is not known.
pub fn record_model(id: i32, embedding: Option<JsonB>) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_binding SET embedding = $2 WHERE vectorizer_id = $1";
    as_superuser(|| sql::execute(update, &[id.into(), embedding.into()])).map(drop)
}

/// Records that a vectorizer's vectors are of the model that its config names.
pub fn record_named_model(id: i32) -> Result<(), PgError> {
    let update = "UPDATE ai._vectorizer_binding b SET embedding = v.config -> 'embedding'
                  FROM ai.vectorizer v WHERE v.id = $1 AND b.vectorizer_id = v.id";
    as_superuser(|| sql::execute(update, &[id.into()])).map(drop)
}

/// Records that all chunks of a vectorizer have words in this table, if it is bound to the table.
pub fn words_are_ready(id: i32, words: &Table) -> Result<(), PgError> {
    as_superuser(|| {
        sql::execute(
            "UPDATE ai._vectorizer_binding SET words_ready = true
             WHERE vectorizer_id = $1 AND words = $2 AND words_ready IS DISTINCT FROM true",
            &[id.into(), words.oid.into()],
        )
    })
    .map(drop)
}

/// Records that chunks of a vectorizer may have lost their words.
pub fn words_may_be_missing(id: i32) -> Result<(), PgError> {
    let statement =
        "UPDATE ai._vectorizer_binding SET words_ready = NULL WHERE vectorizer_id = $1 AND words_ready";
    as_superuser(|| sql::execute(statement, &[id.into()])).map(drop)
}

/// Selects the current names of the relations of those vectorizers among `$1`, or among all if it is NULL, whose names
/// in the catalog are others. A relation that is gone keeps its last name.
const CHANGED_NAMES: &str = "
     SELECT n.* FROM ai.vectorizer v, LATERAL (
         SELECT v.id,
                coalesce(sn.nspname, v.source_schema) AS source_schema, coalesce(s.relname, v.source_table) AS source_table,
                coalesce(qn.nspname, v.queue_schema) AS queue_schema, coalesce(q.relname, v.queue_table) AS queue_table,
                jsonb_strip_nulls(jsonb_build_object(
                    'target_schema', tn.nspname, 'target_table', t.relname,
                    'view_schema', wn.nspname, 'view_name', w.relname)) AS destination,
                CASE WHEN f.oid IS NOT NULL
                     THEN jsonb_build_object('words_schema', fn.nspname, 'words_table', f.relname) END AS words
         FROM ai._vectorizer_binding b
         LEFT JOIN pg_class s ON s.oid = b.source LEFT JOIN pg_namespace sn ON sn.oid = s.relnamespace
         LEFT JOIN pg_class q ON q.oid = b.inbox LEFT JOIN pg_namespace qn ON qn.oid = q.relnamespace
         LEFT JOIN pg_class t ON t.oid = b.store LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
         LEFT JOIN pg_class w ON w.oid = b.view LEFT JOIN pg_namespace wn ON wn.oid = w.relnamespace
         LEFT JOIN pg_class f ON f.oid = b.words LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
         WHERE b.vectorizer_id = v.id) n
     WHERE ($1 IS NULL OR v.id = ANY ($1))
       AND ((v.source_schema, v.source_table, v.queue_schema, v.queue_table)
                IS DISTINCT FROM (n.source_schema, n.source_table, n.queue_schema, n.queue_table)
            OR NOT v.config -> 'destination' @> n.destination
            OR NOT coalesce(v.config -> 'search', '{}') @> coalesce(n.words, '{}'))";

/// Writes the current names of the relations of these vectorizers, or of all, into the catalog. Relations are identified by OID; their
/// names serve people, pgai's clients, and a dump, whose relations are found by them where it is restored. Returns the number of
/// vectorizers whose names have changed.
///
/// A row that another transaction has locked is left, and the worker writes it later: who keeps it open must not keep everybody's
/// renames waiting.
pub fn write_names(of: Option<&[i32]>) -> Result<u64, PgError> {
    if !has_bindings() {
        return Ok(0);
    }
    let update = format!(
        "WITH changed AS MATERIALIZED ({CHANGED_NAMES} FOR NO KEY UPDATE OF v SKIP LOCKED)
         UPDATE ai.vectorizer v
         SET source_schema = n.source_schema, source_table = n.source_table,
             queue_schema = n.queue_schema, queue_table = n.queue_table,
             config = jsonb_set(v.config, '{{destination}}', v.config -> 'destination' || n.destination)
                      || CASE WHEN n.words IS NULL THEN '{{}}'
                              ELSE jsonb_build_object('search', coalesce(v.config -> 'search', '{{}}') || n.words) END
         FROM changed n WHERE n.id = v.id"
    );
    as_superuser(|| sql::execute(&update, &[of.map(<[i32]>::to_vec).into()]))
}

/// Writes the current names of all relations into the catalog. Returns whether none is left, because its row is locked.
pub fn write_all_names() -> Result<bool, PgError> {
    write_names(None)?;
    if !has_bindings() {
        return Ok(true);
    }
    let look = format!("SELECT NOT EXISTS ({CHANGED_NAMES})");
    let all = as_superuser(|| sql::query_row(&look, &[None::<Vec<i32>>.into()], |row| row.get::<bool>(1)))?;
    Ok(all.unwrap_or(true))
}

/// Returns whether the extension's objects have bindings and UUIDs. Those of 0.1.0 and 0.2.0 do not; the
/// library works with them until `ALTER EXTENSION pgai_rs UPDATE`.
pub(super) fn has_bindings() -> bool {
    schema::has(c"_vectorizer_binding")
}

/// SQL for the trigger arguments of the vectorizer `v` in the form of `pg_trigger.tgargs`: its id and its
/// UUID.
const ARGUMENTS: &str =
    "convert_to(v.id::text, 'UTF8') || '\\x00'::bytea || convert_to(v.uuid::text, 'UTF8') || '\\x00'::bytea";

/// SQL for the trigger arguments in the form of 0.1.0 and 0.2.0: the id alone.
const OLD_ARGUMENTS: &str = "convert_to(v.id::text, 'UTF8') || '\\x00'::bytea";

/// The columns of [`relations`].
pub const COLUMNS: &str =
    "r.source, r.inbox, r.work, r.failed, r.origin, r.store, r.view, r.words, r.bound, r.words_ready";

/// Returns a lateral relation `r` with the OIDs of the relations of the vectorizer `v`, whether they are bound, whether
/// all chunks are known to have words, and the config of the model that its vectors are of (NULL if that is not known): those in
/// its binding if it has one, else those that are found.
///
/// The source must have the TRUNCATE trigger that every vectorizer has. It is missing in the middle of a
/// restore, when a worker would take rows that are not restored yet for deleted and forget them. The trigger
/// comes last in a dump.
pub fn relations() -> String {
    if !has_bindings() {
        return format!("LATERAL ({}) r", found(OLD_ARGUMENTS, OLD_ARGUMENTS));
    }
    format!(
        "LATERAL (
             SELECT b.source, b.inbox, b.work, b.failed, b.origin, b.store, b.view, b.words, true AS bound,
                    coalesce(b.words_ready, false) AS words_ready, b.embedding
             FROM ai._vectorizer_binding b
             WHERE b.vectorizer_id = v.id AND EXISTS (
                 SELECT FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = b.source AND {TRUNCATES} AND t.tgargs IN ({ARGUMENTS}, {OLD_ARGUMENTS}))
             UNION ALL
             (SELECT f.* FROM ({}) f
              WHERE NOT EXISTS (SELECT FROM ai._vectorizer_binding b WHERE b.vectorizer_id = v.id))) r",
        found(ARGUMENTS, OLD_ARGUMENTS)
    )
}

/// Returns the SQL for the UUID of the vectorizer `v` as text; NULL where the objects are older than UUIDs.
pub fn uuid() -> &'static str {
    if has_bindings() { "v.uuid::text" } else { "NULL::text" }
}

/// Returns the SQL that tells whether the vectorizer `v` was declared for a superuser. The objects of 0.1.0
/// and 0.2.0 do not record it, nor does a dump of them until the vectorizer is bound.
pub fn for_superuser() -> &'static str {
    if has_bindings() { "coalesce(v.for_superuser, false)" } else { "true" }
}

/// SQL that tells whether the trigger `t` is the one that each source has: the extension's (recognized by its
/// function, because the table's owner may rename a trigger), for TRUNCATE (`TRIGGER_TYPE_TRUNCATE`), and not
/// a partition's copy.
const TRUNCATES: &str = "t.tgparentid = 0 AND (t.tgtype & 32) <> 0
    AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure";

/// Returns a query for the relations of the vectorizer `v` that match according to what a dump carries.
///
/// All of them must belong to one owner: a role that owns only one of them can't have work done on another
/// role's table. The table with the source's name is preferred; one with another name is accepted if it alone
/// has the vectorizer's UUID.
///
/// The table of words must refer to the store. The reference is missing in the middle of a restore, where it would fail if
/// the worker had deleted chunks before: with `pg_dump` it comes after the triggers.
fn found(arguments: &str, old_arguments: &str) -> String {
    let beside = |alias: &str, stem: &str| {
        format!(
            "pg_catalog.pg_class {alias} ON {alias}.relnamespace = i.relnamespace AND {alias}.relkind = 'r'
                 AND {alias}.relowner = i.relowner AND {alias}.relname::text = '{stem}' || v.id"
        )
    };
    let named = |alias: &str, kind: &str, part: &str, schema: &str, name: &str| {
        format!(
            "LEFT JOIN (pg_catalog.pg_class {alias} JOIN pg_catalog.pg_namespace {alias}n
                            ON {alias}n.oid = {alias}.relnamespace)
                 ON {alias}.relkind = '{kind}' AND {alias}.relowner = i.relowner
                 AND {alias}n.nspname::text = v.config #>> '{{{part},{schema}}}'
                 AND {alias}.relname::text = v.config #>> '{{{part},{name}}}'"
        )
    };
    format!(
        "SELECT c.source, c.inbox, c.work, c.failed, c.origin, c.store, c.view, c.words, false AS bound, false AS words_ready,
                NULL::jsonb AS embedding
         FROM (SELECT s.oid AS source, i.oid AS inbox, w.oid AS work, f.oid AS failed, o.oid AS origin,
                      st.oid AS store, vw.oid AS view, wd.oid AS words, n.named, t.tgargs = {arguments} AS by_uuid,
                      count(*) FILTER (WHERE t.tgargs = {arguments}) OVER () AS candidates
               FROM pg_catalog.pg_namespace qn
               JOIN pg_catalog.pg_class i ON i.relnamespace = qn.oid AND i.relname = v.queue_table AND i.relkind = 'r'
               JOIN {work}
               JOIN {failed}
               JOIN pg_catalog.pg_trigger t ON {TRUNCATES} AND t.tgargs IN ({arguments}, {old_arguments})
               JOIN pg_catalog.pg_class s ON s.oid = t.tgrelid AND s.relowner = i.relowner AND s.relkind IN ('r', 'p')
               JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
               CROSS JOIN LATERAL (SELECT sn.nspname = v.source_schema AND s.relname = v.source_table) AS n (named)
               LEFT JOIN {origin}
               {store}
               {view}
               {words}
               WHERE qn.nspname = v.queue_schema
                 AND (wd.oid IS NULL OR EXISTS (
                     SELECT FROM pg_catalog.pg_constraint r
                     WHERE r.contype = 'f' AND r.conrelid = wd.oid AND r.confrelid = st.oid))) c
         WHERE c.named OR c.by_uuid AND c.candidates = 1
         ORDER BY c.named DESC
         LIMIT 1",
        work = beside("w", "_vectorizer_work_"),
        failed = beside("f", "_vectorizer_q_failed_"),
        origin = beside("o", "_vectorizer_origin_"),
        store = named("st", "r", "destination", "target_schema", "target_table"),
        view = named("vw", "v", "destination", "view_schema", "view_name"),
        words = named("wd", "r", "search", "words_schema", "words_table"),
    )
}
