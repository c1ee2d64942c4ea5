//! The queue: an inbox that user transactions only append to, and a work table that only the worker changes.
//!
//! From the bottom up; a file knows those above it in this list:
//!
//! * [`definition`], [`sql`]: a vectorizer's names, and its statements
//! * [`cursor`], [`inbox`]: moves rows from the inbox to the work table
//! * [`partitions`], [`work`]: claimed rows, and the statements that all transactions on them share
//! * [`outcome`], [`provenance`]: results, and what is stored of them so that nothing is read or embedded twice
//! * [`store`], [`mod@column`]: the destinations of vectors
//! * [`pause`], [`schedule`], [`active`]: a vectorizer that is served, with the times at which it is worked on
//! * [`mod@claim`]: the first transaction of a document; [`complete`], [`fail`]: the second; [`gone`]: that of a row
//!   that was deleted; [`unheld`]: claims that a change of a key's type has ended
//! * [`tickets`], [`conditions`], [`next_look`], [`quotas`], [`requests`]: what the worker remembers between turns
//! * [`roster`]: the vectorizers that are served
//! * [`spi`]: the pipeline's `Queue` over SPI
//!
//! Beside them:
//!
//! * [`errors`]: rows of `ai._vectorizer_errors`, counted and limited
//! * [`resync`]: enqueues changes that the triggers did not see; [`unlogged`]: finds tables that a crash emptied

pub mod active;
pub mod claim;
pub mod column;
pub mod complete;
pub mod conditions;
pub mod cursor;
pub mod definition;
pub mod errors;
pub mod fail;
pub mod gone;
pub mod inbox;
pub mod next_look;
pub mod outcome;
pub mod partitions;
pub mod pause;
pub mod provenance;
pub mod quotas;
pub mod requests;
pub mod resync;
pub mod roster;
pub mod schedule;
pub mod spi;
pub mod sql;
pub mod store;
pub mod tickets;
pub mod unheld;
pub mod unlogged;
pub mod work;
