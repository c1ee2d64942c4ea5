//! Taking over from pgai: the vectorizers that were created with `pgai install`, as they are in its schema,
//! which was renamed to make room for ours.
//!
//! Nothing in that schema is changed, and the triggers that depend on it are disabled rather than dropped, so
//! that the change can be reversed.
//!
//! * [`catalog`]: pgai's catalog, with its [`config`]s converted to our form
//! * [`requirements`]: whether a vectorizer can be taken over
//! * [`adopt`]: taking one over
//! * [`trust`]: who may have written its config
//! * [`release`]: giving one back to pgai's worker
//! * `triggers`, `old_table`: pgai's triggers and tables

pub mod adopt;
pub mod catalog;
pub mod config;
mod old_table;
pub mod release;
pub mod requirements;
mod triggers;
pub mod trust;
