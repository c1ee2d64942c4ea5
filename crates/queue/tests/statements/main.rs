//! The queue's statements on a plain server: what each does to the rows of its tables.
#![allow(clippy::unwrap_used)]

/// Prepares a test's queue, or ends the test if there is no Postgres.
macro_rules! queue {
    ($queue:expr) => {
        match $queue {
            Some(queue) => queue,
            None => return,
        }
    };
}

mod addresses;
mod claims;
mod failures;
mod leases;
mod queue;
mod redefined;
mod results;
mod sizes;
#[path = "../support/mod.rs"]
mod support;
mod suspects;
