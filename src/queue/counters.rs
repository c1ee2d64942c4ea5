//! The daily quotas of roles, as this worker counts on them, and what vectorizers use of models.

use std::sync::Arc;

use pgai_rs_pipeline::quota::Quotas;
use pgai_rs_pipeline::usage::Ledger;

use crate::catalog::{spending, usage};
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
pub struct SharedCounters(Option<Counters>);

impl SharedCounters {
    /// Returns the counters. The first call reads what was spent before this process began.
    pub fn get(&mut self) -> Result<Counters, PgError> {
        if let Some(counters) = &self.0 {
            return Ok(counters.clone());
        }
        let counters = Counters { quotas: Arc::default(), ledger: Arc::default() };
        transaction(|| spending::remember(&counters.quotas))?;
        self.0 = Some(counters.clone());
        Ok(counters)
    }

    /// Writes what was counted since the last call.
    pub fn write(&self) -> Result<(), PgError> {
        match &self.0 {
            Some(counters) => spending::write(&counters.quotas).and(usage::write(&counters.ledger)),
            None => Ok(()),
        }
    }
}
