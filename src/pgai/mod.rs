//! Taking over from pgai: the vectorizers that were created with `pgai install`, as they are in its schema,
//! which was renamed to make room for ours.
//!
//! Nothing in that schema is changed, and the triggers that depend on it are disabled rather than dropped, so
//! that the change can be reversed.

pub mod adopt;
pub mod catalog;
pub mod config;
pub mod give_back;
mod old_table;
pub mod requirements;
mod triggers;
