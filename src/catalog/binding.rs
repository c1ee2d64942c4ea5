//! Which relations of this database a vectorizer has: its source, its queue's tables, its store.
//!
//! They are known by OID, in `ai._vectorizer_binding`, for a name may come to mean something else. A
//! dump does not carry OIDs. It carries the vectorizer's UUID, in `ai.vectorizer` and in the arguments of the
//! triggers on its source: by these, by the names of then and by their owner the relations of a restored
//! vectorizer are found, and its worker binds them. A dump of the source alone brings triggers with a
//! UUID that no vectorizer has here, and they do nothing.

use pgrx::{pg_sys, PgSqlErrorCode};

use super::objects::{self, Queue};
use super::relation::Relation;
use super::schema;
use super::table::Table;
use super::triggers::{self, Identity};
use super::vectorizer::Entry;
use super::{failed_name, inbox_name, work_name};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, is_superuser};
use crate::pg::sql::{self, Row};
use crate::pg::statement::Tables;

/// The relations of a vectorizer, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations {
    /// The table whose rows are embedded.
    pub source: Table,
    /// The table that its triggers append to.
    pub inbox: Table,
    /// One row per source key that waits or is worked on.
    pub work: Table,
    /// Keys that were set aside.
    pub failed: Table,
    /// What the vectors of each key were made of; none if nothing is remembered, or it is gone.
    pub origin: Option<Table>,
    /// The table of chunks; none if the vectors go to a column of the source, or it is gone.
    pub store: Option<Table>,
    /// The view of chunks beside their rows; none if there is none, or it is gone.
    pub view: Option<Table>,
}

impl Relations {
    /// The relations of a vectorizer that was just made.
    pub fn new(source: Table, queue: Queue, store: Option<Table>, view: Option<Table>) -> Self {
        let Queue { inbox, work, failed, origin } = queue;
        Relations { source, inbox, work, failed, origin, store, view }
    }

    /// The tables that the vectorizer's work is done on, in the order in which they are locked.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        let needed = [&self.source, &self.inbox, &self.work, &self.failed];
        needed.into_iter().chain(&self.origin).chain(&self.store)
    }

    /// The OIDs of the tables.
    pub fn oids(&self) -> Tables {
        self.tables().map(|table| table.oid).collect()
    }

    /// Locks all tables so that nobody can rename them or give them away until the transaction ends, and
    /// errors (40001) if somebody has.
    pub fn hold(&self) -> Result<(), PgError> {
        self.tables().try_for_each(|table| table.hold(pg_sys::AccessShareLock))
    }

    /// Does the same with the view: after what was done to them by their names, such as GRANT, which runs nothing of
    /// their owner's and is undone with the transaction.
    pub fn require_names(&self) -> Result<(), PgError> {
        self.tables().chain(&self.view).try_for_each(|table| table.hold(pg_sys::AccessShareLock))
    }

    /// Errors unless all tables belong to the owner of the source. A vectorizer's work is done as that role:
    /// reading a table evaluates what its owner put there, and must not be done with another's rights.
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
            format!("its source {source} now has another owner than {}", others.join(", ")),
        )
        .with_hint("ALTER TABLE ... OWNER TO gives them all to one role."))
    }

    /// The tables of the queue.
    pub fn queue(&self) -> Vec<Table> {
        [&self.inbox, &self.work, &self.failed].into_iter().chain(&self.origin).cloned().collect()
    }

    /// Makes these the vectorizer's relations. Nothing changes if it has some already.
    pub fn bind(&self, id: i32) -> Result<(), PgError> {
        if !has_bindings() {
            return Ok(());
        }
        let optional = |table: &Option<Table>| table.as_ref().map(|table| table.oid).into();
        as_superuser(|| {
            sql::execute(
                "INSERT INTO ai._vectorizer_binding (vectorizer_id, source, inbox, work, failed, origin, store, view)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
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
                ],
            )
        })?;
        self.note_declarer(id)
    }

    /// Notes whether its owner is a superuser. It is declared at this moment, or comes from a version or a dump that does
    /// not say whose it was then; what a dump does say stays.
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

    /// Reads seven OIDs from a row, from column `first` on; none if a relation that a vectorizer can't be
    /// without is gone, or is no table any more.
    pub fn read(row: &Row<'_>, first: usize) -> Result<Option<Relations>, PgError> {
        let mut found = Vec::with_capacity(7);
        for column in first..first + 7 {
            found.push(row.get_opt::<pg_sys::Oid>(column)?.and_then(Table::look));
        }
        let [source, inbox, work, failed, origin, store, view] = <[Option<Table>; 7]>::try_from(found)
            .map_err(|_| PgError::raised("a vectorizer has seven relations"))?;

        let table = |found: Option<Table>| found.filter(|table| table.kind == 'r');
        let source = source.filter(|table| matches!(table.kind, 'r' | 'p'));
        let (Some(source), Some(inbox), Some(work), Some(failed)) =
            (source, table(inbox), table(work), table(failed))
        else {
            return Ok(None);
        };
        let view = view.filter(|view| view.kind == 'v');
        Ok(Some(Relations { source, inbox, work, failed, origin: table(origin), store: table(store), view }))
    }
}

/// Binds the relations of a vectorizer that were only found so far, and gives its triggers its UUID if they were made
/// before there were UUIDs.
pub fn adopt(entry: &Entry) -> Result<(), PgError> {
    entry.relations.require_one_owner()?;
    let source = Relation::load(entry.relations.source.oid)?;
    let source = source.ok_or_else(|| triggers::lost(&entry.name))?;
    entry.relations.hold()?;
    entry.relations.bind(entry.id)?;
    write_names()?;
    let keyless = [&entry.relations.inbox, &entry.relations.failed];
    as_user(source.owner, || keyless.into_iter().try_for_each(objects::tell_subscribers_whole_rows))?;
    if triggers::have_uuid(&entry.identity(), source.oid)? {
        return Ok(());
    }

    entry.relations.source.hold(pg_sys::AccessExclusiveLock)?;
    triggers::drop_on(&entry.identity(), source.oid)?;
    triggers::create(&entry.identity(), &source)
}

/// Names that are not those of today. A relation that is gone keeps its name.
const NAMES: &str = "
    UPDATE ai.vectorizer v
    SET source_schema = n.source_schema, source_table = n.source_table,
        queue_schema = n.queue_schema, queue_table = n.queue_table,
        config = jsonb_set(v.config, '{destination}', v.config -> 'destination' || n.destination)
    FROM (SELECT v.id,
                 coalesce(sn.nspname, v.source_schema) AS source_schema, coalesce(s.relname, v.source_table) AS source_table,
                 coalesce(qn.nspname, v.queue_schema) AS queue_schema, coalesce(q.relname, v.queue_table) AS queue_table,
                 jsonb_strip_nulls(jsonb_build_object(
                     'target_schema', tn.nspname, 'target_table', t.relname,
                     'view_schema', wn.nspname, 'view_name', w.relname)) AS destination
          FROM ai.vectorizer v
          JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
          LEFT JOIN pg_class s ON s.oid = b.source LEFT JOIN pg_namespace sn ON sn.oid = s.relnamespace
          LEFT JOIN pg_class q ON q.oid = b.inbox LEFT JOIN pg_namespace qn ON qn.oid = q.relnamespace
          LEFT JOIN pg_class t ON t.oid = b.store LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
          LEFT JOIN pg_class w ON w.oid = b.view LEFT JOIN pg_namespace wn ON wn.oid = w.relnamespace) n
    WHERE n.id = v.id
      AND ((v.source_schema, v.source_table, v.queue_schema, v.queue_table)
               IS DISTINCT FROM (n.source_schema, n.source_table, n.queue_schema, n.queue_table)
           OR NOT v.config -> 'destination' @> n.destination)";

/// Writes into the catalog what the relations are called today. They are known by OID; their names are for people, for
/// pgai's clients, and for a dump, which finds them again where it is restored. Returns how many have changed.
pub fn write_names() -> Result<u64, PgError> {
    as_superuser(|| sql::execute(NAMES, &[]))
}

/// What is left of a vectorizer that has lost some of its relations.
pub struct Rest {
    /// As its triggers name it.
    pub identity: Identity,
    /// Its source.
    pub source: Option<Table>,
    /// Its inbox.
    pub inbox: Option<Table>,
    /// The tables of its queue that are still there.
    pub queue: Vec<Table>,
    /// Its store.
    pub store: Option<Table>,
    /// Its view.
    pub view: Option<Table>,
    /// The name that a table of its queue had that is gone.
    pub gone: Option<String>,
}

/// Returns what is left of a vectorizer by its binding; none if there is no such vectorizer.
pub fn rest(id: i32) -> Result<Option<Rest>, PgError> {
    schema::require_trusted()?;
    let binding = match has_bindings() {
        true => "ai._vectorizer_binding b",
        false => NO_BINDING,
    };
    let statement = format!(
        "SELECT {}, b.source, b.inbox, b.work, b.failed, b.origin, b.store, b.view
         FROM ai.vectorizer v LEFT JOIN {binding} ON b.vectorizer_id = v.id
         WHERE v.id = $1",
        uuid()
    );
    let rest = |row: &Row<'_>| {
        let table = |column| Ok::<_, PgError>(row.get_opt::<pg_sys::Oid>(column)?.and_then(Table::look));
        let inbox = table(3)?;
        let queue = [inbox.clone(), table(4)?, table(5)?, table(6)?];
        let named = [inbox_name(id), work_name(id), failed_name(id)];
        let gone = named.into_iter().zip(&queue).find(|(_, table)| table.is_none()).map(|(name, _)| name);
        Ok(Rest {
            identity: Identity { id, uuid: row.get_opt(1)? },
            source: table(2)?,
            inbox,
            queue: queue.into_iter().flatten().collect(),
            store: table(7)?,
            view: table(8)?,
            gone,
        })
    };
    let found = as_superuser(|| sql::read_now(&statement, &[id.into()], rest))?;
    Ok(found.into_iter().next())
}

/// Stands in for the bindings where the extension's objects are older.
const NO_BINDING: &str =
    "(SELECT NULL::int4 AS vectorizer_id, NULL::oid AS source, NULL::oid AS inbox, NULL::oid AS work,
    NULL::oid AS failed, NULL::oid AS origin, NULL::oid AS store, NULL::oid AS view) b";

/// The objects of 0.1.0 and 0.2.0 have no bindings and no UUIDs. The library serves them until
/// `ALTER EXTENSION pgai_rs UPDATE`.
fn has_bindings() -> bool {
    schema::has(c"_vectorizer_binding")
}

/// The arguments of the triggers of the vectorizer `v` as `pg_trigger.tgargs` has them: its id and its UUID.
const ARGUMENTS: &str =
    "convert_to(v.id::text, 'UTF8') || '\\x00'::bytea || convert_to(v.uuid::text, 'UTF8') || '\\x00'::bytea";

/// The arguments that 0.1.0 and 0.2.0 gave.
const OLD_ARGUMENTS: &str = "convert_to(v.id::text, 'UTF8') || '\\x00'::bytea";

/// The columns of [`relations`].
pub const COLUMNS: &str = "r.source, r.inbox, r.work, r.failed, r.origin, r.store, r.view, r.bound";

/// Returns a lateral relation `r` with the OIDs of the relations of the vectorizer `v`, and its UUID as
/// text or NULL: those that are bound, or those that are found.
///
/// The source must have the trigger that each has, for TRUNCATE: in the middle of a restore it is not there
/// yet, and a worker that took rows for deleted would forget them. The trigger comes last in a dump.
pub fn relations() -> String {
    if !has_bindings() {
        return format!("LATERAL ({}) r", found(OLD_ARGUMENTS, OLD_ARGUMENTS));
    }
    format!(
        "LATERAL (
             SELECT b.source, b.inbox, b.work, b.failed, b.origin, b.store, b.view, true AS bound
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

/// The UUID of the vectorizer `v` as text; NULL where the objects are older than UUIDs.
pub fn uuid() -> &'static str {
    if has_bindings() {
        "v.uuid::text"
    } else {
        "NULL::text"
    }
}

/// The SQL that says whether the vectorizer `v` was declared for a superuser. The objects of 0.1.0 and 0.2.0 don't say, nor does a dump of
/// theirs until it is bound.
pub fn for_superuser() -> &'static str {
    if has_bindings() {
        "coalesce(v.for_superuser, false)"
    } else {
        "true"
    }
}

/// The trigger `t` is one that each source has: ours (by its function, for a trigger's name is its table
/// owner's to change), for TRUNCATE (`TRIGGER_TYPE_TRUNCATE`), and no partition's copy.
const TRUNCATES: &str = "t.tgparentid = 0 AND (t.tgtype & 32) <> 0
    AND t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure";

/// Returns a query for the relations of the vectorizer `v` that fit together by what a dump carries.
///
/// All belong to one owner: whoever owns one of them alone can't have another's work done on it. The table
/// of the source's name comes first; one of another name will do if it alone has the vectorizer's UUID.
fn found(arguments: &str, old_arguments: &str) -> String {
    let beside = |alias: &str, stem: &str| {
        format!(
            "pg_catalog.pg_class {alias} ON {alias}.relnamespace = i.relnamespace AND {alias}.relkind = 'r'
                 AND {alias}.relowner = i.relowner AND {alias}.relname::text = '{stem}' || v.id"
        )
    };
    let destination = |alias: &str, kind: &str, schema: &str, name: &str| {
        format!(
            "LEFT JOIN (pg_catalog.pg_class {alias} JOIN pg_catalog.pg_namespace {alias}n
                            ON {alias}n.oid = {alias}.relnamespace)
                 ON {alias}.relkind = '{kind}' AND {alias}.relowner = i.relowner
                 AND {alias}n.nspname::text = v.config #>> '{{destination,{schema}}}'
                 AND {alias}.relname::text = v.config #>> '{{destination,{name}}}'"
        )
    };
    format!(
        "SELECT c.source, c.inbox, c.work, c.failed, c.origin, c.store, c.view, false AS bound
         FROM (SELECT s.oid AS source, i.oid AS inbox, w.oid AS work, f.oid AS failed, o.oid AS origin,
                      st.oid AS store, vw.oid AS view, n.named, t.tgargs = {arguments} AS by_uuid,
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
               WHERE qn.nspname = v.queue_schema) c
         WHERE c.named OR c.by_uuid AND c.candidates = 1
         ORDER BY c.named DESC
         LIMIT 1",
        work = beside("w", "_vectorizer_work_"),
        failed = beside("f", "_vectorizer_q_failed_"),
        origin = beside("o", "_vectorizer_origin_"),
        store = destination("st", "r", "target_schema", "target_table"),
        view = destination("vw", "v", "view_schema", "view_name"),
    )
}
