//! Vector indexes: built when a store has enough rows, without holding up who writes to it.
//!
//! * [`due`]: the database's worker decides when, and starts a builder
//! * [`builder`]: a process of its own, as the vectorizer's owner, for the time of one build
//! * [`definition`]: the index that a vectorizer wants, as SQL
//! * [`existing`]: the indexes that its store has
//! * [`at_once`]: one that somebody asks for, within his transaction

pub mod at_once;
mod builder;
mod definition;
pub mod due;
mod existing;

pub use definition::require_room;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::{pg_sys, IntoDatum};

/// `backend_type` of a builder in `pg_stat_activity`.
pub const BUILDER_TYPE: &str = "pgai_rs index builder";

/// What a builder is told through its slot: whose index, where, and as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    vectorizer: i32,
    database: pg_sys::Oid,
    owner: pg_sys::Oid,
}

impl Order {
    /// As a background worker that ends with its build.
    fn process(&self) -> BackgroundWorkerBuilder {
        BackgroundWorkerBuilder::new(BUILDER_TYPE)
            .set_type(BUILDER_TYPE)
            .set_library("pgai_rs")
            .set_function("pgai_rs_index_builder_main")
            .enable_spi_access()
            .set_start_time(BgWorkerStartTime::RecoveryFinished)
            .set_restart_time(None)
            .set_argument(self.vectorizer.into_datum())
            .set_extra(&format!("{} {}", self.database.to_u32(), self.owner.to_u32()))
    }

    /// The reverse of [`process`](Order::process).
    fn read(argument: pg_sys::Datum, extra: &str) -> Option<Order> {
        let (database, owner) = extra.split_once(' ')?;
        Some(Order {
            vectorizer: argument.value() as i32,
            database: database.parse::<u32>().ok()?.into(),
            owner: owner.parse::<u32>().ok()?.into(),
        })
    }
}
