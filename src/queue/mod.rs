//! The queue: an inbox that user transactions only append to, and a work table that only the worker
//! changes.
//!
//! * [`trigger`]: what runs in the user's transaction
//! * [`wake`]: telling the worker at commit
//! * [`statements`]: the queue's SQL, written once per vectorizer
//! * [`fold`]: from the one to the other
//! * [`schedule`], [`request`]: when there is a time for it
//! * [`spi`]: the pipeline's `Queue`, by SPI; [`served`]: one vectorizer of it; [`claim`]: its leases
//! * [`complete`], [`fail`]: the second transaction of a document; [`gone`]: of a row that is no more
//! * [`store`], [`mod@column`]: where its vectors are written
//! * [`origin`]: what is remembered, so that nothing is read or embedded twice
//! * [`resync`]: what the triggers did not see; [`missed`]: since when there may be such; [`unlogged`]: what a
//!   crash emptied
//! * [`unheld`]: claims that a change of a key's type has ended
//! * [`errors`]: `ai._vectorizer_errors`, without repetition and without end

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
