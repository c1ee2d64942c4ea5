//! Searching a vectorizer's vectors and words, as whoever asks.
//!
//! Nothing here runs with more rights than the caller's: it is SELECTs, which the caller could write by hand. A superuser
//! reads other roles' tables with those roles' rights.
//!
//! * [`request`]: the terms of a search
//! * [`filter`]: the caller's condition over the rows of the source
//! * [`known`]: what a session keeps of the vectorizers that it searched
//! * [`prepared`]: locking what is read, and writing the statements
//! * [`run`]: running a search
//! * [`nearest`]: by the vector alone
//! * [`arms`]: by words, or by both
//! * [`reranked`]: by a model that ranks what was found
//! * [`choosing`]: the choice among rows
//! * [`words`]: the words of a question, and the chunks that have them
//! * [`collection`]: the statistics of a vectorizer's words
//! * [`place`]: the relation that is read
//! * [`columns`]: the types of its columns
//! * [`reader`]: the role that reads it
//! * [`ordering`]: the distance, written so that an index serves it
//! * [`statement`]: the SELECTs
//! * [`tuning`]: pgvector's settings for them
//! * [`answer`]: the rows that are returned
//! * [`scale`]: what their scores measure
//! * [`steps`]: the steps of a search, for whoever asks how it went
//! * [`described`]: the statements in them
//! * [`plan`]: the plan of a statement

pub mod answer;
mod arms;
mod choosing;
mod collection;
mod columns;
mod described;
pub mod filter;
pub mod known;
mod nearest;
mod ordering;
mod place;
mod plan;
pub mod prepared;
mod reader;
pub mod request;
pub mod reranked;
pub mod run;
pub mod scale;
mod statement;
pub mod steps;
mod tuning;
pub mod words;
