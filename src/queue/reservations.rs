//! The worker's memory of batches between turns.

use std::collections::HashMap;

use pgai_rs_pipeline::budget::Reserved;

/// The amounts that are set aside of budgets for batches that are not billed yet, by the batches' ids.
pub type Reservations = HashMap<i64, Vec<Reserved>>;

/// The worker's memory of batches between turns.
pub struct Remembered {
    /// True unless it is known that there are none.
    pub may_have: bool,
    /// The amounts that are set aside for each.
    pub reservations: Reservations,
}

impl Default for Remembered {
    fn default() -> Self {
        Remembered { may_have: true, reservations: Reservations::default() }
    }
}
