//! The daily quotas of roles, as this worker counts on them.

use std::sync::Arc;

use pgai_rs_pipeline::quota::Quotas;

use crate::catalog::spending;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;

/// The roles' daily quotas and what they have spent.
#[derive(Default)]
pub struct SharedQuotas(Option<Arc<Quotas>>);

impl SharedQuotas {
    /// Returns what roles have spent. The first call reads what was spent before this process began.
    pub fn get(&mut self) -> Result<Arc<Quotas>, PgError> {
        if let Some(quotas) = &self.0 {
            return Ok(Arc::clone(quotas));
        }
        let quotas = Arc::new(Quotas::default());
        transaction(|| spending::remember(&quotas))?;
        self.0 = Some(Arc::clone(&quotas));
        Ok(quotas)
    }

    /// Writes what roles have spent since the last call.
    pub fn write(&self) -> Result<(), PgError> {
        match &self.0 {
            Some(quotas) => spending::write(quotas),
            None => Ok(()),
        }
    }
}
