//! Choosing among the chunks that a search has found: what of it needs no Postgres.
//!
//! * [`metric`]: distances, and the scores that they become
//! * [`bm25`]: scores by the words that a text shares with a question
//! * [`fusion`]: one order of what several arms of a search have found
//! * [`merging`]: one order of what searches in several vectorizers have found
//! * [`choice`]: so many of each document, and chunks that are unlike each other

pub mod bm25;
pub mod choice;
pub mod fusion;
pub mod merging;
pub mod metric;
