//! The prepared statements of a process that runs the same ones again and again, as the worker does.
//!
//! A statement is parsed once. It is also planned once, if its plan can be right for all its values and remains
//! right: the arrays are short, few rows are enough where there is a limit, and its tables are plain ones. Such a plan
//! is made anew when a table has grown much. Postgres itself would keep it until ANALYZE, and a plan that was made
//! for an empty table may go through an index from its beginning to its end.
//!
//! Plans find rows by indexes alone. Postgres assumes ten elements for an array that it does not know, and as many
//! rows as a limit allows, where mostly there is one; for so many it would read whole tables that were never
//! analyzed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;

use pgrx::datum::DatumWithOid;
use pgrx::{Spi, pg_sys};

use super::error::PgError;
use super::plan::{KeptPlan, Planning, check_spi};
use super::sql::{Arguments, Row, rows_of_result, spi};
use super::statement;

/// The maximum number of statements that are kept. Each takes some 50 kB of memory.
const MAX_STATEMENTS: usize = 256;

/// Blocks by which a table may grow before statements on it are planned again, in addition to its double size.
const FREE_GROWTH: u32 = 16;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// The statements that are kept, by the way in which they are planned and by their texts.
#[derive(Default)]
struct Kept {
    statements: HashMap<Planning, HashMap<String, Statement>>,
    /// Counts the runs.
    runs: u64,
}

/// A statement that is kept.
struct Statement {
    plan: KeptPlan,
    types: Vec<pg_sys::Oid>,
    /// Its tables other than Postgres's own, with their sizes in blocks when it was planned, if it is planned once.
    tables: Vec<(pg_sys::Oid, u32)>,
    /// The number of its last run.
    used: u64,
}

/// Runs a statement and returns the number of rows that it touched or returned.
pub fn execute(sql: &str, args: &[DatumWithOid<'_>], planning: Planning) -> Result<u64, PgError> {
    run(sql, args, planning, false, || {
        // SAFETY: set by the statement that just ran.
        Ok(unsafe { pg_sys::SPI_processed })
    })
}

/// Runs a statement and maps each row that it returns. If it is read-only it takes no transaction id.
pub fn query<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    planning: Planning,
    read_only: bool,
    mut row: impl FnMut(&Row<'_>) -> Result<T, PgError>,
) -> Result<Vec<T>, PgError> {
    run(sql, args, planning, read_only, || rows_of_result(&mut row))
}

/// Runs a statement and returns the result of `finish`, which is called within its SPI connection.
fn run<R>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    planning: Planning,
    read_only: bool,
    finish: impl FnOnce() -> Result<R, PgError>,
) -> Result<R, PgError> {
    let mut given = Arguments::of(args);
    let run = || {
        Spi::connect_mut(|_| {
            execute_kept(sql, &mut given, planning, read_only)?;
            finish()
        })
    };
    statement::by_index(|| spi(sql, run))
}

/// Runs a statement by its plan. It must be called inside an SPI connection.
fn execute_kept(
    sql: &str,
    given: &mut Arguments,
    planning: Planning,
    read_only: bool,
) -> Result<(), PgError> {
    let plan = KEPT.with_borrow_mut(|kept| kept.statement(sql, &given.types, planning))?;
    // SAFETY: inside an SPI connection; the values are of the types that the plan was prepared with, and
    // nothing that it runs reaches the cache, which would free it.
    let code = unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        pg_sys::SPI_execute_plan(plan, given.values.as_mut_ptr(), given.nulls.as_ptr(), read_only, 0)
    };
    check_spi(code)
}

impl Kept {
    /// Returns the plan of a statement, which is prepared if it is not kept, or does not fit any more.
    fn statement(
        &mut self,
        sql: &str,
        types: &[pg_sys::Oid],
        planning: Planning,
    ) -> Result<pg_sys::SPIPlanPtr, PgError> {
        self.runs += 1;
        if let Some(kept) = self.statements.get_mut(&planning).and_then(|kept| kept.get_mut(sql))
            && kept.types == types
            && kept.fits()
        {
            kept.used = self.runs;
            return Ok(kept.plan.as_ptr());
        }

        self.statements.get_mut(&planning).and_then(|kept| kept.remove(sql));
        self.make_room();
        let statement = Statement::prepare(sql, types, planning, self.runs)?;
        let plan = statement.plan.as_ptr();
        self.statements.entry(planning).or_default().insert(sql.to_owned(), statement);
        Ok(plan)
    }

    /// Drops the statement that was not run for longest, if there is no room for another.
    fn make_room(&mut self) {
        if self.statements.values().map(HashMap::len).sum::<usize>() < MAX_STATEMENTS {
            return;
        }
        let all = self.statements.values().flatten();
        let Some(oldest) = all.map(|(_, kept)| kept.used).min() else { return };
        self.statements.values_mut().for_each(|kept| kept.retain(|_, kept| kept.used > oldest));
    }
}

impl Statement {
    fn prepare(sql: &str, types: &[pg_sys::Oid], planning: Planning, run: u64) -> Result<Statement, PgError> {
        let text = CString::new(sql).map_err(|_| PgError::internal("unexpected zero byte in a statement"))?;
        let mut types = types.to_vec();
        let plan = KeptPlan::prepare(&text, &mut types, planning)?;
        if planning != Planning::Once {
            return Ok(Statement { plan, types, tables: Vec::new(), used: run });
        }

        let relations = plan.relations();
        let tables = relations.into_iter().filter(|table| table.to_u32() >= pg_sys::FirstNormalObjectId);
        match tables.map(|table| Some((table, blocks_of(table)?))).collect() {
            Some(tables) => Ok(Statement { plan, types, tables, used: run }),
            None => Statement::prepare(sql, &types, Planning::EachTime, run),
        }
    }

    /// Returns whether the statement may run as it is: its names need not be looked up again, they are those of
    /// tables that may be named now, and none of its tables has outgrown the plan.
    fn fits(&self) -> bool {
        self.plan.is_valid()
            && statement::may_name(&self.plan.relations())
            && !self.tables.iter().any(|(table, blocks)| has_outgrown(*table, *blocks))
    }
}

/// Returns whether a plan for a table of so many blocks does not fit any more, because the table has grown or is another
/// kind of relation now.
fn has_outgrown(table: pg_sys::Oid, blocks: u32) -> bool {
    blocks_of(table).is_none_or(|now| now > blocks.saturating_mul(2).saturating_add(FREE_GROWTH))
}

/// Returns the size in blocks of a plain table without children; `None` for any other relation.
fn blocks_of(table: pg_sys::Oid) -> Option<u32> {
    // SAFETY: within a transaction; the relation is closed again, and its lock is kept until the end of the
    // transaction as for any table that a statement reads.
    unsafe {
        let relation = pg_sys::try_relation_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let class = relation.as_ref()?.rd_rel;
        let is_plain =
            (*class).relkind == pg_sys::RELKIND_RELATION as std::ffi::c_char && !(*class).relhassubclass;
        let blocks = is_plain
            .then(|| pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM));
        pg_sys::relation_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        blocks
    }
}
