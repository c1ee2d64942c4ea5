//! Choosing among the chunks that a search has found: what of it needs no Postgres.
//!
//! * [`metric`]: distances, and the scores that they become
//! * [`choice`]: so many of each document, and chunks that are unlike each other

pub mod choice;
pub mod metric;
