//! What a source's trigger has to know of one vectorizer, and what it does for it.

use std::ffi::CStr;
use std::rc::Rc;

use pgrx::pg_sys;

use super::certain::is_certain;
use super::is;
use super::keyless;
use super::row::{differ, key_of, translate};
use super::statement::{check_spi, Statement};
use crate::catalog::objects::QueueTables;
use crate::catalog::relation::{Column, Relation};
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::own_search_path;
use crate::pg::sql::ident;
use crate::pg::statement::{truncating, with_path, Tables};

/// What a trigger must know, kept from its first call to the next change of any definition.
pub struct Plan {
    /// The vectorizer.
    pub id: i32,
    /// Whether its statements for rows can fail by nothing but what befalls the database itself.
    pub is_certain: bool,
    /// As whom.
    pub owner: pg_sys::Oid,
    /// The vectorizer's source, of which the trigger's table may be a partition, or a table that inherits.
    pub source: pg_sys::Oid,
    inbox: Table,
    /// The tables of which something is removed when a row is gone.
    of_rows: Vec<Table>,
    /// All that its statements may name.
    pub named: Tables,
    /// What a TRUNCATE of the source truncates, if it is not to delete some rows only.
    truncated: Option<Tables>,
    /// What names without a schema mean in triggers of the owner's on the store.
    search_path: Rc<CStr>,
    /// Whether the vectorizer itself writes to the source.
    writes_to_source: bool,
    key: Vec<i32>,
    watched: Vec<i32>,
    read: Vec<i32>,
    enqueue_inserted: Statement,
    /// Of a statement of a user's.
    enqueue_updated: Statement,
    /// Of a statement by which our worker wrote a vector.
    enqueue_embedded: Statement,
    remove_updated: Statement,
    remove_deleted: Statement,
    enqueue_row: Statement,
    remove_row: Statement,
    truncate: Statement,
}

/// Whose statement it is that changed the source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A user's, or a trigger of his.
    User,
    /// Our worker's, who wrote vectors into a column. What changed beside is the work of a user's
    /// BEFORE trigger, such as one that keeps `updated_at`.
    Worker,
}

impl Plan {
    /// For the trigger that is on `relation`: the source, or one of its partitions.
    pub fn new(v: &Vectorizer, relation: pg_sys::Oid) -> Result<Plan, PgError> {
        let key = &v.key;
        let (inbox, failed) = (&v.queue.inbox, &v.queue.failed);
        let of_chunks = v.tables_of_chunks();
        let (names, of_new) = (key.names(None), key.names(Some("n")));
        let (watched, read) = (v.watched_columns()?, v.read_columns()?);
        let of_old = |which: &str| removal(v, Some("old_rows o"), which);
        let statement = |sql: String| Statement::new(sql, Vec::new());
        let types = key_types(v);
        let parameters = (1..=key.len()).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ");
        let of_rows = v.tables_that_follow_rows();
        let row = key.columns().iter().enumerate();
        let rows = rows_of_partition(v, relation)?;
        let deletes = rows.is_some() || v.source.is_in_inheritance();
        let is_row = row.map(|(i, c)| format!("s.{} {} ${}", ident(&c.name), c.equals, i + 1));
        Ok(Plan {
            id: v.id,
            is_certain: is_certain(v)?,
            owner: v.owner,
            source: v.source.oid,
            inbox: v.relations.inbox.clone(),
            named: [v.source.oid, relation, v.relations.inbox.oid]
                .into_iter()
                .chain(of_rows.iter().map(|table| table.oid))
                .collect(),
            truncated: (!deletes).then(|| of_rows.iter().map(|table| table.oid).collect()),
            of_rows,
            search_path: own_search_path(v.owner)?,
            writes_to_source: v.store().is_none(),
            key: key.columns().iter().map(|c| c.attnum).collect(),
            watched: attribute_numbers(v.source.oid, &watched)?,
            read: attribute_numbers(v.source.oid, &read)?,
            enqueue_inserted: statement(format!(
                "INSERT INTO {inbox} ({names}) SELECT {of_new} FROM new_rows n"
            ))?,
            enqueue_updated: statement(enqueue_changed(v, &watched))?,
            enqueue_embedded: statement(enqueue_changed(v, &read))?,
            remove_updated: statement(of_old(&format!(
                "{} AND NOT EXISTS (SELECT FROM new_rows n WHERE {})",
                key.same("s", "o"),
                key.same("n", "o"),
            )))?,
            remove_deleted: statement(of_old(&key.same("s", "o")))?,
            enqueue_row: Statement::new(
                format!("INSERT INTO {inbox} ({names}) VALUES ({parameters})"),
                types.clone(),
            )?,
            remove_row: Statement::new(removal(v, None, &is_row.collect::<Vec<_>>().join(" AND ")), types)?,
            truncate: statement(match rows {
                Some(rows) => removal(v, Some(&format!("{rows} o")), &key.same("s", "o")),
                // TRUNCATE ONLY leaves the rows of what inherits.
                None if v.source.is_in_inheritance() => removal(
                    v,
                    None,
                    &format!(
                        "NOT EXISTS (SELECT FROM {} t WHERE {})",
                        v.source.qualified(),
                        key.same("t", "s"),
                    ),
                ),
                None => format!("TRUNCATE {}, {failed}", of_chunks.join(", ")),
            })?,
        })
    }

    /// Locks the tables that an event will use as its statements would, and errors (40001) if one is not what it was: what
    /// is done there runs what the tables' owner has put there, and must run as that owner.
    pub fn hold(&self, data: &pg_sys::TriggerData) -> Result<(), PgError> {
        self.inbox.hold(pg_sys::RowExclusiveLock)?;
        let mode = match data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => return Ok(()),
            pg_sys::TRIGGER_EVENT_TRUNCATE => pg_sys::AccessExclusiveLock,
            _ => pg_sys::RowExclusiveLock,
        };
        self.of_rows.iter().try_for_each(|table| table.hold(mode))
    }

    /// Does what an event asks for, as the current user.
    ///
    /// A vectorizer that writes to its source is not asked for by the worker's writing, whatever that
    /// changes beside the vector: two that each read what the other's writing changes would go on forever.
    pub fn run(&mut self, data: &mut pg_sys::TriggerData, writer: Writer) -> Result<(), PgError> {
        if self.writes_to_source && writer == Writer::Worker {
            return Ok(());
        }
        // SAFETY: a connection of our own, finished below; an error passes through to the abort,
        // which finishes it.
        unsafe {
            check_spi(pg_sys::SPI_connect())?;
            check_spi(pg_sys::SPI_register_trigger_data(data))?;
        }
        if data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0 {
            self.after_statement(data, writer)?;
        } else {
            self.after_row(data, writer)?;
        }
        // SAFETY: connected above.
        unsafe { check_spi(pg_sys::SPI_finish()) }
    }

    fn after_statement(&mut self, data: &pg_sys::TriggerData, writer: Writer) -> Result<(), PgError> {
        if is(data, pg_sys::TRIGGER_EVENT_INSERT) {
            self.enqueue_inserted.execute(&mut [])
        } else if is(data, pg_sys::TRIGGER_EVENT_UPDATE) {
            with_path(&self.search_path, || self.remove_updated.execute(&mut []))?;
            match writer {
                Writer::User => self.enqueue_updated.execute(&mut []),
                Writer::Worker => self.enqueue_embedded.execute(&mut []),
            }
        } else if is(data, pg_sys::TRIGGER_EVENT_DELETE) {
            with_path(&self.search_path, || self.remove_deleted.execute(&mut []))
        } else {
            // What the queue still has of the rows is settled by the worker, who finds them gone.
            match &self.truncated {
                Some(tables) => truncating(tables, &self.search_path, || self.truncate.execute(&mut [])),
                None => with_path(&self.search_path, || self.truncate.execute(&mut [])),
            }
        }
    }

    fn after_row(&mut self, data: &pg_sys::TriggerData, writer: Writer) -> Result<(), PgError> {
        // SAFETY: a row trigger has a row, and for an update a new one; both of the relation's
        // descriptor. A partition may order its columns differently, so numbers are looked up by
        // its own descriptor.
        unsafe {
            let descriptor = (*data.tg_relation).rd_att;
            let key = self.local_numbers(data, &self.key)?;
            let old = data.tg_trigtuple;
            if is(data, pg_sys::TRIGGER_EVENT_INSERT) {
                return self.enqueue(key_of(old, &key, descriptor), data);
            }
            if is(data, pg_sys::TRIGGER_EVENT_DELETE) {
                return self.remove(key_of(old, &key, descriptor));
            }

            let new = data.tg_newtuple;
            let moved = differ(old, new, &key, descriptor);
            if moved {
                self.remove(key_of(old, &key, descriptor))?;
            }
            let counts = if writer == Writer::User { &self.watched } else { &self.read };
            if moved || differ(old, new, &self.local_numbers(data, counts)?, descriptor) {
                self.enqueue(key_of(new, &key, descriptor), data)?;
            }
        }
        Ok(())
    }

    /// Enqueues the row with this key. One without a key is no document: there is nothing to find its chunks by.
    fn enqueue(
        &mut self,
        key: Option<Vec<pg_sys::Datum>>,
        data: &pg_sys::TriggerData,
    ) -> Result<(), PgError> {
        match key {
            Some(mut key) => self.enqueue_row.execute(&mut key),
            None => {
                // SAFETY: the relation is open while its trigger runs.
                keyless::tell(unsafe { (*data.tg_relation).rd_id });
                Ok(())
            }
        }
    }

    /// Removes the chunks of the row with this key. One without a key has none.
    fn remove(&mut self, key: Option<Vec<pg_sys::Datum>>) -> Result<(), PgError> {
        let Some(mut key) = key else { return Ok(()) };
        with_path(&self.search_path, || self.remove_row.execute(&mut key))
    }

    /// The source's column numbers, as numbers of the partition that the row is in.
    unsafe fn local_numbers(&self, data: &pg_sys::TriggerData, numbers: &[i32]) -> Result<Vec<i32>, PgError> {
        // SAFETY: the relation is open while its trigger runs.
        let relation = unsafe { (*data.tg_relation).rd_id };
        if relation == self.source {
            return Ok(numbers.to_vec());
        }
        translate(self.source, relation, numbers)
    }
}

/// Enqueues the updated rows of which one of these columns changed.
///
/// Bytes are compared, not values: it works for types that have no equality, and what is equal but not
/// the same may well read differently. Without the casts Postgres would take the rows apart and look for
/// the operator on each pair of columns.
fn enqueue_changed(v: &Vectorizer, columns: &[&Column]) -> String {
    let key = &v.key;
    let compared = |alias: &str| {
        let columns = columns.iter().map(|c| format!("{alias}.{}", ident(&c.name)));
        format!("ROW({})::record", columns.collect::<Vec<_>>().join(", "))
    };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM new_rows n LEFT JOIN old_rows o ON {}
         WHERE {} AND (o.{} IS NULL OR {} OPERATOR(pg_catalog.*<>) {})",
        v.queue.inbox,
        key.names(None),
        key.names(Some("n")),
        key.same("o", "n"),
        // The rows of what inherits are among them.
        key.is_whole("n"),
        ident(&key.columns()[0].name),
        compared("o"),
        compared("n"),
    )
}

/// Removes the chunks of rows `s` that are gone, with what is remembered of what they were made of.
///
/// One that was set aside is queued once more, so that the worker finds it gone and forgets that: to
/// delete it here could meet the worker, and would then fail at REPEATABLE READ.
fn removal(v: &Vectorizer, others: Option<&str>, which: &str) -> String {
    let QueueTables { inbox, failed, .. } = &v.queue;
    let (names, of_row) = (v.key.names(None), v.key.names(Some("s")));
    let also = others.map(|others| format!(", {others}")).unwrap_or_default();
    let using = others.map(|others| format!(" USING {others}")).unwrap_or_default();
    let delete =
        |(table, i): (String, usize)| format!(", removed{i} AS (DELETE FROM {table} s{using} WHERE {which})");
    let deletions: String = v.tables_of_chunks().into_iter().zip(0..).map(delete).collect();
    format!(
        "WITH enqueued AS (INSERT INTO {inbox} ({names}) SELECT {of_row} FROM {failed} s{also} WHERE {which}){deletions}
         SELECT",
    )
}

/// The rows of the partition whose trigger it is, as the vectorizer's owner may read them; none if it is
/// the source itself.
fn rows_of_partition(v: &Vectorizer, relation: pg_sys::Oid) -> Result<Option<String>, PgError> {
    if relation == v.source.oid {
        return Ok(None);
    }
    let partition = Relation::load(relation)?.filter(|partition| partition.owner == v.owner);
    Ok(Some(match partition {
        Some(partition) => format!("ONLY {}", partition.qualified()),
        // Another's table by way of the source, to which it belongs.
        None => format!(
            "(SELECT {} FROM {} WHERE tableoid = {}::oid)",
            v.key.names(None),
            v.source.qualified(),
            relation.to_u32()
        ),
    }))
}

fn attribute_numbers(relation: pg_sys::Oid, columns: &[&Column]) -> Result<Vec<i32>, PgError> {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    crate::pg::sql::read_now(
        "SELECT a.attnum::int4 FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = $1 AND a.attname::text = ANY ($2) AND a.attnum > 0 AND NOT a.attisdropped",
        &[relation.into(), names.into()],
        |row| row.get::<i32>(1),
    )
}

/// From the caches, as the values that a trigger gets are of today's types, whatever the snapshot.
fn key_types(v: &Vectorizer) -> Vec<pg_sys::Oid> {
    // SAFETY: looks up the catalogs.
    v.key.columns().iter().map(|c| unsafe { pg_sys::get_atttype(v.source.oid, c.attnum as i16) }).collect()
}
