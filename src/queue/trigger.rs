//! The trigger on a source: appends changed keys to the inbox, removes the chunks of rows that are
//! gone, and asks for a wake-up at commit.
//!
//! It runs in anybody's transaction, as the vectorizer's owner. It only ever appends to the inbox,
//! and it touches the store only for rows that the same transaction has removed and so holds a lock
//! on; nothing here can wait for the worker or fail because of it, at any isolation level.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString};

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use super::wake;
use crate::catalog::definitions;
use crate::catalog::key::Key;
use crate::catalog::objects::QueueTables;
use crate::catalog::relation::Relation;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::sql::ident;

/// What a trigger must know, kept from its first call to the next change of any definition.
struct Plan {
    owner: pg_sys::Oid,
    source: pg_sys::Oid,
    key: Vec<i32>,
    watched: Vec<i32>,
    enqueue_inserted: Statement,
    enqueue_updated: Statement,
    remove_updated: Statement,
    remove_deleted: Statement,
    enqueue_row: Statement,
    remove_row: Statement,
    truncate: Statement,
}

/// A statement, prepared when it is first used.
struct Statement {
    sql: CString,
    arguments: Vec<pg_sys::Oid>,
    prepared: pg_sys::SPIPlanPtr,
}

thread_local! {
    /// By the trigger's OID; `None` for a trigger whose vectorizer does not exist.
    static PLANS: RefCell<HashMap<pg_sys::Oid, Option<Plan>>> = RefCell::new(HashMap::new());
    /// The definitions that the plans were made from.
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// `pg_finfo` record of [`vectorizer_source_changed`].
#[no_mangle]
pub extern "C" fn pg_finfo_vectorizer_source_changed() -> *const pg_sys::Pg_finfo_record {
    const RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}

/// `ai._vectorizer_source_changed`, the function of all triggers.
///
/// # Safety
/// Called by Postgres with a call record.
#[no_mangle]
#[pg_guard]
pub unsafe extern "C-unwind" fn vectorizer_source_changed(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the call record is live; a trigger's context is its TriggerData.
    let data = unsafe {
        let context = (*call).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            raise(PgError::new(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "_vectorizer_source_changed() can only be called as a trigger",
            ));
        }
        &mut *context.cast::<pg_sys::TriggerData>()
    };
    if let Err(error) = source_changed(data) {
        raise(error);
    }
    pg_sys::Datum::from(0)
}

fn raise(error: PgError) -> ! {
    pg_sys::panic::ErrorReport::from(error).report(PgLogLevel::ERROR);
    unreachable!("an error report does not return")
}

fn source_changed(data: &mut pg_sys::TriggerData) -> Result<(), PgError> {
    if changes_nothing(data) {
        return Ok(());
    }
    // SAFETY: the trigger record lives as long as its relation's cache entry.
    let trigger = unsafe { (*data.tg_trigger).tgoid };
    let mut plan = match take_plan(trigger) {
        Some(known) => known,
        None => load_plan(data)?,
    };
    // Taken out while in use: the statements may fire triggers that come here again.
    let result = match &mut plan {
        Some(plan) => as_user(plan.owner, || plan.run(data)),
        None => Ok(()),
    };
    // That there is none may change without any definition's changing.
    if plan.is_some() {
        PLANS.with_borrow_mut(|plans| plans.insert(trigger, plan));
    }
    result?;
    wake::worker_at_commit();
    Ok(())
}

/// What keeps a vectorizer from working must not keep users from writing.
fn warn(error: PgError) -> Option<Plan> {
    pg_sys::panic::ErrorReport::new(
        error.code,
        format!("the embeddings of this table are not kept in step: {}", error.message),
        "",
    )
    .set_hint(
        error.hint.unwrap_or_else(|| "Mend it, or drop the vectorizer with ai.drop_vectorizer().".to_owned()),
    )
    .report(PgLogLevel::WARNING);
    None
}

/// A statement trigger fires for statements that touched no row as well.
fn changes_nothing(data: &pg_sys::TriggerData) -> bool {
    // SAFETY: transition tables are live while their trigger runs.
    let empty = |table: *mut pg_sys::Tuplestorestate| unsafe {
        table.is_null() || pg_sys::tuplestore_tuple_count(table) == 0
    };
    let by_statement = data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0;
    by_statement
        && !is(data, pg_sys::TRIGGER_EVENT_TRUNCATE)
        && empty(data.tg_oldtable)
        && empty(data.tg_newtable)
}

fn is(data: &pg_sys::TriggerData, event: u32) -> bool {
    data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == event
}

fn take_plan(trigger: pg_sys::Oid) -> Option<Option<Plan>> {
    PLANS.with_borrow_mut(|plans| {
        if SEEN.replace(definitions::generation()) != definitions::generation() {
            plans.clear();
        }
        plans.remove(&trigger)
    })
}

fn load_plan(data: &pg_sys::TriggerData) -> Result<Option<Plan>, PgError> {
    // SAFETY: the trigger's arguments are C strings; create_vectorizer gives one, the id.
    let id = unsafe {
        let trigger = &*data.tg_trigger;
        (trigger.tgnargs > 0).then(|| CStr::from_ptr(*trigger.tgargs).to_string_lossy().parse::<i32>().ok())
    };
    let Some(id) = id.flatten() else { return Ok(None) };
    // SAFETY: the relation is open while its trigger runs.
    let relation = unsafe { (*data.tg_relation).rd_id };
    let Some(entry) = as_superuser(|| vectorizer::by_id(id))? else { return not_seen() };
    Ok(entry.understand().and_then(|v| Plan::new(&v, relation)).map(Some).unwrap_or_else(warn))
}

/// The catalog has no such vectorizer, or this transaction began before it did and can't see it: then
/// what it writes would be forgotten, and it has to run again.
fn not_seen() -> Result<Option<Plan>, PgError> {
    if !crate::pg::transaction::has_one_snapshot() {
        return Ok(None);
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        "could not serialize access: a vectorizer was created since this transaction began",
    )
    .with_hint("Run the transaction again."))
}

impl Plan {
    fn new(vectorizer: &Vectorizer, relation: pg_sys::Oid) -> Result<Plan, PgError> {
        let key = &vectorizer.key;
        let (inbox, failed, store) = (&vectorizer.queue.inbox, &vectorizer.queue.failed, &vectorizer.store);
        for table in [inbox, failed, store] {
            require(table)?;
        }
        let watched = vectorizer.watched_columns()?;
        let compared = |alias: &str| {
            let columns = watched.iter().map(|c| format!("{alias}.{}", ident(&c.name)));
            format!("ROW({})::record", columns.collect::<Vec<_>>().join(", "))
        };
        let (names, of_new) = (key.names(None), key.names(Some("n")));
        // The chunks, and with them what is remembered of what they were made of, and what failed.
        let mut with_chunks = vec![store.as_str()];
        if vectorizer.has_origin {
            with_chunks.push(&vectorizer.queue.origin);
        }
        with_chunks.push(failed);
        let of_old = |which: &str| removal(vectorizer, Some("old_rows o"), which);
        let statement = |sql: String| Statement::new(sql, Vec::new());
        let types = key_types(vectorizer)?;
        let parameters = (1..=key.len()).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ");
        let row = key.columns().iter().enumerate();
        let is_row = row.map(|(i, c)| format!("s.{} {} ${}", ident(&c.name), c.equals, i + 1));
        Ok(Plan {
            owner: vectorizer.owner,
            source: vectorizer.source.oid,
            key: key.columns().iter().map(|c| c.attnum).collect(),
            watched: attribute_numbers(vectorizer.source.oid, watched.iter().map(|c| c.name.as_str()))?,
            enqueue_inserted: statement(format!(
                "INSERT INTO {inbox} ({names}) SELECT {of_new} FROM new_rows n"
            ))?,
            // Bytes are compared, not values: it works for types that have no equality, and what is
            // equal but not the same may well read differently. Without the casts Postgres would
            // take the rows apart and look for the operator on each pair of columns.
            enqueue_updated: statement(format!(
                "INSERT INTO {inbox} ({names}) SELECT {of_new} FROM new_rows n LEFT JOIN old_rows o ON {}
                 WHERE o.{} IS NULL OR {} OPERATOR(pg_catalog.*<>) {}",
                key.same("o", "n"),
                ident(&key.columns()[0].name),
                compared("o"),
                compared("n"),
            ))?,
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
            remove_row: Statement::new(
                removal(vectorizer, None, &is_row.collect::<Vec<_>>().join(" AND ")),
                types,
            )?,
            truncate: statement(match rows_of_partition(vectorizer, relation)? {
                Some(rows) => removal(vectorizer, Some(&format!("{rows} o")), &key.same("s", "o")),
                None => format!("TRUNCATE {}", with_chunks.join(", ")),
            })?,
        })
    }

    fn run(&mut self, data: &mut pg_sys::TriggerData) -> Result<(), PgError> {
        // SAFETY: a connection of our own, finished below; an error passes through to the abort,
        // which finishes it.
        unsafe {
            check_spi(pg_sys::SPI_connect())?;
            check_spi(pg_sys::SPI_register_trigger_data(data))?;
        }
        if data.tg_event & pg_sys::TRIGGER_EVENT_ROW == 0 {
            self.after_statement(data)?;
        } else {
            self.after_row(data)?;
        }
        // SAFETY: connected above.
        unsafe { check_spi(pg_sys::SPI_finish()) }
    }

    fn after_statement(&mut self, data: &pg_sys::TriggerData) -> Result<(), PgError> {
        if is(data, pg_sys::TRIGGER_EVENT_INSERT) {
            self.enqueue_inserted.execute(&mut [])
        } else if is(data, pg_sys::TRIGGER_EVENT_UPDATE) {
            self.remove_updated.execute(&mut [])?;
            self.enqueue_updated.execute(&mut [])
        } else if is(data, pg_sys::TRIGGER_EVENT_DELETE) {
            self.remove_deleted.execute(&mut [])
        } else {
            // What the queue still has of the rows is settled by the worker, who finds them gone.
            self.truncate.execute(&mut [])
        }
    }

    fn after_row(&mut self, data: &pg_sys::TriggerData) -> Result<(), PgError> {
        // SAFETY: a row trigger has a row, and for an update a new one; both of the relation's
        // descriptor. A partition may order its columns differently, so numbers are looked up by
        // its own descriptor.
        unsafe {
            let descriptor = (*data.tg_relation).rd_att;
            let key = self.local_numbers(data, &self.key)?;
            let old = data.tg_trigtuple;
            if is(data, pg_sys::TRIGGER_EVENT_INSERT) {
                return self.enqueue_row.execute(&mut values(old, &key, descriptor));
            }
            if is(data, pg_sys::TRIGGER_EVENT_DELETE) {
                return self.remove_row.execute(&mut values(old, &key, descriptor));
            }
            let new = data.tg_newtuple;
            let moved = differ(old, new, &key, descriptor);
            if moved {
                self.remove_row.execute(&mut values(old, &key, descriptor))?;
            }
            if moved || differ(old, new, &self.local_numbers(data, &self.watched)?, descriptor) {
                self.enqueue_row.execute(&mut values(new, &key, descriptor))?;
            }
        }
        Ok(())
    }

    /// The source's column numbers, as numbers of the partition that the row is in.
    unsafe fn local_numbers(&self, data: &pg_sys::TriggerData, numbers: &[i32]) -> Result<Vec<i32>, PgError> {
        // SAFETY: the relation is open while its trigger runs.
        let (relation, cloned) = unsafe { ((*data.tg_relation).rd_id, (*data.tg_trigger).tgisclone) };
        if !cloned {
            return Ok(numbers.to_vec());
        }
        translate(self.source, relation, numbers)
    }
}

/// Column numbers of the source as numbers of one of its partitions, which may have them in another
/// order. From the caches that follow every change at once, whatever the transaction's snapshot.
fn translate(source: pg_sys::Oid, partition: pg_sys::Oid, numbers: &[i32]) -> Result<Vec<i32>, PgError> {
    let local = |number: &i32| {
        // SAFETY: looks up the catalogs; a name that is not found is null, a number zero.
        let found = unsafe {
            let name = pg_sys::get_attname(source, *number as i16, true);
            if name.is_null() {
                0
            } else {
                pg_sys::get_attnum(partition, name)
            }
        };
        if found > 0 {
            return Ok(i32::from(found));
        }
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("a partition has no column for column {number} of the vectorizer's source"),
        ))
    };
    numbers.iter().map(local).collect()
}

/// Removes the chunks of rows `s` that are gone, with what is remembered of what they were made of.
///
/// One that was set aside is queued once more, so that the worker finds it gone and forgets that: to
/// delete it here could meet the worker, and would then fail at REPEATABLE READ.
fn removal(vectorizer: &Vectorizer, others: Option<&str>, which: &str) -> String {
    let QueueTables { inbox, failed, origin, .. } = &vectorizer.queue;
    let (names, of_row) = (vectorizer.key.names(None), vectorizer.key.names(Some("s")));
    let also = others.map(|others| format!(", {others}")).unwrap_or_default();
    let using = others.map(|others| format!(" USING {others}")).unwrap_or_default();
    let forgotten = match vectorizer.has_origin {
        true => format!(", forgotten AS (DELETE FROM {origin} s{using} WHERE {which})"),
        false => String::new(),
    };
    format!(
        "WITH enqueued AS (INSERT INTO {inbox} ({names}) SELECT {of_row} FROM {failed} s{also} WHERE {which}){forgotten}
         DELETE FROM {} s{using} WHERE {which}",
        vectorizer.store
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
        Some(partition) => partition.qualified(),
        // Another's table by way of the source, to which it belongs.
        None => format!(
            "(SELECT {} FROM {} WHERE tableoid = {}::oid)",
            v.key.names(None),
            v.source.qualified(),
            relation.to_u32()
        ),
    }))
}

/// That a table is there: somebody may have dropped it by hand.
fn require(table: &str) -> Result<(), PgError> {
    let there = crate::pg::sql::read(
        "SELECT pg_catalog.to_regclass($1) IS NOT NULL",
        &[table.to_owned().into()],
        |row| row.get::<bool>(1),
    )?;
    if there.first() == Some(&true) {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("the table {table} is gone")))
}

fn attribute_numbers<'a>(
    relation: pg_sys::Oid,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<i32>, PgError> {
    crate::pg::sql::read(
        "SELECT a.attnum::int4 FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = $1 AND a.attname::text = ANY ($2) AND a.attnum > 0 AND NOT a.attisdropped",
        &[relation.into(), names.map(str::to_owned).collect::<Vec<_>>().into()],
        |row| row.get::<i32>(1),
    )
}

fn key_types(vectorizer: &Vectorizer) -> Result<Vec<pg_sys::Oid>, PgError> {
    let key: &Key = &vectorizer.key;
    crate::pg::sql::read(
        "SELECT a.atttypid FROM pg_catalog.unnest($2::int4[]) WITH ORDINALITY AS k (number, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = k.number ORDER BY k.place",
        &[vectorizer.source.oid.into(), key.columns().iter().map(|c| c.attnum).collect::<Vec<_>>().into()],
        |row| row.get::<pg_sys::Oid>(1),
    )
}

type NullableDatum = (pg_sys::Datum, bool);

/// # Safety
/// The tuple is of the descriptor, and the numbers are its columns'.
unsafe fn values(
    tuple: pg_sys::HeapTuple,
    numbers: &[i32],
    descriptor: pg_sys::TupleDesc,
) -> Vec<pg_sys::Datum> {
    // SAFETY: by the caller; key columns are never null.
    numbers.iter().map(|number| unsafe { value(tuple, *number, descriptor).0 }).collect()
}

/// # Safety
/// As for [`values`].
unsafe fn value(tuple: pg_sys::HeapTuple, number: i32, descriptor: pg_sys::TupleDesc) -> NullableDatum {
    let mut null = false;
    // SAFETY: by the caller.
    let datum = unsafe { pg_sys::heap_getattr(tuple, number, descriptor, &mut null) };
    (datum, null)
}

extern "C-unwind" {
    /// `utils/adt/datum.c`: whether two values have the same bytes, wherever they are stored.
    fn datum_image_eq(
        left: pg_sys::Datum,
        right: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

/// # Safety
/// As for [`values`], for both tuples.
unsafe fn differ(
    old: pg_sys::HeapTuple,
    new: pg_sys::HeapTuple,
    numbers: &[i32],
    descriptor: pg_sys::TupleDesc,
) -> bool {
    numbers.iter().any(|number| {
        // SAFETY: by the caller; the guard turns an error of Postgres (an unreadable out-of-line
        // value) into an unwinding one.
        unsafe {
            let ((left, left_null), (right, right_null)) =
                (value(old, *number, descriptor), value(new, *number, descriptor));
            if left_null || right_null {
                return left_null != right_null;
            }
            let (by_value, length) = storage(descriptor, *number);
            !pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| datum_image_eq(left, right, by_value, length))
        }
    })
}

/// # Safety
/// The number is a column's of the descriptor.
unsafe fn storage(descriptor: pg_sys::TupleDesc, number: i32) -> (bool, i32) {
    // SAFETY: by the caller.
    unsafe {
        let tupdesc = pgrx::PgTupleDesc::from_pg_unchecked(descriptor);
        match tupdesc.get((number - 1) as usize) {
            Some(attribute) => (attribute.attbyval, i32::from(attribute.attlen)),
            None => (true, 8),
        }
    }
}

impl Statement {
    fn new(sql: String, arguments: Vec<pg_sys::Oid>) -> Result<Statement, PgError> {
        let sql = CString::new(sql).map_err(|_| PgError::raised("an identifier has a zero byte"))?;
        Ok(Statement { sql, arguments, prepared: std::ptr::null_mut() })
    }

    /// Runs the statement, on the newest snapshot: at REPEATABLE READ the transaction's own would
    /// not see the chunks that the worker wrote since it began, and would leave them behind. Foreign
    /// keys do the same (`ri_triggers.c`, `ri_PerformCheck`).
    fn execute(&mut self, values: &mut [pg_sys::Datum]) -> Result<(), PgError> {
        if values.len() != self.arguments.len() {
            return Err(PgError::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "a key has lost columns"));
        }
        // SAFETY: inside an SPI connection; the values are of the declared types.
        unsafe {
            if self.prepared.is_null() {
                let plan = pg_sys::SPI_prepare(
                    self.sql.as_ptr(),
                    self.arguments.len() as i32,
                    self.arguments.as_mut_ptr(),
                );
                if plan.is_null() {
                    check_spi(pg_sys::SPI_result)?;
                }
                check_spi(pg_sys::SPI_keepplan(plan))?;
                self.prepared = plan;
            }
            let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
            let code = pg_sys::SPI_execute_snapshot(
                self.prepared,
                values.as_mut_ptr(),
                std::ptr::null(),
                snapshot,
                std::ptr::null_mut(),
                false,
                true,
                0,
            );
            pg_sys::UnregisterSnapshot(snapshot);
            check_spi(code)
        }
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if !self.prepared.is_null() && !std::thread::panicking() {
            // SAFETY: kept by SPI_keepplan and freed nowhere else.
            unsafe { pg_sys::SPI_freeplan(self.prepared) };
        }
    }
}

fn check_spi(code: i32) -> Result<(), PgError> {
    if code >= 0 {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        format!("SPI answered {code} in a vectorizer's trigger"),
    ))
}
