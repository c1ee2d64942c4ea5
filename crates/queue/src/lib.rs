//! The queue's protocol on any connection to Postgres: an inbox that user transactions only append to, and a work
//! table that only workers change.
//!
//! It knows neither pgrx nor the network. Whoever has a connection implements [`Session`](session::Session) for it:
//! the extension's worker on SPI, the tests on a client's connection to a plain server. From the bottom up:
//!
//! * [`session`]: the seam; [`quote`], [`key`], [`tables`], [`definition`], [`statements`]: names, keys, and a vectorizer's
//!   definition, with the texts of its statements
//! * [`sql`]: a function for each statement
//! * [`cursor`], [`inbox`]: moves rows from the inbox to the work table
//! * [`partitions`], [`work`]: claimed rows, and the statements that all transactions on them share
//! * [`outcome`], [`provenance`], [`text`]: results, and what is stored of them so that nothing is read, parsed or
//!   embedded twice
//! * [`store`], [`mod@column`]: the destinations of vectors; [`words`]: the words of a store's chunks
//! * [`mod@claim`]: the first transaction of a document; [`complete`], [`fail`]: the second; [`gone`]: that of a row
//!   that was deleted; [`unheld`]: claims that a change of a key's type has ended
//! * [`bounds`]: limits on the bytes that are read of claimed rows; [`suspects`]: rows that a worker held when it ended
//! * [`errors`]: rows of `ai._vectorizer_errors`, counted and limited
//! * [`sample`]: some rows of a source, by chance
//! * [`allowance`]: a limit on the time that a kind of work takes

pub mod allowance;
pub mod bounds;
pub mod claim;
pub mod column;
pub mod complete;
pub mod cursor;
pub mod definition;
pub mod errors;
pub mod fail;
pub mod gone;
pub mod inbox;
pub mod key;
pub mod outcome;
pub mod partitions;
pub mod provenance;
pub mod quote;
pub mod sample;
pub mod session;
pub mod sql;
pub mod statements;
pub mod store;
pub mod suspects;
pub mod tables;
pub mod text;
pub mod unheld;
pub mod words;
pub mod work;
