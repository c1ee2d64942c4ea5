//! The daily quotas of roles, as this worker counts on them, and what vectorizers use of models.

use std::sync::Arc;

use pgai_rs_pipeline::quota::Quotas;
use pgai_rs_pipeline::usage::Ledger;

use crate::catalog::definitions::{self, Watch};
use crate::catalog::{budget, spending, telling, usage};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The counts that all vectorizers are charged to.
#[derive(Clone)]
pub struct Counters {
    /// The roles' daily quotas and what they have spent.
    pub quotas: Arc<Quotas>,
    /// What vectorizers have used of models.
    pub ledger: Arc<Ledger>,
}

/// The counters of this process, once they are needed.
#[derive(Default)]
pub struct SharedCounters {
    counters: Option<Counters>,
    /// The watch over the budgets, from when they were read; `None` if they are read with each heartbeat alone.
    budgets: Option<Watch>,
}

impl SharedCounters {
    /// Returns the counters. The first call reads what was spent before this process began.
    pub fn get(&mut self) -> Result<Counters, PgError> {
        if let Some(counters) = self.counters.clone() {
            if self.budgets.as_ref().is_some_and(|watch| !watch.is_undisturbed()) {
                self.budgets = read_budgets(&counters)?;
            }
            return Ok(counters);
        }
        let counters = Counters { quotas: Arc::default(), ledger: Arc::default() };
        transaction(|| spending::remember(&counters.quotas))?;
        self.budgets = read_budgets(&counters)?;
        self.counters = Some(counters.clone());
        Ok(counters)
    }

    /// Writes what was counted since the last call.
    pub fn write(&self) -> Result<(), PgError> {
        match &self.counters {
            Some(counters) => spending::write(&counters.quotas).and(usage::write(&counters.ledger)),
            None => Ok(()),
        }
    }
}

/// Reads the budgets and begins to watch over them.
fn read_budgets(counters: &Counters) -> Result<Option<Watch>, PgError> {
    transaction(|| {
        let since = definitions::generation();
        let tables = telling::of(&telling::OF_BUDGETS)?;
        budget::load(counters.ledger.budgets(), false)?;
        Ok(tables.map(|tables| Watch::over_names(tables, since)))
    })
}
