//! The plan of a trigger: its knowledge of one vectorizer, and its work for it.

use std::ffi::CStr;
use std::rc::Rc;

use pgai_rs_queue::sql::trigger::{self, Followers};
use pgrx::pg_sys;

use super::certain::is_certain;
use super::is;
use super::keyless;
use super::row::{differ, key_of, translate};
use super::statement::TriggerStatement;
use crate::catalog::definitions::Watch;
use crate::catalog::relation::{Column, Relation};
use crate::catalog::table::Table;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::own_search_path;
use crate::pg::plan::check_spi;
use crate::pg::statement::{Tables, with_path};
use crate::pg::truncation::truncating;

/// The plan of a trigger, kept from the trigger's first call until a definition changes that it was made from.
pub struct Plan {
    /// The watch over what it was made from.
    watch: Watch,
    /// The vectorizer.
    pub id: i32,
    /// True if its statements for rows can only fail by errors of the database itself.
    pub is_certain: bool,
    /// The role that it runs as.
    pub owner: pg_sys::Oid,
    /// The vectorizer's source. The trigger's table may be a partition of it, or inherit from it.
    pub source: pg_sys::Oid,
    inbox: Table,
    /// The tables from which rows are removed when a source row is gone.
    of_rows: Vec<Table>,
    /// The tables that its statements may name.
    pub named: Tables,
    /// The tables that a TRUNCATE of the source truncates; `None` if it deletes some of their rows instead.
    truncated: Option<Tables>,
    /// The search path of the owner, for the owner's triggers on the store.
    search_path: Rc<CStr>,
    /// True if the vectorizer itself writes to the source.
    writes_to_source: bool,
    key: Vec<i32>,
    watched: Vec<i32>,
    read: Vec<i32>,
    enqueue_inserted: TriggerStatement,
    /// Enqueues the rows that a user's statement updated.
    enqueue_updated: TriggerStatement,
    /// Enqueues the rows in which a column that the vectorizer reads changed while the worker wrote a vector.
    enqueue_embedded: TriggerStatement,
    remove_updated: TriggerStatement,
    remove_deleted: TriggerStatement,
    enqueue_row: TriggerStatement,
    remove_row: TriggerStatement,
    truncate: TriggerStatement,
}

/// The author of the statement that changed the source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A user, or a user's trigger.
    User,
    /// The worker, which wrote vectors into a column. Other columns that changed were changed by a user's
    /// BEFORE trigger, such as one that sets `updated_at`.
    Worker,
}

impl Plan {
    /// Makes the plan for the trigger on `relation`, which is the source or one of its partitions. It is right until the
    /// watch is disturbed.
    pub fn new(v: &Vectorizer, relation: pg_sys::Oid, watch: Watch) -> Result<Plan, PgError> {
        let key = &v.key;
        let (inbox, failed) = (&v.queue.inbox, &v.queue.failed);
        let followers = v.followers();
        let (watched, read) = (v.watched_columns()?, v.read_columns()?);
        let removal = |others, which: &str| trigger::removal(key, &v.queue, &followers, others, which);
        let of_old = |which: &str| removal(Some("old_rows o"), which);
        let enqueue_changed = |columns: &[&Column]| {
            trigger::enqueue_changed(key, inbox, columns.iter().map(|column| column.name.as_str()))
        };
        let statement = |sql: String| TriggerStatement::new(sql, Vec::new());
        let types = key_types(v);
        let of_rows: Vec<Table> =
            v.tables_that_follow_rows().into_iter().chain(v.relations.words.clone()).collect();
        let rows = rows_of_partition(v, relation)?;
        let deletes = rows.is_some() || v.source.is_in_inheritance();
        Ok(Plan {
            watch,
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
            search_path: own_search_path(v.owner),
            writes_to_source: v.store().is_none(),
            key: key.columns().iter().map(|c| c.attnum).collect(),
            watched: attribute_numbers(v.source.oid, &watched)?,
            read: attribute_numbers(v.source.oid, &read)?,
            enqueue_inserted: statement(trigger::enqueue_inserted(key, inbox))?,
            enqueue_updated: statement(enqueue_changed(&watched))?,
            enqueue_embedded: statement(enqueue_changed(&read))?,
            remove_updated: statement(of_old(&format!(
                "{} AND NOT EXISTS (SELECT FROM new_rows n WHERE {})",
                key.same("s", "o"),
                key.same("n", "o"),
            )))?,
            remove_deleted: statement(of_old(&key.same("s", "o")))?,
            enqueue_row: TriggerStatement::new(trigger::enqueue_row(key, inbox), types.clone())?,
            remove_row: TriggerStatement::new(trigger::remove_row(key, &v.queue, &followers), types)?,
            truncate: statement(match rows {
                Some(rows) => removal(Some(&format!("{rows} o")), &key.same("s", "o")),
                // TRUNCATE ONLY leaves the rows of what inherits.
                None if v.source.is_in_inheritance() => removal(
                    None,
                    &format!(
                        "NOT EXISTS (SELECT FROM {} t WHERE {})",
                        v.source.qualified(),
                        key.same("t", "s"),
                    ),
                ),
                None => truncation(&followers, failed),
            })?,
        })
    }

    /// Returns whether nothing was heard of a change of what it was made from.
    pub fn is_undisturbed(&self) -> bool {
        self.watch.is_undisturbed()
    }

    /// Locks the tables that an event will use, in the modes of its statements, and looks at them when it has all
    /// locks. Errors (40001) if one of them has changed: statements on a table run code of the table's owner, and
    /// must run as that owner.
    pub fn hold(&self, data: &pg_sys::TriggerData) -> Result<(), PgError> {
        self.inbox.lock(pg_sys::RowExclusiveLock);
        if is(data, pg_sys::TRIGGER_EVENT_INSERT) {
            return self.inbox.require_unchanged();
        }

        for table in &self.of_rows {
            // The modes of reading and of writing, which statements ask for both.
            table.lock(pg_sys::AccessShareLock);
            table.lock(match is(data, pg_sys::TRIGGER_EVENT_TRUNCATE) {
                true => pg_sys::AccessExclusiveLock,
                false => pg_sys::RowExclusiveLock,
            });
        }
        [&self.inbox].into_iter().chain(&self.of_rows).try_for_each(Table::require_unchanged)
    }

    /// Returns whether the statements of an event run without their names being looked up, which fails if a
    /// schema is renamed at the same time. The tables must be held.
    pub fn is_ready(&mut self, data: &pg_sys::TriggerData, writer: Writer) -> bool {
        self.statements_of(data, writer).iter().all(|statement| statement.is_ready())
    }

    /// Returns the statements that an event may run.
    fn statements_of(&mut self, data: &pg_sys::TriggerData, writer: Writer) -> Vec<&mut TriggerStatement> {
        let inserts = is(data, pg_sys::TRIGGER_EVENT_INSERT);
        let updates = is(data, pg_sys::TRIGGER_EVENT_UPDATE);
        if data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0 {
            return match (inserts, updates) {
                (true, _) => vec![&mut self.enqueue_row],
                (_, true) => vec![&mut self.enqueue_row, &mut self.remove_row],
                _ => vec![&mut self.remove_row],
            };
        }
        match (inserts, updates, writer) {
            (true, ..) => vec![&mut self.enqueue_inserted],
            (_, true, Writer::User) => vec![&mut self.remove_updated, &mut self.enqueue_updated],
            (_, true, Writer::Worker) => vec![&mut self.remove_updated, &mut self.enqueue_embedded],
            _ if is(data, pg_sys::TRIGGER_EVENT_TRUNCATE) => vec![&mut self.truncate],
            _ => vec![&mut self.remove_deleted],
        }
    }

    /// Does what an event requires, as the current user.
    ///
    /// A vectorizer that writes to its source ignores the worker's writes, with whatever they change beside
    /// the vector. Otherwise two vectorizers that each read what the other's writes change would never come
    /// to an end.
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
        if self.is_certain {
            // Those of rows, too, that this row does not need: the next ones do not take a subtransaction then.
            self.statements_of(data, writer).into_iter().try_for_each(TriggerStatement::prepare)?;
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
            // What the queue still has of the rows is settled by the worker, which finds them gone.
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

    /// Enqueues the row with this key. A row without a key (`None`) is skipped with a warning, because its
    /// chunks could not be found.
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

    /// Removes the chunks of the row with this key. A row without a key (`None`) has none.
    fn remove(&mut self, key: Option<Vec<pg_sys::Datum>>) -> Result<(), PgError> {
        let Some(mut key) = key else { return Ok(()) };
        with_path(&self.search_path, || self.remove_row.execute(&mut key))
    }

    /// Converts the source's column numbers to those of the partition that the row is in.
    unsafe fn local_numbers(&self, data: &pg_sys::TriggerData, numbers: &[i32]) -> Result<Vec<i32>, PgError> {
        // SAFETY: the relation is open while its trigger runs.
        let relation = unsafe { (*data.tg_relation).rd_id };
        if relation == self.source {
            return Ok(numbers.to_vec());
        }
        translate(self.source, relation, numbers)
    }
}

/// Returns an expression for the rows of the partition that has the trigger, as the vectorizer's owner may
/// read them; `None` if `relation` is the source itself.
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

/// Returns the statement for a TRUNCATE of the source. Postgres truncates a table that others refer to only with those.
fn truncation(followers: &Followers, failed: &str) -> String {
    let mut tables: Vec<&str> = followers.keyed().chain(&followers.words).map(String::as_str).collect();
    tables.push(failed);
    format!("TRUNCATE {}", tables.join(", "))
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

/// Returns the types of the key columns, read from the caches: a trigger gets values of the current types,
/// whatever the snapshot.
fn key_types(v: &Vectorizer) -> Vec<pg_sys::Oid> {
    // SAFETY: looks up the catalogs.
    v.key.columns().iter().map(|c| unsafe { pg_sys::get_atttype(v.source.oid, c.attnum as i16) }).collect()
}
