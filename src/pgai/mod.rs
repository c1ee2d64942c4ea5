//! Taking over from pgai: the vectorizers that `pgai install` and its users made, as they stand in
//! its schema, which was renamed to make room for ours.
//!
//! Nothing in that schema is changed, and the triggers that lead into it are switched off rather
//! than dropped, so that there is a way back.

pub mod adopt;
pub mod catalog;
pub mod config;
pub mod give_back;
mod old_table;
pub mod requirements;
mod triggers;
