//! The queue over SPI. Its protocol is in `pgai_rs_queue`; here is what the worker adds to it: which vectorizers
//! there are, when each is worked on, and as whom.
//!
//! From the bottom up; a file knows those above it in this list:
//!
//! * [`definition`]: reads what a vectorizer's statements are made of
//! * [`filling`]: the words that older chunks may lack
//! * [`pause`], [`schedule`], [`looks`], [`active`]: a vectorizer that is served, with the times at which it is worked on
//! * [`session`]: the connection on which the protocol runs
//! * [`tickets`], [`conditions`], [`next_look`], [`counters`], [`requests`], `reservations`, [`waiting_for_batch`]: what the worker remembers
//!   between turns
//! * [`listed`], [`roster`]: the vectorizers that the catalog lists, and those that are served; `rereading`: those that may
//!   have changed
//! * `looking`: which of them have something to do; `adding_words`: adding words to older chunks; `batched`: what batches have
//!   brought, and inputs that are collected for them
//! * [`spi`]: the pipeline's `Queue`
//!
//! Beside them:
//!
//! * [`resync`]: enqueues changes that the triggers did not see; [`unlogged`]: finds tables that a crash emptied

pub mod active;
mod adding_words;
pub mod batched;
pub mod conditions;
pub mod counters;
pub mod definition;
pub mod filling;
pub mod listed;
mod looking;
pub mod looks;
pub mod next_look;
pub mod pause;

pub mod requests;
mod rereading;
mod reservations;
pub mod resync;
pub mod roster;
pub mod schedule;
pub mod session;
pub mod spi;
pub mod tickets;
pub mod unlogged;
pub mod waiting_for_batch;
