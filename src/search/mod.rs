//! Searching a vectorizer's vectors, as whoever asks.
//!
//! Nothing here runs with other rights than the caller's: it is one SELECT, which the caller could write by hand.
//!
//! * [`filter`]: the caller's condition over the rows of the source
//! * [`ordering`]: the distance, written so that an index serves it
//! * [`place`]: the relation that is read
//! * [`statement`]: the SELECT
//! * [`tuning`]: pgvector's settings for it
//! * [`run`]: running it, and choosing among what it finds

pub mod filter;
mod ordering;
mod place;
pub mod run;
mod statement;
mod tuning;
