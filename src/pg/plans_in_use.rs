//! The plans of queries that a session runs again and again.
//!
//! A query is planned anew until it comes a second time: of those that differ each time nothing is kept. Postgres reads a
//! kept one again when what it names has changed, or when the search path or the role is another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use pgrx::pg_sys;

use super::error::PgError;
use super::plan::{KeptPlan, Planning};

/// The number of plans that are kept. Each takes some 100 kB of memory.
const MOST_PLANS: usize = 16;

/// The number of queries that are remembered as having come once.
const MOST_SEEN: usize = 64;

thread_local! {
    static QUERIES: RefCell<Queries> = RefCell::default();
}

#[derive(Default)]
struct Queries {
    /// The one that was used last comes last. A plan that is running lives on when it is dropped here: what a query calls
    /// may run others.
    kept: VecDeque<Kept>,
    /// Hashes of those that came once.
    seen: VecDeque<u64>,
    hasher: RandomState,
}

struct Kept {
    sql: Box<CStr>,
    types: Box<[pg_sys::Oid]>,
    plan: Rc<KeptPlan>,
}

/// Returns the plan of a query with parameters of these types; `None` if it comes for the first time. It must be called
/// within an SPI connection.
pub fn of(sql: &CStr, types: &[pg_sys::Oid]) -> Result<Option<Rc<KeptPlan>>, PgError> {
    if let Some(plan) = QUERIES.with_borrow_mut(|queries| queries.find(sql, types)) {
        return Ok(Some(plan));
    }
    if !QUERIES.with_borrow_mut(|queries| queries.comes_again(sql)) {
        return Ok(None);
    }

    let mut given = types.to_vec();
    let plan = Rc::new(KeptPlan::prepare(sql, &mut given, Planning::ByCost)?);
    let kept = Kept { sql: sql.into(), types: types.into(), plan: plan.clone() };
    // What is dropped is dropped here: freeing a plan is Postgres's work.
    drop(QUERIES.with_borrow_mut(|queries| queries.keep(kept)));
    Ok(Some(plan))
}

impl Queries {
    fn find(&mut self, sql: &CStr, types: &[pg_sys::Oid]) -> Option<Rc<KeptPlan>> {
        let place = self.kept.iter().position(|kept| *kept.sql == *sql && *kept.types == *types)?;
        let kept = self.kept.remove(place)?;
        let plan = kept.plan.clone();
        self.kept.push_back(kept);
        Some(plan)
    }

    /// Returns whether a query has come before. Notes that it has come.
    fn comes_again(&mut self, sql: &CStr) -> bool {
        let hash = self.hasher.hash_one(sql);
        if self.seen.contains(&hash) {
            return true;
        }
        if self.seen.len() == MOST_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(hash);
        false
    }

    /// Keeps a plan. Returns the one that was not used for longest, if there is no room for both.
    fn keep(&mut self, kept: Kept) -> Option<Kept> {
        let oldest = if self.kept.len() == MOST_PLANS { self.kept.pop_front() } else { None };
        self.kept.push_back(kept);
        oldest
    }
}
