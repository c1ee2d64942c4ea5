//! What pgrx leaves to its users: errors with SQLSTATE and hint, identities, settings, sessions,
//! transactions, statements, turns, descriptors.

pub mod descriptors;
pub mod error;
pub mod identity;
pub mod json;
pub mod limits;
pub mod lock;
pub mod memory;
pub mod session;
pub mod settings;
pub mod sql;
pub mod transaction;
pub mod turn;
pub mod utility;
