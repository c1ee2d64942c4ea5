//! The queue: an inbox that user transactions only append to, and a work table that only the worker changes.
//!
//! * [`trigger`]: the trigger on a source, which runs in the user's transaction
//! * [`wake`]: wakes the worker at commit
//! * [`statements`]: the queue's SQL, written once per vectorizer
//! * [`fold`]: moves rows from the inbox to the work table
//! * [`schedule`], [`request`]: the times at which a vectorizer is worked on
//! * [`spi`]: the pipeline's `Queue`, over SPI; [`served`]: one vectorizer of it; [`claim`]: its leases
//! * [`complete`], [`fail`]: the second transaction of a document; [`gone`]: that of a row that was deleted
//! * [`store`], [`mod@column`]: the destinations of vectors
//! * [`origin`]: provenance of each row, so that nothing is read or embedded twice
//! * [`resync`]: enqueues changes that the triggers did not see; [`missed`]: records that there may be some;
//!   [`unlogged`]: finds tables that a crash emptied
//! * [`unheld`]: claims that a change of a key's type has ended
//! * [`errors`]: rows of `ai._vectorizer_errors`, counted and limited

pub mod claim;
pub mod column;
pub mod complete;
pub mod errors;
pub mod fail;
pub mod fold;
pub mod gone;
pub mod missed;
pub mod origin;
pub mod request;
pub mod resync;
pub mod schedule;
pub mod served;
pub mod spi;
pub mod statements;
pub mod store;
pub mod trigger;
pub mod unheld;
pub mod unlogged;
pub mod wake;
