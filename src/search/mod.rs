//! Searching a vectorizer's vectors, as whoever asks.
//!
//! Nothing here runs with more rights than the caller's: it is one SELECT, which the caller could write by hand. A superuser
//! reads other roles' tables with those roles' rights.
//!
//! * [`filter`]: the caller's condition over the rows of the source
//! * [`ordering`]: the distance, written so that an index serves it
//! * [`place`]: the relation that is read
//! * [`columns`]: the types of its columns
//! * [`reader`]: the role that reads it
//! * [`statement`]: the SELECT
//! * [`tuning`]: pgvector's settings for it
//! * [`run`]: running it, and choosing among what it finds

mod columns;
pub mod filter;
mod ordering;
mod place;
mod reader;
pub mod run;
mod statement;
mod tuning;
