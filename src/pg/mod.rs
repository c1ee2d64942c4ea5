//! Postgres facilities that pgrx does not provide: errors with SQLSTATE and hint, identities, settings,
//! sessions, transactions, statements, turns, deadlines, file descriptors, and the key that encrypts secrets.

pub mod connection;
pub mod database;
pub mod deadline;
pub mod descriptors;
pub mod discreet;
pub mod error;
pub mod identity;
pub mod interval;
pub mod json;
pub mod key_file;
pub mod limits;
pub mod lock;
pub mod memory;
pub mod named;
pub mod plan;
pub mod plan_cache;
pub mod quote;
pub mod random;
pub mod role_settings;
pub mod roles;
pub mod session;
pub mod settings;
pub mod sql;
pub mod statement;
pub mod transaction;
pub mod truncation;
pub mod turn;
pub mod utility;
pub mod vector;
pub mod wait;
