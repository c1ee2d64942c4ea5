//! Vector indexes: they are built when a store has enough rows, without blocking writes to it.
//!
//! * [`due`]: the database's worker decides when
//! * [`pauses`]: the pauses between two checks of the same vectorizer
//! * [`builders`]: the builders that run, and the places that they take
//! * [`builder`]: a separate process that runs one build as the vectorizer's owner
//! * [`definition`]: the index for a vectorizer, as SQL
//! * [`existing`]: the indexes of its store
//! * [`build_now`]: builds at a user's request, within the user's transaction

pub mod build_now;
mod builder;
mod builders;
mod definition;
pub mod due;
mod existing;
mod pauses;

pub use definition::require_room;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::{IntoDatum, pg_sys};

/// `backend_type` of a builder in `pg_stat_activity`.
pub const BUILDER_TYPE: &str = "pgai_rs index builder";

/// The arguments of a builder, passed in its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    vectorizer: i32,
    database: pg_sys::Oid,
    owner: pg_sys::Oid,
}

impl Order {
    /// Returns the background worker for it, which is not restarted when it ends.
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

    /// Reads what [`process`](Order::process) has passed on; `None` if it is invalid.
    fn read(argument: pg_sys::Datum, extra: &str) -> Option<Order> {
        let (database, owner) = extra.split_once(' ')?;
        Some(Order {
            vectorizer: argument.value() as i32,
            database: database.parse::<u32>().ok()?.into(),
            owner: owner.parse::<u32>().ok()?.into(),
        })
    }
}
