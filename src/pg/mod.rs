//! What pgrx leaves to its users: errors with SQLSTATE and hint, identities, transactions.

pub mod error;
pub mod identity;
pub mod sql;
pub mod transaction;
